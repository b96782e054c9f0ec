//! The compile helper: a process that gives up what it doesn't need, compiles one component, answers, ends.
//!
//! The component may be made to take the compiler over. So the limits come first, nothing here writes a file, and the
//! parent believes nothing of the answer.

use super::describe;
use super::exchange::{Answer, Refusal, Request, read_head, write_head};
use super::source::MAX_COMPONENT_BYTES;
use super::sweep;
use crate::engine;
use crate::lockdown::{self, Before, Lockdown, Missing, rights};
use crate::types::Description;
use rustix::process::Resource;
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use wasmtime::component::Component;
use wasmtime::{CustomCodeMemory, Engine};

/// The three standard descriptors, the copies of two of them, and a few for counting the processors where nothing forbids
/// that.
const DESCRIPTORS: u64 = 16;

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
    lockdown::arrive()?;
    rustix::thread::set_name(c"host-compiler")?;
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let length = input.metadata()?.len() as usize;
    let request: Request = read_head(&mut input)?;
    let mut output = BufWriter::new(File::from(io::stdout().as_fd().try_clone_to_owned()?));
    // What the system tells but once, it has to tell now: later it cannot be asked.
    let _ = rustix::param::page_size();
    if let Err(missing) = renounce(&request)? {
        write_head(
            &mut output,
            &Answer::Refused(Refusal::Unprotected(missing.to_string())),
        )?;
        return output.flush();
    }

    // Asked for at once: if there isn't that much, the process ends here as it ends for memory anywhere later.
    let mut component = Vec::with_capacity(length);
    input
        .take(MAX_COMPONENT_BYTES)
        .read_to_end(&mut component)?;
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

/// Gives up what this process does not need, before it sees a byte of the component.
fn renounce(request: &Request) -> io::Result<Result<(), Missing>> {
    // Two numbers, so that the signal that says why (SIGXCPU) comes a second before the one that doesn't.
    rights::lower_in_two_steps(
        Resource::Cpu,
        request.processor_seconds,
        request.processor_seconds.saturating_add(1),
    )?;
    // These hold in every sandbox. The answer is a file to the kernel; nothing else is written. The address space
    // (RLIMIT_AS) is no measure of memory: Wasmtime reserves far more than it uses.
    let before = Before {
        lifeline: None,
        memory_bytes: request.memory_bytes,
        file_bytes: Some(request.answer_bytes),
        descriptors: Some(DESCRIPTORS),
        dirs: Vec::new(),
    };
    rights::limit(&before)?;
    Ok(Lockdown::new(request.sandbox)?.compile(&before))
}

/// Describes and compiles a component, binary or text, in this process. The name is for an error's text.
pub(super) fn compile(
    name: &str,
    component: &[u8],
    fuel: bool,
    sweeps: bool,
) -> Result<(Description, Vec<u8>), Refusal> {
    let binary = binary_of(name, component)?;
    let mut config = engine::compiling(fuel);
    config.with_custom_code_memory(Some(Arc::new(NeverExecutable)));
    let engine = Engine::new(&config).map_err(invalid)?;
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

/// What is compiled here is looked at and written out, but never run.
struct NeverExecutable;

impl CustomCodeMemory for NeverExecutable {
    fn required_alignment(&self) -> usize {
        rustix::param::page_size()
    }

    fn publish_executable(&self, _code: *const u8, _length: usize) -> wasmtime::Result<()> {
        Ok(())
    }

    fn unpublish_executable(&self, _code: *const u8, _length: usize) -> wasmtime::Result<()> {
        Ok(())
    }
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
