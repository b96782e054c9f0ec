use std::time::Instant;
use wasmtime::component::*;
use wasmtime::*;
fn main() {
    let mut c = Config::new();
    c.concurrency_support(false);
    c.epoch_interruption(true);
    c.gc_support(false);
    c.wasm_gc(false);
    c.wasm_function_references(false);
    c.wasm_exceptions(false);
    c.wasm_threads(false);
    if std::env::args().nth(1).is_some() {
        let mut p = PoolingAllocationConfig::new();
        p.total_stacks(0);
        p.total_memories(8);
        c.allocation_strategy(p);
    }
    let e = Engine::new(&c).unwrap();
    let comp = Component::from_file(&e, "guests/prebuilt/arith.wasm").unwrap();
    let mut l: Linker<wasmtime_wasi::WasiCtx> = Linker::new(&e);
    l.define_unknown_imports_as_traps(&comp).unwrap();
    let mut s = Store::new(&e, wasmtime_wasi::WasiCtx::builder().build());
    s.set_epoch_deadline(1 << 40);
    let i = l.instantiate(&mut s, &comp).unwrap();
    let (_, ix) = comp
        .get_export(None, "pool:tasks/arith@0.1.0")
        .map(|(a, b)| (a, b))
        .unwrap();
    let fx = comp.get_export_index(Some(&ix), "square").unwrap();
    let f = i.get_func(&mut s, fx).unwrap();
    let f = f.typed::<(i64,), (Result<i64, String>,)>(&s);
    match f {
        Ok(f) => {
            for _ in 0..5 {
                let t = Instant::now();
                for k in 0..2_000_000i64 {
                    let _ = f.call(&mut s, (k,)).unwrap();
                }
                println!("{:.1} ns result", t.elapsed().as_nanos() as f64 / 2e6);
            }
        }
        Err(_) => {
            let f = i
                .get_func(&mut s, fx)
                .unwrap()
                .typed::<(i64,), (i64,)>(&s)
                .unwrap();
            for _ in 0..5 {
                let t = Instant::now();
                for k in 0..2_000_000i64 {
                    let _ = f.call(&mut s, (k & 0xffff,)).unwrap();
                }
                println!("{:.1} ns", t.elapsed().as_nanos() as f64 / 2e6);
            }
        }
    }
}
