use std::time::Instant;
fn main() -> anyhow::Result<()> {
    host::init();
    let t=Instant::now();
    let pool = host::Pool::builder().workers(2).component("arith").build()?;
    println!("build {:?}", t.elapsed());
    for _ in 0..3 {
        let t=Instant::now();
        let r: Vec<i64> = pool.map("square", 0..1_000_000i64)?;
        let e=t.elapsed();
        println!("map 1M {:?} {:.2} M/s {}", e, 1.0/e.as_secs_f64(), r[999_999]);
    }
    let f = pool.func::<(i64,), i64>("square")?;
    let mut lat = vec![];
    for i in 0..100_000 { let t=Instant::now(); let _ = f.apply((i,))?; lat.push(t.elapsed().as_nanos()); }
    lat.sort(); println!("apply p50 {} p99 {} ns", lat[50_000], lat[99_000]);
    let mut lat = vec![];
    for i in 0..100 { std::thread::sleep(std::time::Duration::from_millis(10)); let t=Instant::now(); let _ = f.apply((i,))?; lat.push(t.elapsed().as_nanos()); }
    lat.sort(); println!("idle apply p50 {} p99 {} ns", lat[50], lat[98]);
    let t=Instant::now();
    let r: Vec<Vec<i64>> = pool.map("cubes", std::iter::repeat_n(1000u32, 20_000))?;
    println!("cubes {:?} {:.0} jobs/s {}", t.elapsed(), 20_000.0/t.elapsed().as_secs_f64(), r.len());
    println!("{:?}", pool.stats());
    Ok(())
}
