//! What a component may import: the interfaces of WASI 0.2, each only if it is imported, with nothing behind them but what
//! the job's grants say. Sockets exist so that programs start, and refuse everything.

use super::coarse;
use super::instance::State;
use super::ours;
use super::waiting::{HasPolls, Polls};
use crate::job::{Clocks, Dir, Grants};
use anyhow::{Context, bail};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{self, cli, clocks, filesystem, io, random, sockets, sync};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiView};

/// Links what the component imports.
pub(super) fn link(component: &Component) -> anyhow::Result<Linker<State>> {
    let engine = component.engine();
    let mut linker = Linker::new(engine);
    for (name, item) in component.component_type().imports(engine) {
        // A type that is imported by name is only a name.
        if matches!(item.ty, ComponentItem::Type(_)) {
            continue;
        }
        let interface = name
            .split_once('@')
            .map_or(name, |(interface, _version)| interface);
        if interface == "pool:job/job" {
            super::job::link(&mut linker, State::job)?;
            continue;
        }
        if super::proposals::link(&mut linker, interface)? {
            continue;
        }
        if let Some(part) = interface.strip_prefix("wasi:keyvalue/")
            && super::keyvalue::link(&mut linker, part, State::buckets)?
        {
            continue;
        }
        if let Some(shared) = interface.strip_prefix("pool:shared/")
            && super::shared::link(&mut linker, shared, State::lent)?
        {
            continue;
        }
        link_interface(&mut linker, interface).with_context(|| format!("the import `{name}`"))?;
    }
    Ok(linker)
}

fn link_interface(linker: &mut Linker<State>, interface: &str) -> anyhow::Result<()> {
    let l = linker;
    match interface {
        "wasi:cli/environment" => cli::environment::add_to_linker::<State, WasiCli>(l, State::cli),
        "wasi:cli/exit" => cli::exit::add_to_linker::<State, WasiCli>(l, State::cli),
        "wasi:cli/stdin" => cli::stdin::add_to_linker::<State, WasiCli>(l, State::cli),
        "wasi:cli/stdout" => cli::stdout::add_to_linker::<State, WasiCli>(l, State::cli),
        "wasi:cli/stderr" => cli::stderr::add_to_linker::<State, WasiCli>(l, State::cli),
        "wasi:cli/terminal-input" => cli::terminal_input::add_to_linker::<State, WasiCli>(l, State::cli),
        "wasi:cli/terminal-output" => cli::terminal_output::add_to_linker::<State, WasiCli>(l, State::cli),
        "wasi:cli/terminal-stdin" => cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, State::cli),
        "wasi:cli/terminal-stdout" => cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, State::cli),
        "wasi:cli/terminal-stderr" => cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, State::cli),
        "wasi:clocks/monotonic-clock" => {
            clocks::monotonic_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)
        }
        "wasi:clocks/wall-clock" => clocks::wall_clock::add_to_linker::<State, WasiClocks>(l, State::clocks),
        "wasi:filesystem/preopens" => {
            filesystem::preopens::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)
        }
        "wasi:filesystem/types" => {
            sync::filesystem::types::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)
        }
        "wasi:io/error" => io::error::add_to_linker::<State, HasTable>(l, table),
        "wasi:io/poll" => sync::io::poll::add_to_linker::<State, HasPolls>(l, |state| Polls(table(state))),
        "wasi:io/streams" => sync::io::streams::add_to_linker::<State, HasTable>(l, table),
        "wasi:random/insecure" => random::insecure::add_to_linker::<State, WasiRandom>(l, State::random),
        "wasi:random/insecure-seed" => random::insecure_seed::add_to_linker::<State, WasiRandom>(l, State::random),
        "wasi:random/random" => random::random::add_to_linker::<State, WasiRandom>(l, State::random),
        "wasi:sockets/instance-network" => {
            sockets::instance_network::add_to_linker::<State, WasiSockets>(l, State::sockets)
        }
        "wasi:sockets/ip-name-lookup" => {
            sockets::ip_name_lookup::add_to_linker::<State, WasiSockets>(l, State::sockets)
        }
        "wasi:sockets/network" => {
            let options = bindings::LinkOptions::default();
            sockets::network::add_to_linker::<State, WasiSockets>(l, &(&options).into(), State::sockets)
        }
        "wasi:sockets/tcp" => sync::sockets::tcp::add_to_linker::<State, WasiSockets>(l, State::sockets),
        "wasi:sockets/tcp-create-socket" => {
            sockets::tcp_create_socket::add_to_linker::<State, WasiSockets>(l, State::sockets)
        }
        "wasi:sockets/udp" => sync::sockets::udp::add_to_linker::<State, WasiSockets>(l, State::sockets),
        "wasi:sockets/udp-create-socket" => {
            sync::sockets::udp_create_socket::add_to_linker::<State, WasiSockets>(l, State::sockets)
        }
        _ => bail!("nobody provides it: a component may import the interfaces of WASI 0.2 without `wasi:http`"),
    }
    .map_err(ours)
}

/// What stands behind the interfaces.
///
/// # Errors
///
/// A granted directory can't be opened.
pub(super) fn context(grants: &Grants, stderr: &super::stderr::Stderr) -> anyhow::Result<WasiCtx> {
    let mut builder = WasiCtx::builder();
    // By default the standard input is empty, the standard output takes everything and keeps nothing, no address can be
    // reached, and nothing else is there.
    builder.stderr(stderr.clone()).envs(&grants.env);
    if let Some(stdout) = stderr.stdout() {
        builder.stdout(stdout);
    }
    builder
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    builder.allow_blocking_current_thread(true);
    if grants.clocks == Clocks::Coarse {
        coarse::set(&mut builder);
    }
    for Dir {
        host,
        guest,
        read_only,
    } in &grants.dirs
    {
        let permissions = if *read_only {
            FsPerms::ReadOnly
        } else {
            FsPerms::ReadWrite
        };
        let opened = builder
            .preopened_dir(host, guest, permissions)
            .map_err(ours);
        opened.with_context(|| format!("the granted directory `{}`", host.display()))?;
    }
    Ok(builder.build())
}

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

fn table(state: &mut State) -> &mut ResourceTable {
    state.ctx().table
}
