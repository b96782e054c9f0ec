//! stress, not committed
use host::Pool;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
fn main() {
    host::init();
    let secs: u64 = std::env::args()
        .nth(1)
        .and_then(|s| s.parse().ok())
        .unwrap_or(20);
    let end = Instant::now() + Duration::from_secs(secs);
    let mut rng_seed = 1u64;
    let mut rounds = 0;
    while Instant::now() < end {
        rounds += 1;
        let timed = rounds % 3 == 0;
        let mut b = Pool::builder().component("faults").workers(1 + rounds % 4);
        if rounds % 4 == 1 {
            b = b.chunk(1 + (rounds % 5) as u32);
        }
        if timed {
            b = b.limits({
                let mut l = host::job::Limits::default();
                l.timeout = Some(Duration::from_secs(5));
                l
            });
        }
        if rounds % 5 == 2 {
            b = b.max_jobs_per_worker(7);
        }
        let pool = b.build().unwrap();
        let round_end = Instant::now() + Duration::from_millis(800);
        let called = Arc::new(AtomicU64::new(0));
        let expected = AtomicU64::new(0);
        let (applies, cancelled) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|s| {
            for t in 0..10u64 {
                rng_seed = rng_seed
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(t + 1);
                let mut x = rng_seed;
                let (pool, called, expected, applies, cancelled) =
                    (&pool, &called, &expected, &applies, &cancelled);
                s.spawn(move || {
                    let mut r = move || {
                        x ^= x << 13;
                        x ^= x >> 7;
                        x ^= x << 17;
                        x
                    };
                    while Instant::now() < round_end {
                        let n = (r() % 1000) as u32 * 10;
                        match r() % 9 {
                            0..=2 => {
                                assert_eq!(pool.apply::<u32>("maybe-trap", (n,)).unwrap(), n);
                                applies.fetch_add(1, Ordering::Relaxed);
                            }
                            3 => {
                                expected.fetch_add(1, Ordering::Relaxed);
                                let c = called.clone();
                                pool.submit::<u32>("maybe-trap", (n,))
                                    .unwrap()
                                    .on_done(move |v| {
                                        assert_eq!(v.unwrap(), n);
                                        c.fetch_add(1, Ordering::Relaxed);
                                    });
                            }
                            4 => {
                                let mut i = pool
                                    .imap::<u32, _>("maybe-trap", (0..).map(|k: u32| k % 7))
                                    .unwrap();
                                for k in 0..r() % 400 {
                                    assert_eq!(i.next().unwrap().unwrap(), k as u32 % 7);
                                }
                            }
                            5 => {
                                drop(
                                    pool.map_async::<u32>(
                                        "maybe-trap",
                                        (0..(r() % 300) as u32).map(|k| k % 7).collect::<Vec<_>>(),
                                    )
                                    .unwrap(),
                                );
                            }
                            6 => {
                                let h = pool.submit::<()>("sleep", (r() % 3,)).unwrap();
                                if r() % 2 == 0 {
                                    h.cancel();
                                }
                                match h.wait() {
                                    Ok(()) => {}
                                    Err(host::pool::Error::Job(f))
                                        if f.cause == host::job::Cause::Cancelled =>
                                    {
                                        cancelled.fetch_add(1, Ordering::Relaxed);
                                    }
                                    e => panic!("{e:?}"),
                                }
                            }
                            7 => {
                                let h = pool.submit::<u32>("maybe-trap", (n,)).unwrap();
                                match h.wait_timeout(Duration::from_micros(r() % 300)) {
                                    Ok(v) => assert_eq!(v.unwrap(), n),
                                    Err(h) => assert_eq!(h.wait().unwrap(), n),
                                }
                            }
                            _ => {
                                let w = 1 + (r() % 4) as usize;
                                if r() % 10 == 0 {
                                    pool.resize(w);
                                }
                                let v: Vec<u32> =
                                    pool.map("maybe-trap", (0..50u32).map(|k| k % 7)).unwrap();
                                assert_eq!(v.len(), 50);
                            }
                        }
                    }
                });
            }
        });
        if rounds % 2 == 0 {
            pool.close();
            pool.join().unwrap();
            assert_eq!(
                called.load(Ordering::Relaxed),
                expected.load(Ordering::Relaxed)
            );
        }
        let stats = pool.stats();
        drop(pool);
        println!(
            "round {rounds}: applies {} cancelled {} callbacks {} {:?} retried {} lost {} threads {} fds {}",
            applies.into_inner(),
            cancelled.into_inner(),
            called.load(Ordering::Relaxed),
            stats.jobs_done,
            stats.jobs_retried,
            stats.workers_lost,
            std::fs::read_dir("/proc/self/task").unwrap().count(),
            std::fs::read_dir("/proc/self/fd").unwrap().count()
        );
    }
}
