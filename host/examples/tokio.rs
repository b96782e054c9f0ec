//! Jobs awaited in an async program: `cargo run --release --example tokio`.
//!
//! A handle is a future that needs no particular executor. The jobs run whether it is polled or not.

use host::{Cause, Error, Handle, Pool};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

// Not `#[tokio::main]`: as a worker this program must not start a runtime before `init`.
fn main() -> anyhow::Result<()> {
    host::init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(talk())
}

async fn talk() -> anyhow::Result<()> {
    let pool = Pool::builder().workers(3).component("faults").build()?;

    // Many at once, each taken as soon as it is done: the shortest nap first, if there is a worker for each.
    let mut naps = JoinSet::new();
    for milliseconds in [120u64, 40, 80] {
        let nap: Handle<()> = pool.submit("sleep", (milliseconds,))?;
        naps.spawn(async move { nap.await.map(|()| milliseconds) });
    }
    while let Some(nap) = naps.join_next().await {
        println!("slept {} ms", nap??);
    }

    // One that takes too long is given up. That has to be said: a handle that is dropped lets its job run on.
    let mut endless: Handle<()> = pool.submit("spin", ())?;
    if timeout(Duration::from_millis(100), &mut endless)
        .await
        .is_err()
    {
        endless.cancel();
    }
    match endless.await {
        Err(Error::Job(fault)) if fault.cause == Cause::Cancelled => {
            println!("spun until cancelled")
        }
        other => anyhow::bail!("an endless loop ended by itself: {other:?}"),
    }

    // The worker that spun is replaced, and the pool goes on.
    let n: u32 = pool.submit("maybe-trap", (42,))?.await?;
    println!("and still answers {n}");
    Ok(())
}
