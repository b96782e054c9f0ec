//! Where everything that is shown goes: results to stdout, the rest to stderr, and neither tears the other apart.
//!
//! Nothing here costs time for each job but the copy into a buffer, which is emptied once a millisecond, and when the input is
//! silent. A thread empties it too and moves the progress bar some times a second, so that a reader sees the last result soon
//! even if the next one takes an hour; where there is nothing to show it sleeps.

use crate::exit::Failure;
use crate::progress::Look;
use crossbeam_channel::{RecvTimeoutError, Sender, bounded, select};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often the buffer is emptied and the bar moved: fast enough to look immediate, and no work worth measuring.
const TICK: Duration = Duration::from_millis(50);

/// How long after the last write a line is written at once, instead of with the next tick.
const SOON: Duration = Duration::from_millis(1);

/// How much is collected before it is written without waiting for the tick: the size of a pipe.
const FULL_BYTES: usize = 64 << 10;

/// The bar of the run, if there is one.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// The output of a run.
pub(crate) struct Output {
    shared: Arc<Mutex<Shared>>,
    /// Tells the thread that there is something to be written later.
    some: Sender<()>,
    end: Option<Sender<()>>,
    ticker: Option<JoinHandle<()>>,
}

/// What the run and the ticking thread both use.
struct Shared {
    lines: Vec<u8>,
    jobs: u64,
    bar: ProgressBar,
    /// Looks how far the running jobs are.
    look: Option<Look>,
    written: Instant,
    trouble: Option<io::Error>,
}

impl Output {
    /// Output with a progress bar for this many jobs, if they can be counted.
    pub(crate) fn with_bar(jobs: Option<u64>) -> io::Result<Output> {
        // Hides itself where stderr is not a terminal.
        let bar = ProgressBar::with_draw_target(jobs, ProgressDrawTarget::stderr());
        let template = match jobs {
            Some(_) => "{bar:32} {human_pos} of {human_len} jobs, {eta} left {wide_msg}",
            None => "{spinner} {human_pos} jobs in {elapsed} {wide_msg}",
        };
        let style = ProgressStyle::with_template(template);
        Output::start(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    /// Output without a progress bar.
    pub(crate) fn plain() -> io::Result<Output> {
        Output::start(ProgressBar::hidden())
    }

    fn start(bar: ProgressBar) -> io::Result<Output> {
        *hold(&BAR) = Some(bar.clone());
        let shared = Arc::new(Mutex::new(Shared {
            lines: Vec::with_capacity(2 * FULL_BYTES),
            jobs: 0,
            bar,
            look: None,
            written: Instant::now(),
            trouble: None,
        }));
        let (end, ended) = bounded(0);
        let (some, is_some) = bounded(1);
        let ticked = shared.clone();
        let ticker = thread::Builder::new()
            .name("output".into())
            .spawn(move || {
                loop {
                    let rests = hold(&ticked).has_nothing_to_show();
                    if rests {
                        select! {
                            recv(is_some) -> _ => {}
                            recv(ended) -> _ => return,
                        }
                    }
                    let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(TICK) else {
                        return;
                    };
                    hold(&ticked).tick();
                }
            })?;
        Ok(Output {
            shared,
            some,
            end: Some(end),
            ticker: Some(ticker),
        })
    }

    /// Shows how far the running jobs say that they are.
    pub(crate) fn looking(self, look: Option<Look>) -> Output {
        hold(&self.shared).look = look;
        self
    }

    /// Counts a job and writes its line, if it has one.
    ///
    /// # Errors
    /// If stdout could not be written, now or at an earlier time.
    pub(crate) fn job(&self, write: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut shared = hold(&self.shared);
        shared.jobs += 1;
        write(&mut shared.lines);
        let is_due = shared.lines.len() >= FULL_BYTES || shared.written.elapsed() >= SOON;
        if is_due || shared.trouble.is_some() {
            shared.flush()
        } else {
            // Where it is told already, once is enough.
            let _ = self.some.try_send(());
            Ok(())
        }
    }

    /// Writes what there is to stdout, whoever calls. An error comes with the next job.
    pub(crate) fn flusher(&self) -> impl Fn() + Send + use<> {
        let shared = self.shared.clone();
        move || {
            let mut shared = hold(&shared);
            shared.trouble = shared.flush().err();
        }
    }

    /// Writes what there is to stdout, and then this to stderr.
    ///
    /// # Errors
    /// If stdout could not be written.
    pub(crate) fn tell(&self, write: impl FnOnce()) -> io::Result<()> {
        let mut shared = hold(&self.shared);
        shared.flush()?;
        shared.bar.suspend(write);
        Ok(())
    }

    /// Writes what is left, and takes the bar away.
    ///
    /// # Errors
    /// If stdout could not be written.
    pub(crate) fn finish(self) -> io::Result<()> {
        let mut shared = hold(&self.shared);
        shared.look = None;
        shared.bar.finish_and_clear();
        hold(&BAR).take();
        shared.flush()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.end.take();
        if let Some(ticker) = self.ticker.take() {
            // A thread that panicked has said so.
            let _ = ticker.join();
        }
    }
}

impl Shared {
    fn has_nothing_to_show(&self) -> bool {
        self.lines.is_empty() && self.look.is_none() && self.bar.is_hidden()
    }

    fn tick(&mut self) {
        self.bar.set_position(self.jobs);
        if let Some(look) = &mut self.look {
            let (words, lines) = look.take();
            self.bar.set_message(words);
            for line in lines {
                self.bar.suspend(|| note(&line));
            }
        }
        self.bar.tick();
        self.trouble = self.flush().err();
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(error) = self.trouble.take() {
            return Err(error);
        }
        if self.lines.is_empty() {
            return Ok(());
        }
        // Only where results and bar share a terminal must one make room for the other.
        let written = match io::stdout().is_terminal() {
            true => self.bar.suspend(|| write_out(&self.lines)),
            false => write_out(&self.lines),
        };
        self.lines.clear();
        self.written = Instant::now();
        written
    }
}

/// Writes a text to stdout. A reader who closed the pipe has seen enough.
pub(crate) fn print(text: &[u8]) -> Result<(), Failure> {
    write_out(text).or_else(closed_is_enough)
}

/// What a failed write to stdout means: nothing bad if the reader went away, a failure if a disk is full.
pub(crate) fn closed_is_enough(error: io::Error) -> Result<(), Failure> {
    match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Failure::pool(error).context("cannot write to stdout")),
    }
}

/// Tells of an error on stderr, and of what to do about it.
pub(crate) fn error(message: &str, hint: Option<&str>) {
    note(&format!("error: {message}"));
    if let Some(hint) = hint {
        note(&format!("hint: {hint}"));
    }
}

/// Writes a line to stderr. Where that fails, there is no place left to say so.
pub(crate) fn note(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Writes a line to stderr from anywhere, beside a bar that may be there.
pub(crate) fn aside(line: &str) {
    // The bar's own lock keeps lines apart, not this one, which whoever ends the bar takes.
    let bar = hold(&BAR).clone();
    match bar {
        Some(bar) => bar.suspend(|| note(line)),
        None => note(line),
    }
}

fn write_out(text: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text)?;
    stdout.flush()
}

fn hold<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
