//! scratch
use std::time::{Duration, Instant};
fn main() -> anyhow::Result<()> {
    host::init();
    for round in 0..20 {
        let pool = host::Pool::builder()
            .workers(3)
            .component("arith")
            .build()?;
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|s| {
            s.spawn(|| {
                let it = (0u32..)
                    .take_while(|_| !stop.load(std::sync::atomic::Ordering::Relaxed))
                    .map(|n| n % 1000);
                for r in pool.imap::<Vec<i64>, _>("cubes", it).unwrap() {
                    r.unwrap();
                }
            });
            let mut killed = 0;
            while killed < 6 {
                let st = pool.stats();
                let done = st.jobs_done;
                let pid = st.workers[killed % 3].pid;
                let _ = std::process::Command::new("kill")
                    .arg("-9")
                    .arg(pid.to_string())
                    .status();
                killed += 1;
                let t = Instant::now();
                loop {
                    let s = pool.stats();
                    if s.workers_lost >= killed as u64
                        && s.workers.iter().all(|w| w.ready)
                        && s.jobs_done > done + 1000
                    {
                        break;
                    }
                    if t.elapsed() > Duration::from_secs(3) {
                        println!("{round} {killed} {pid} {done} {s:?}");
                        std::process::exit(1);
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        println!("round {round} ok");
    }
    Ok(())
}
