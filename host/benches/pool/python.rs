//! Python's pools on the same jobs, where they are installed: `host/benches/peers/install`.
//!
//! A script is started once and does a round each time it is asked, so that it takes turns with ours.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A script that does a round when it is sent a line, and answers with a line of JSON.
pub(crate) struct Python {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    what: String,
}

/// The pool of Python's standard library.
pub(crate) const MULTIPROCESSING: &str = "multiprocessing";

pub(crate) const PYTHON_APPLY: &str = "Python `Pool.apply`";

/// All pools that the scripts know, and how the table calls one job with them.
pub(crate) const PEERS: [(&str, &str); 4] = [
    (MULTIPROCESSING, PYTHON_APPLY),
    ("futures", "Python `concurrent.futures`"),
    ("loky", "Python `loky`"),
    ("pebble", "Python `pebble`"),
];

impl Python {
    /// Starts a peer on a job; `None` if Python's pools are not installed.
    pub(crate) fn start(peer: &str, job: &str, options: &[(&str, u32)]) -> Result<Option<Python>> {
        let interpreter = environment().join("bin/python");
        if !interpreter.exists() {
            return Ok(None);
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/peer.py");
        #[expect(
            clippy::disallowed_methods,
            reason = "a peer is no child of the pool's"
        )]
        let mut command = Command::new(interpreter);
        command.arg(script).args([peer, job, "--on-request"]);
        for (name, value) in options {
            command.arg(format!("--{name}={value}"));
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let requests = child.stdin.take();
        let answers = child.stdout.take().context("stdout was asked for")?;
        Ok(Some(Python {
            child,
            requests,
            answers: BufReader::new(answers),
            what: format!("Python's {peer}, {job}"),
        }))
    }

    /// One round: what the script measured.
    pub(crate) fn round(&mut self) -> Result<Vec<f64>> {
        let requests = self.requests.as_mut().context("the script is over")?;
        requests.write_all(b"\n").context(self.what.clone())?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.is_empty() {
            bail!("{}: it ended", self.what);
        }
        serde_json::from_str(&line).with_context(|| format!("{}: {line}", self.what))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // The end of its input is the end of the script, which then stops its workers.
        self.requests.take();
        let _ = self.child.wait();
    }
}

/// Where `host/benches/peers/install` puts Python's packages.
fn environment() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../peers")
}
