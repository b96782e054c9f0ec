use super::*;
use crate::link::lend;

/// Jobs from this index on, whose arguments are their index as text, so that they have different lengths.
fn fill(mut chunk: Chunk<()>, jobs: u64) -> Chunk<()> {
    for job in chunk.first..chunk.first + jobs {
        let put = chunk.push(|payload| {
            payload.extend_from_slice(job.to_string().as_bytes());
            Ok::<_, TooLong>(())
        });
        put.unwrap();
    }
    chunk
}

fn sealed(mut chunk: Chunk<()>) -> Vec<u8> {
    chunk.seal();
    chunk.frames.to_vec()
}

#[test]
fn what_is_left_of_a_list_is_the_list_of_what_is_left() {
    // Across the end of what a header holds of an index.
    let first = (1 << 24) - 5;
    for asked in [Asked::AsBatch, Asked::AsSweep] {
        for answered in 0..12 {
            let mut list = fill(Chunk::list((), 3, first, asked), 12);
            list.seal();
            let rest = list.skip(answered);
            let left = first + u64::from(answered);
            let jobs = 12 - u64::from(answered);
            assert_eq!((rest.first, u64::from(rest.count)), (left, jobs));
            let expected = sealed(fill(Chunk::list((), 3, left, asked), jobs));
            assert_eq!(sealed(rest), expected);

            let mut list = fill(Chunk::list((), 3, first, asked), 12);
            list.seal();
            let each = list.skip(answered).one_by_one(7);
            assert_eq!(sealed(each), sealed(fill(Chunk::new((), 7, left), jobs)));
        }
    }
}

#[test]
fn a_list_is_not_divided() {
    let mut list = fill(Chunk::list((), 0, 0, Asked::AsSweep), 4);
    assert!(list.split_off(2).is_none());
    let mut each = fill(Chunk::new((), 0, 0), 4);
    let rest = each.split_off(1).unwrap();
    assert_eq!((each.count, rest.first, rest.count), (1, 1, 3));
    assert_eq!(sealed(rest), sealed(fill(Chunk::new((), 0, 1), 3)));
}

#[test]
fn a_lent_list_travels_as_one_that_was_copied() {
    for length in [0, 1, 4, 1003] {
        let items = vec![7_u8; length];
        let mut copied = Chunk::new((), 3, 7);
        let pushed = copied.push(|payload| {
            payload.extend_from_slice(&(length as u32).to_le_bytes());
            payload.extend_from_slice(&items);
            Ok::<_, TooLong>(())
        });
        pushed.unwrap();
        let expected = sealed(copied);
        lend(&items, |items| {
            let mut lent = Chunk::new((), 3, 7);
            lent.borrow(length, items).unwrap();
            lent.seal();
            assert_eq!(lent.bytes(), expected.len());
            for piece in [1, 7, 1000] {
                let mut travelled = Vec::new();
                while travelled.len() < lent.bytes() {
                    lent.after(travelled.len(), |bytes| {
                        travelled.extend_from_slice(&bytes[..piece.min(bytes.len())]);
                    });
                }
                assert_eq!(travelled, expected, "{length} in pieces of {piece}");
            }
        });
    }
}
