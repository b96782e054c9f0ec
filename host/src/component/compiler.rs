//! The compile helper: a process that gives up what it doesn't need, compiles one component, answers, ends.
//!
//! The component may be made to take the compiler over. So the limits come first, nothing here writes a file, and the
//! parent believes nothing of the answer.

use super::describe;
use super::exchange::{Answer, Refusal, Request, read_head, write_head};
use super::source::MAX_COMPONENT_BYTES;
use super::sweep;
use crate::engine;
use crate::types::Description;
use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit,
};
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use wasmtime::Engine;
use wasmtime::component::Component;

/// The life of a compile helper, whose standard input is the request and whose standard output takes the answer. Gives
/// the code that the process is to exit with.
pub(crate) fn serve() -> i32 {
    match answer_one_request() {
        Ok(()) => 0,
        Err(error) => {
            // The parent shows this as the helper's last words; if it cannot be written, nobody is there to read it.
            let _ = writeln!(io::stderr(), "{error}");
            1
        }
    }
}

fn answer_one_request() -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::thread::set_name(c"host-compiler")?;
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let request: Request = read_head(&mut input)?;
    renounce(&request)?;

    // Asked for at once: if there isn't that much, the process ends here as it ends for memory anywhere later.
    let mut component = Vec::with_capacity(input.metadata()?.len() as usize);
    input
        .take(MAX_COMPONENT_BYTES)
        .read_to_end(&mut component)?;
    let mut output = BufWriter::new(File::from(io::stdout().as_fd().try_clone_to_owned()?));
    match compile(&request.name, &component, request.fuel, request.sweeps) {
        Ok((description, code)) => {
            write_head(
                &mut output,
                &Answer::Compiled {
                    description,
                    code_bytes: code.len() as u64,
                },
            )?;
            output.write_all(&code)?;
        }
        Err(refusal) => write_head(&mut output, &Answer::Refused(refusal))?,
    }
    output.flush()
}

/// Lowers what this process may take, before it sees a byte of the component.
fn renounce(request: &Request) -> io::Result<()> {
    // Two numbers, so that the signal that says why (SIGXCPU) comes a second before the one that doesn't.
    lower(
        Resource::Cpu,
        request.processor_seconds,
        request.processor_seconds.saturating_add(1),
    )?;
    // Private writable memory. The address space (RLIMIT_AS) is no measure of it: Wasmtime reserves far more than it uses.
    lower(Resource::Data, request.memory_bytes, request.memory_bytes)?;
    // The answer is a file to the kernel; nothing else is written.
    lower(Resource::Fsize, request.answer_bytes, request.answer_bytes)?;
    // The three standard ones, the two copies above, and a few for counting the processors.
    lower(Resource::Nofile, 16, 16)?;
    // A core file of this process would be a copy of the component in a place that nobody chose.
    lower(Resource::Core, 0, 0)
}

/// Lowers one limit; one that is lower already stays.
fn lower(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let hard = getrlimit(resource)
        .maximum
        .map_or(hard, |most| most.min(hard));
    Ok(setrlimit(
        resource,
        Rlimit {
            current: Some(soft.min(hard)),
            maximum: Some(hard),
        },
    )?)
}

/// Describes and compiles a component, binary or text, in this process. The name is for an error's text.
pub(super) fn compile(
    name: &str,
    component: &[u8],
    fuel: bool,
    sweeps: bool,
) -> Result<(Description, Vec<u8>), Refusal> {
    let binary = binary_of(name, component)?;
    let engine = Engine::new(&engine::compiling(fuel)).map_err(invalid)?;
    let extended = sweeps.then(|| sweep::extend(&binary)).flatten();
    // Where something speaks against the sweeps, it shows as an error here, and the component is compiled as it is.
    let extended = extended.and_then(|extended| {
        let compiled = Component::from_binary(&engine, &extended.binary).ok()?;
        Some((compiled, extended.swept))
    });
    let (compiled, swept) = match extended {
        Some(extended) => extended,
        None => {
            let compiled = Component::from_binary(&engine, &binary).map_err(invalid)?;
            (compiled, Vec::new())
        }
    };
    let description = describe::describe(&engine, &compiled, &binary, &swept);
    Ok((description, compiled.serialize().map_err(invalid)?))
}

/// The component in binary; text is converted.
///
/// *Source*: the component model's `Binary.md`, "Component Definitions": four bytes that all of WebAssembly shares, two
/// of version, and two that tell a component (1) from a core module (0).
fn binary_of<'a>(name: &str, component: &'a [u8]) -> Result<Cow<'a, [u8]>, Refusal> {
    let binary = match component.starts_with(b"\0asm") {
        true => Cow::Borrowed(component),
        false => text_to_binary(name, component)?,
    };
    match binary.get(6..8) {
        Some([0, 0]) => Err(Refusal::CoreModule),
        _ => Ok(binary),
    }
}

fn text_to_binary<'a>(name: &str, text: &'a [u8]) -> Result<Cow<'a, [u8]>, Refusal> {
    let looks_like_text = std::str::from_utf8(text).is_ok_and(|text| text.contains('('));
    if !looks_like_text {
        return Err(Refusal::Invalid(
            "it is neither WebAssembly nor its text format".into(),
        ));
    }
    wat::Parser::new()
        .parse_bytes(Some(Path::new(name)), text)
        .map_err(|error| Refusal::Invalid(error.to_string()))
}

fn invalid(error: impl fmt::Display) -> Refusal {
    Refusal::Invalid(format!("{error:#}"))
}
