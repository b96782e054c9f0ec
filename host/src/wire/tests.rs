//! Golden bytes. If one of these fails because a message changed on purpose, raise `VERSION` and write the new bytes.

use super::*;
use crate::job::{Cause, FaultReport, Level};
use crate::lockdown::{Wall, WallState};

#[test]
fn a_header_is_its_length_its_job_and_its_kind() {
    let header = Header {
        kind: Kind::Value,
        job: 0x01_0203,
        length: 9,
    };
    assert_eq!(header.encode(), [9, 0, 0, 0, 3, 2, 1, 3]);
    assert_eq!(Header::decode(header.encode()), Some(header));
    assert_eq!(header.frame_bytes(), 8 + 16);
}

#[test]
fn only_the_low_bits_of_a_job_are_in_its_header() {
    let header = Header {
        kind: Kind::Job,
        job: u32::MAX,
        length: 0,
    };
    assert_eq!(header.encode(), [0, 0, 0, 0, 255, 255, 255, 2]);
}

#[test]
fn a_header_of_an_unknown_kind_is_none() {
    for kind in [0, 9, 255] {
        assert_eq!(Header::decode([0, 0, 0, 0, 0, 0, 0, kind]), None);
    }
}

#[test]
fn a_frame_is_filled_up_to_eight_bytes_and_an_error_leaves_no_trace() {
    let mut frames = Vec::new();
    let put = put_frame(Kind::Job, 5, &mut frames, |payload| {
        payload.extend([1, 2, 3]);
        Ok::<_, TooLong>(())
    });
    assert_eq!(put, Ok(()));
    assert_eq!(frames, [3, 0, 0, 0, 5, 0, 0, 2, 1, 2, 3, 0, 0, 0, 0, 0]);
    let before = frames.clone();
    let put = put_frame(Kind::Job, 6, &mut frames, |payload| {
        payload.push(9);
        Err(TooLong(1))
    });
    assert_eq!((put, frames), (Err(TooLong(1)), before));
}

#[test]
fn an_account_is_five_numbers_behind_the_answer() {
    let mut frame = Vec::new();
    put_frame(Kind::Value, 5, &mut frame, |payload| {
        payload.extend([1, 2, 3]);
        Ok::<_, TooLong>(())
    })
    .unwrap();
    let account = Account {
        wall_ns: 0x0102,
        cpu_ns: 2,
        fuel: 3,
        host_calls: 4,
        memory_bytes: u64::MAX,
    };
    append(&mut frame, &account.encode());
    let header = Header::decode(*frame.first_chunk().unwrap()).unwrap();
    assert_eq!(
        (header.kind, header.job, header.length),
        (Kind::Value, 5, 43)
    );
    assert_eq!(frame.len(), header.frame_bytes());
    assert_eq!(frame[8..13], [1, 2, 3, 2, 1]);
    assert_eq!(frame[43..51], [255; 8]);
    let payload = &frame[8..51];
    assert_eq!(Account::split(payload), Some((&[1, 2, 3][..], account)));
    assert_eq!(Account::split(&payload[..39]), None);
}

#[test]
fn a_payload_whose_length_a_header_cannot_hold_is_refused_and_says_so() {
    assert_eq!(length_field(u32::MAX as usize), Ok(u32::MAX));
    let too_long = length_field(1 << 32).unwrap_err();
    assert_eq!(
        FaultReport::from(too_long).cause.to_string(),
        "the result cannot be returned: it takes 4294967296 bytes, and at most 4294967295 can travel"
    );
}

#[test]
fn the_messages_have_their_golden_bytes() {
    let ready = Hello::Ready {
        version: 2,
        walls: vec![
            WallReport {
                wall: Wall::Environment,
                state: WallState::On,
            },
            WallReport {
                wall: Wall::SystemCalls,
                state: WallState::Off("no".into()),
            },
        ],
    };
    assert_eq!(
        postcard::to_stdvec(&ready),
        Ok(vec![0, 2, 2, 1, 0, 10, 2, 2, b'n', b'o'])
    );
    let unprotected = Hello::Unprotected("no".into());
    assert_eq!(
        postcard::to_stdvec(&unprotected),
        Ok(vec![2, 2, b'n', b'o'])
    );
    let failed = Hello::Failed("no".into());
    assert_eq!(postcard::to_stdvec(&failed), Ok(vec![1, 2, b'n', b'o']));
    let report = FaultReport {
        cause: Cause::Exit(3),
        backtrace: vec!["f".into()],
        stderr: "e".into(),
    };
    assert_eq!(
        postcard::to_stdvec(&report),
        Ok(vec![1, 6, 1, 1, b'f', 1, b'e'])
    );
    let start = Start {
        version: VERSION,
        spins: 7,
        description: Description {
            functions: Vec::new(),
            uncallable: Vec::new(),
            sweeps: Vec::new(),
            imports: Vec::new(),
            wit: String::new(),
        },
        limits: Limits::default(),
        grants: Grants::default(),
        isolation: Isolation::InstancePerJob,
        sandbox: Sandbox::BestEffort,
        room: 5,
        account: true,
        manager: 6,
        buckets: vec![("b".into(), [3; 16])],
        initializer: Some((2, vec![9])),
    };
    let golden = vec![
        6, 7, 0, 0, 0, 0, 0, 0, 128, 128, 128, 128, 4, 0, 128, 128, 32, 0, 0, 128, 128, 128, 128,
        1, 0, 0, 0, 0, 1, 1, 5, 1, 6, 1, 1, b'b', 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
        1, 2, 1, 9,
    ];
    assert_eq!(postcard::to_stdvec(&start), Ok(golden));
}

#[test]
fn a_line_of_a_log_has_these_bytes_and_nothing_else_is_one() {
    let line = Line::new(Level::Warn, 300, "c".into(), "m".into());
    let mut bytes = Vec::new();
    line.encode(&mut bytes);
    assert_eq!(bytes, [7, 0, 0, 0, 3, 172, 2, 1, b'c', 1, b'm']);
    let two = [&bytes[..], &bytes].concat();
    assert_eq!(Line::decode_all(&two), Some(vec![line.clone(), line]));
    for cut in 1..bytes.len() {
        assert_eq!(Line::decode_all(&bytes[..cut]), None, "{cut}");
    }
    bytes[4] = 6;
    assert_eq!(Line::decode_all(&bytes), None, "no such level");
    // A worker that does not cut is no worker of ours.
    let mut long = Line::new(Level::Info, 0, "é".repeat(200), "é".repeat(10_000));
    assert_eq!((long.context.len(), long.message.len()), (256, 16 << 10));
    long.context.push('x');
    long.encode(&mut bytes);
    assert_eq!(Line::decode_all(&bytes), None);
}
