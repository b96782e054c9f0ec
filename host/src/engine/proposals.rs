//! Interfaces of WASI that wasmtime-wasi does not have: `wasi:config`, constants that were granted, and `wasi:logging`, whose
//! lines go where the guest's standard error goes, no longer than a piece of that.

use super::instance::State;
use super::ours;
use super::written::PIECE_BYTES;
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
        let level = match level {
            lines::Level::Trace => "trace",
            lines::Level::Debug => "debug",
            lines::Level::Info => "info",
            lines::Level::Warn => "warn",
            lines::Level::Error => "error",
            lines::Level::Critical => "critical",
        };
        let context = &context[..context.floor_char_boundary(PIECE_BYTES)];
        let context = match context.is_empty() {
            true => String::new(),
            false => format!(" {context}"),
        };
        let head = format!("[{level}{context}] ");
        let kept = message.floor_char_boundary(PIECE_BYTES);
        self.stderr.line(&format!("{head}{}\n", &message[..kept]))
    }
}
