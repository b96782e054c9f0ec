//! Interfaces of WASI that wasmtime-wasi does not have: `wasi:config`, constants that were granted, and `wasi:logging`, whose
//! lines go to whoever loaded the guest, and where its standard error goes, so that a fault has the last of them.

use super::instance::State;
use super::ours;
use crate::job::Level;
use crate::wire::Line;
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

mod config {
    wasmtime::component::bindgen!({
        path: "../wit/wasi-config",
        world: "imports",
        imports: { default: trappable },
    });
}

mod logging {
    wasmtime::component::bindgen!({
        path: "../wit/wasi-logging",
        world: "imports",
        imports: { default: trappable },
    });
}

use config::wasi::config::store;
use logging::wasi::logging::logging as lines;

/// Provides the interface of this name. False if it is none of these.
pub(super) fn link(linker: &mut Linker<State>, interface: &str) -> anyhow::Result<bool> {
    match interface {
        "wasi:config/store" => store::add_to_linker::<State, HasSelf<State>>(linker, |s| s),
        "wasi:logging/logging" => lines::add_to_linker::<State, HasSelf<State>>(linker, |s| s),
        _ => return Ok(false),
    }
    .map_err(ours)?;
    Ok(true)
}

impl store::Host for State {
    fn get(&mut self, key: String) -> Result<std::result::Result<Option<String>, store::Error>> {
        self.calls.count();
        let mut constants = self.grants.config.iter();
        let found = constants.find(|(name, _)| *name == key);
        Ok(Ok(found.map(|(_, value)| value.clone())))
    }

    fn get_all(&mut self) -> Result<std::result::Result<Vec<(String, String)>, store::Error>> {
        self.calls.count();
        Ok(Ok(self.grants.config.clone()))
    }
}

impl lines::Host for State {
    fn log(&mut self, level: lines::Level, context: String, message: String) -> Result<()> {
        self.calls.count();
        let level = Level::from(level);
        let line = Line::new(level, self.job.running.index, context, message);
        let Line {
            context, message, ..
        } = &line;
        let gap = if context.is_empty() { "" } else { " " };
        let text = format!("[{}{gap}{context}] {message}\n", level.name());
        // What is too much stops the guest, and nobody hears of it.
        self.stderr.line(&text)?;
        (self.job.caller.log)(&line);
        Ok(())
    }
}

impl From<lines::Level> for Level {
    fn from(level: lines::Level) -> Level {
        match level {
            lines::Level::Trace => Level::Trace,
            lines::Level::Debug => Level::Debug,
            lines::Level::Info => Level::Info,
            lines::Level::Warn => Level::Warn,
            lines::Level::Error => Level::Error,
            lines::Level::Critical => Level::Critical,
        }
    }
}
