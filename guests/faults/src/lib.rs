//! Misbehaviour on request. What each function promises is in `faults.wit`; here is only how it is done.

wit_bindgen::generate!({ path: "../../wit/tasks", world: "faults-guest" });

use exports::pool::tasks::faults::Guest;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::hint::{black_box, spin_loop};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs, process, thread};

/// How often `counter` was called: what an instance remembers from one job to the next.
static CALLS: AtomicU32 = AtomicU32::new(0);

/// What `eat-memory` takes at a time: small beside any limit, so that hardly any memory is left in the end.
const BITE_BYTES: usize = 64 << 10;

struct Faults;
export!(Faults);

impl Guest for Faults {
    fn maybe_trap(n: u32) -> u32 {
        assert!(n % 10 != 7, "maybe-trap({n}): the number ends in 7");
        n
    }

    fn panic_with(message: String) {
        panic!("{message}");
    }

    fn unreachable() {
        process::abort();
    }

    fn out_of_bounds() {
        wild::load(u32::MAX as usize);
    }

    fn bad_call() {
        wild::call(u32::MAX as usize);
    }

    fn recurse() -> u32 {
        descend()
    }

    fn spin() {
        loop {
            spin_loop();
        }
    }

    fn sleep(milliseconds: u64) {
        thread::sleep(Duration::from_millis(milliseconds));
    }

    fn eat_memory() {
        let mut eaten = Vec::new();
        loop {
            eaten.push(black_box(vec![1_u8; BITE_BYTES]));
        }
    }

    fn huge_result(bytes: u64) -> Vec<u8> {
        let length = usize::try_from(bytes)
            .unwrap_or_else(|_| panic!("{bytes} bytes are more than a 32-bit memory holds"));
        vec![0; length]
    }

    fn flood_stdout(bytes: u64) {
        flood(io::stdout(), bytes);
    }

    fn flood_stderr(bytes: u64) {
        flood(io::stderr(), bytes);
    }

    fn log(line: String) {
        eprintln!("{line}");
    }

    fn exit(code: u32) {
        process::exit(code as i32);
    }

    fn counter() -> u32 {
        CALLS.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn environment() -> Vec<(String, String)> {
        env::vars().collect()
    }

    fn read_file(path: String) -> Result<String, String> {
        fs::read_to_string(path).map_err(|error| error.to_string())
    }

    fn write_file(path: String, text: String) -> Result<(), String> {
        fs::write(path, text).map_err(|error| error.to_string())
    }

    fn random() -> u64 {
        // Rust's standard library hands out randomness only as the seed of its hash maps.
        RandomState::new().build_hasher().finish()
    }

    fn now() -> u64 {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        since_1970
            .expect("the host's clock is past 1970")
            .as_millis() as u64
    }
}

/// One call deeper, forever. The black box keeps the compiler from making a loop of it.
#[expect(unconditional_recursion, reason = "the fault that is asked for")]
fn descend() -> u32 {
    black_box(descend()) + 1
}

fn flood(mut stream: impl Write, bytes: u64) {
    io::copy(&mut io::repeat(b'x').take(bytes), &mut stream)
        .and_then(|_| stream.flush())
        .expect("the host takes the guest's output");
}

/// Faults that Rust's rules exist to prevent. WebAssembly defines what becomes of each, a trap; the black boxes keep the
/// compiler from reasoning about them.
mod wild {
    use std::hint::black_box;

    /// Reads the byte at `address`, whatever is there.
    pub fn load(address: usize) -> u8 {
        let pointer = black_box(address as *const u8);
        // SAFETY: none, which is the point.
        unsafe { pointer.read_volatile() }
    }

    /// Calls the function at `address`, whatever is there.
    pub fn call(address: usize) {
        // SAFETY: none, which is the point.
        let function: fn() = unsafe { std::mem::transmute(black_box(address)) };
        function();
    }
}
