//! A pool in ten lines: `cargo run --release --example hello`.

fn main() -> anyhow::Result<()> {
    host::init();
    let pool = host::Pool::builder()
        .workers(4)
        .component("arith")
        .build()?;
    let squares: Vec<i64> = pool.map("square", 0..12)?;
    let products: Vec<i64> = pool.starmap("product", [(1, 2, 3), (3, 4, 5)])?;
    println!("{squares:?} {products:?}");
    Ok(())
}
