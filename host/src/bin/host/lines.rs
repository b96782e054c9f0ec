//! The jobs that come from a file or from stdin: one JSON value a line, read as far ahead as a pipe would and no further.
//!
//! A thread of its own does the reading, because a read cannot be called off: while it waits for a slow writer, the run
//! must still notice Ctrl-C and its deadline.

use crate::exit::Failure;
use crate::form::Form;
use crate::watch::Stop;
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use host::Value;
use host::value::json;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::thread;

/// How many bytes are asked for at once: the size of a pipe.
const BLOCK_BYTES: usize = 64 << 10;

/// How many blocks may wait: one to work on while the next is read.
const BLOCKS_AHEAD: usize = 2;

/// The jobs of a file, one after the other, to its end or to the first wrong line.
#[derive(Debug)]
pub(crate) struct Lines {
    name: String,
    form: Form,
    blocks: Receiver<io::Result<Vec<u8>>>,
    stop: Arc<Stop>,
    block: Vec<u8>,
    at: usize,
    number: u64,
}

impl Lines {
    /// Opens a file, or stdin for `-`.
    pub(crate) fn open(file: &Path, form: Form, stop: Arc<Stop>) -> Result<Lines, Failure> {
        if file == Path::new("-") {
            return Lines::start(io::stdin(), "stdin".into(), form, stop);
        }
        let name = format!("`{}`", file.display());
        let source = File::open(file)
            .map_err(|error| Failure::command_line(format!("cannot open {name}: {error}")))?;
        Lines::start(source, name, form, stop)
    }

    fn start(
        source: impl Read + Send + 'static,
        name: String,
        form: Form,
        stop: Arc<Stop>,
    ) -> Result<Lines, Failure> {
        let (to, blocks) = bounded(BLOCKS_AHEAD);
        let reader = thread::Builder::new().name("input".into());
        let outlet = Outlet {
            to: Some(to),
            bell: stop.clone(),
        };
        reader
            .spawn(move || read_blocks(source, &outlet))
            .map_err(Failure::pool)?;
        Ok(Lines {
            name,
            form,
            blocks,
            stop,
            block: Vec::new(),
            at: 0,
            number: 0,
        })
    }

    /// The next job, or none yet: then the waker is called when there is something new.
    pub(crate) fn next(&mut self, waker: &Waker) -> Poll<Option<Result<Vec<Value>, Failure>>> {
        loop {
            while self.at < self.block.len() {
                let rest = &self.block[self.at..];
                let line = rest.split(|byte| *byte == b'\n').next().unwrap_or(rest);
                self.at += line.len() + 1;
                self.number += 1;
                if !line.trim_ascii().is_empty() {
                    return Poll::Ready(Some(self.job(line)));
                }
            }
            match self.next_block(waker) {
                Poll::Ready(Some(Ok(block))) => (self.block, self.at) = (block, 0),
                Poll::Ready(Some(Err(error))) => {
                    let message = format!("cannot read {}: {error}", self.name);
                    return Poll::Ready(Some(Err(Failure::command_line(message))));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn next_block(&mut self, waker: &Waker) -> Poll<Option<io::Result<Vec<u8>>>> {
        let mut block = self.blocks.try_recv();
        if matches!(block, Err(TryRecvError::Empty)) {
            self.stop.wake_later(waker);
            // One may have come before the reader could know who waits.
            block = self.blocks.try_recv();
        }
        match block {
            Ok(block) => Poll::Ready(Some(block)),
            Err(TryRecvError::Disconnected) => Poll::Ready(None),
            Err(TryRecvError::Empty) => Poll::Pending,
        }
    }

    fn job(&self, line: &[u8]) -> Result<Vec<Value>, Failure> {
        let value = json::parse(line, &self.form.ty);
        let place = || format!("line {} of {}", self.number, self.name);
        value
            .map(|value| self.form.arguments(value))
            .map_err(|error| self.form.misfit(&place(), &error))
    }
}

/// Where blocks go, for one who sleeps until there is one, or until there will be none.
struct Outlet {
    /// There until the end.
    to: Option<Sender<io::Result<Vec<u8>>>>,
    bell: Arc<Stop>,
}

impl Outlet {
    /// Waits for room; `false` if nobody listens any more.
    fn send(&self, block: io::Result<Vec<u8>>) -> bool {
        let sent = self.to.as_ref().is_some_and(|to| to.send(block).is_ok());
        self.bell.wake();
        sent
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.to = None;
        self.bell.wake();
    }
}

/// Sends whole lines, as many as there are, so that a slow writer's line is not held back.
fn read_blocks(mut source: impl Read, to: &Outlet) {
    let mut block = Vec::new();
    loop {
        let begun = block.len();
        block.resize(begun + BLOCK_BYTES, 0);
        let read = source.read(&mut block[begun..]);
        block.truncate(begun + read.as_ref().map_or(0, |n| *n));
        let whole = match read {
            Ok(0) if block.is_empty() => return,
            Ok(0) => std::mem::take(&mut block),
            Ok(_) => match block[begun..].iter().rposition(|byte| *byte == b'\n') {
                Some(end) => {
                    let rest = block.split_off(begun + end + 1);
                    std::mem::replace(&mut block, rest)
                }
                None => continue,
            },
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                // If nobody listens any more, nobody wants to know.
                to.send(Err(error));
                return;
            }
        };
        if !to.send(Ok(whole)) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::Named;
    use host::{Field, Function, Type};
    use std::task::Wake;

    fn lines(source: impl Read + Send + 'static, params: &[Type]) -> Vec<Result<String, String>> {
        let params: Vec<Field> = params
            .iter()
            .map(|ty| Field {
                name: "x".into(),
                ty: ty.clone(),
            })
            .collect();
        let function = Function {
            interface: None,
            name: "f".into(),
            params,
            result: None,
        };
        let form = if function.params.len() == 1 {
            Form::item(&function, &Named::default()).unwrap()
        } else {
            Form::tuple(&function, &Named::default())
        };
        let mut lines = Lines::start(source, "stdin".into(), form, Arc::new(Stop::new())).unwrap();
        let lines = std::iter::from_fn(|| wait_for_next(&mut lines));
        let show = |job: Vec<Value>| {
            job.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        lines
            .map(|job| job.map(show).map_err(|failure| failure.message))
            .collect()
    }

    /// The next job, from a thread that sleeps until it is there.
    fn wait_for_next(lines: &mut Lines) -> Option<Result<Vec<Value>, Failure>> {
        struct Unpark(thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            match lines.next(&waker) {
                Poll::Ready(job) => return job,
                Poll::Pending => thread::park(),
            }
        }
    }

    #[test]
    fn each_line_is_a_job_and_blank_ones_are_skipped() {
        assert_eq!(
            lines(&b"1\n\n  \n2\r\n 3"[..], &[Type::S64]),
            ["1", "2", "3"].map(|n| Ok(n.to_string()))
        );
        assert_eq!(lines(&b""[..], &[Type::S64]), []);
    }

    #[test]
    fn an_array_has_all_arguments() {
        assert_eq!(
            lines(&b"[1,\"a\"]\n"[..], &[Type::S64, Type::String]),
            [Ok("1 \"a\"".to_string())]
        );
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        let jobs = lines(&b"1\n\n\"x\"\n"[..], &[Type::S64]);
        assert_eq!(
            jobs[1],
            Err("`f` cannot take line 3 of stdin: wanted s64, found `\"x\"`".to_string())
        );
    }

    #[test]
    fn lines_may_be_split_anywhere_and_longer_than_a_block() {
        let long = "x".repeat(3 * BLOCK_BYTES + 7);
        let text = format!("\"{long}\"\n\"y\"\n");
        let (first, second) = text.split_at(100);
        let source = io::Cursor::new(first.to_string()).chain(io::Cursor::new(second.to_string()));
        assert_eq!(
            lines(source, &[Type::String]),
            [Ok(format!("\"{long}\"")), Ok("\"y\"".to_string())]
        );
    }
}
