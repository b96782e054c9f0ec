//! What was typed. Nothing here looks at a component or counts processors; `plan` says what the words mean.

use crate::exit;
use crate::quantity::{self, Numbers, Workers};
use clap::{Args as Options, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use host::Dir;
use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;
use tracing::level_filters::LevelFilter;

/// Call the functions of WebAssembly components in a pool of sandboxed worker processes
#[derive(Debug, Parser)]
#[command(name = "host", version, after_help = exit::help(), arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Call a function of one parameter with each item
    #[command(after_help = MAP_EXAMPLES)]
    Map(MapArgs),
    /// Call a function with the arguments in each tuple
    #[command(after_help = STARMAP_EXAMPLES)]
    Starmap(StarmapArgs),
    /// Call a function once
    #[command(after_help = CALL_EXAMPLES)]
    Call(CallArgs),
    /// Call functions at the same time, each in a process of its own
    #[command(after_help = PROCESS_EXAMPLES)]
    Process(ProcessArgs),
    /// Show what there is, step by step
    #[command(after_help = TOUR_EXAMPLES)]
    Tour,
    /// Show how much faster more workers do the jobs of a function
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(BenchArgs),
    /// Show what a component exports and needs
    #[command(after_help = INSPECT_EXAMPLES)]
    Inspect(InspectArgs),
    /// Compile a component into the cache and print where it is
    #[command(after_help = COMPILE_EXAMPLES)]
    Compile(CompileArgs),
    /// Show which walls this machine can put around a worker
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Keep dicts, lists and other objects for the programs of this user, until Ctrl-C
    #[command(after_help = MANAGER_EXAMPLES)]
    Manager(ManagerArgs),
    /// Write the completions of a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Serve as a worker; private to the pool
    #[command(hide = true)]
    Worker {
        #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
        ignored: Vec<OsString>,
    },
}

#[derive(Debug, Options)]
pub(crate) struct MapArgs {
    #[command(flatten)]
    pub target: Target,
    /// The arguments, one a job: WAVE values such as `3` or `"x"`, and ranges such as `1..=12`
    #[arg(
        value_name = "ITEMS",
        required_unless_present = "input",
        conflicts_with = "input"
    )]
    pub items: Vec<String>,
    /// Read the items from a file, or from stdin if it is `-`: one JSON value a line
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    pub objects: ObjectArgs,
    #[command(flatten)]
    pub guest: GuestArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Options)]
pub(crate) struct StarmapArgs {
    #[command(flatten)]
    pub target: Target,
    /// The arguments, one tuple a job, in WAVE: `(1, "two", [3])`
    #[arg(
        value_name = "TUPLES",
        required_unless_present = "input",
        conflicts_with = "input"
    )]
    pub tuples: Vec<String>,
    /// Read the tuples from a file, or from stdin if it is `-`: one JSON array a line
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    pub objects: ObjectArgs,
    #[command(flatten)]
    pub guest: GuestArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Options)]
pub(crate) struct CallArgs {
    /// A component's file, or the name of an embedded example such as `arith`
    pub component: PathBuf,
    /// The function and its arguments in WAVE: `product(1, 2, 3)`
    pub call: String,
    #[command(flatten)]
    pub objects: ObjectArgs,
    #[command(flatten)]
    pub guest: GuestArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Options)]
pub(crate) struct ProcessArgs {
    /// A component's file, or the name of an embedded example such as `arith`
    pub component: PathBuf,
    /// The functions and their arguments in WAVE, a process each: `product(1, 2, 3)`
    #[arg(value_name = "CALLS", required = true)]
    pub calls: Vec<String>,
    #[command(flatten)]
    pub objects: ObjectArgs,
    #[command(flatten)]
    pub guest: GuestArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Options)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub target: Target,
    /// The arguments, taken again and again: items as for `map`, or tuples as for `starmap` where the function takes
    /// several or none
    #[arg(value_name = "ITEMS", required = true)]
    pub items: Vec<String>,
    /// How many jobs [default: as many as a worker does one by one in a second]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub jobs: Option<u64>,
    /// The most worker processes; `50%` is half of the processors that may be used [default: 100%]
    #[arg(long, value_name = "N|N%", value_parser = quantity::workers)]
    pub workers: Option<Workers>,
    /// How to write the table: text, or JSON lines
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    #[command(flatten)]
    pub guest: GuestArgs,
}

#[derive(Debug, Options)]
pub(crate) struct InspectArgs {
    /// A component's file, or the name of an embedded example such as `arith`
    pub component: PathBuf,
    /// How to write it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    #[command(flatten)]
    pub sandbox: SandboxArgs,
    #[command(flatten)]
    pub compiling: CompilerArgs,
}

#[derive(Debug, Options)]
pub(crate) struct CompileArgs {
    /// A component's file, or the name of an embedded example such as `arith`
    pub component: PathBuf,
    /// Compile it for runs with a limit on fuel or with `--account`, whose machine code counts instructions
    #[arg(long)]
    pub fuel: bool,
    /// Compile it for runs with one instance for each worker, or for each job
    #[arg(long, value_enum, default_value_t)]
    pub instance: Instance,
    #[command(flatten)]
    pub sandbox: SandboxArgs,
    #[command(flatten)]
    pub compiling: CompilerArgs,
}

#[derive(Debug, Options)]
pub(crate) struct DoctorArgs {
    /// How to write it: text, or JSON lines
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(Debug, Options)]
pub(crate) struct ManagerArgs {
    /// The path of the socket at which programs connect
    #[arg(long, value_name = "PATH")]
    pub listen: PathBuf,
    /// The file with the key that programs have to know; made if it is missing [default: the socket's path and `.key`]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Keep this much at most, such as `64MiB` [default: 1GiB]
    #[arg(long, value_name = "BYTES", value_parser = quantity::size)]
    pub memory: Option<u64>,
    #[command(flatten)]
    pub sandbox: SandboxArgs,
}

#[derive(Debug, Options)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Which function.
#[derive(Debug, Options)]
pub(crate) struct Target {
    /// A component's file, or the name of an embedded example such as `arith`
    pub component: PathBuf,
    /// The function: `name` where that is unique, `interface/name`, or `ns:pkg/interface@version#name`
    #[arg(value_name = "FUNC")]
    pub function: String,
}

/// How jobs are spread over workers, and when to stop.
#[derive(Debug, Options)]
#[command(next_help_heading = "Pool")]
pub(crate) struct RunArgs {
    /// How many worker processes; `50%` is half of the processors that may be used [default: 100%]
    #[arg(long, value_name = "N|N%", value_parser = quantity::workers)]
    pub workers: Option<Workers>,
    /// Print each result when it is there, not in the order of the input
    #[arg(long)]
    pub unordered: bool,
    /// How many jobs travel together; `auto` measures them
    #[arg(long, value_name = "N|auto", default_value = "auto", value_parser = quantity::chunk)]
    pub chunk: Chunk,
    /// Replace a worker after this many jobs [default: never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_jobs_per_worker: Option<u64>,
    /// Stop after this many failed jobs [default: never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_fail: Option<u64>,
    /// Stop the whole run after this time, such as `10m` [default: never]
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    pub deadline: Option<Duration>,
}

/// `None` is `auto`. An alias, so that clap doesn't take it for an option that may be missing.
pub(crate) type Chunk = std::option::Option<u32>;

/// What a job may use, and what the guest is given.
#[derive(Debug, Options)]
#[command(next_help_heading = "Guest")]
pub(crate) struct GuestArgs {
    /// Stop a job that runs longer than this, such as `200ms` or `2s` [default: never]
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    pub timeout: Option<Duration>,
    /// Let a job have this much memory, such as `64MiB` [default: 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = quantity::size)]
    pub memory: Option<u64>,
    /// Let a job use this much fuel, about one unit an instruction [default: no limit]
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(u64).range(1..))]
    pub fuel: Option<u64>,
    /// Let a job call WASI this often: to read a file, write a line, look at a clock [default: no limit]
    #[arg(long, value_name = "N")]
    pub host_calls: Option<u64>,
    /// Let a job write this much to stdout and stderr together, such as `64KiB` [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = quantity::size)]
    pub log_size: Option<u64>,
    /// How much of the guest is fresh: one instance for each worker, or for each job
    #[arg(long, value_enum, default_value_t)]
    pub instance: Instance,
    /// Give the guest a directory; `:ro` lets it only read there. May be repeated [default: none]
    #[arg(long, value_name = "HOST::GUEST[:ro]", value_parser = quantity::dir)]
    pub dir: Vec<Dir>,
    /// Give the guest an environment variable. May be repeated [default: none]
    #[arg(long, value_name = "NAME=VALUE", value_parser = quantity::variable)]
    pub env: Vec<(String, String)>,
    /// Give the guest a constant, which it reads by `wasi:config`. May be repeated [default: none]
    #[arg(long, value_name = "NAME=VALUE", value_parser = quantity::variable)]
    pub config: Vec<(String, String)>,
    /// How finely the guest reads the time: to the nanosecond, or in steps of 1 ms
    #[arg(long, value_enum, default_value_t)]
    pub clocks: Clocks,
    #[command(flatten)]
    pub sandbox: SandboxArgs,
    #[command(flatten)]
    pub compiling: CompilerArgs,
}

/// What compiling a component may take.
#[derive(Clone, Copy, Debug, Options)]
pub(crate) struct CompilerArgs {
    /// Stop compiling a component that takes longer than this [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    pub compile_timeout: Option<Duration>,
    /// Let compiling a component take this much memory [default: 4GiB]
    #[arg(long, value_name = "SIZE", value_parser = quantity::size)]
    pub compile_memory: Option<u64>,
}

impl CompilerArgs {
    /// The same, and everything else as it is by default.
    pub(crate) fn options(self) -> host::component::Options {
        let all = host::component::Options::default();
        host::component::Options {
            time: self.compile_timeout.unwrap_or(all.time),
            memory_bytes: self.compile_memory.unwrap_or(all.memory_bytes),
            ..all
        }
    }
}

/// Objects that jobs work on together. Their names stand for them among the arguments in WAVE.
#[derive(Debug, Default, PartialEq, Options)]
#[command(next_help_heading = "Shared objects, each may be repeated")]
pub(crate) struct ObjectArgs {
    /// A signed number, `value` in WIT
    #[arg(long, value_name = "NAME=NUMBER", value_parser = quantity::named::<i64>)]
    pub value: Vec<(String, i64)>,
    /// An unsigned number
    #[arg(long, value_name = "NAME=NUMBER", value_parser = quantity::named::<u64>)]
    pub value_u64: Vec<(String, u64)>,
    /// A floating-point number
    #[arg(long, value_name = "NAME=NUMBER", value_parser = quantity::named::<f64>)]
    pub value_f64: Vec<(String, f64)>,
    /// Signed numbers
    #[arg(long, value_name = "NAME=N,N…", value_parser = quantity::named::<Numbers<i64>>)]
    pub array: Vec<(String, Numbers<i64>)>,
    /// Floating-point numbers
    #[arg(long, value_name = "NAME=N,N…", value_parser = quantity::named::<Numbers<f64>>)]
    pub array_f64: Vec<(String, Numbers<f64>)>,
    /// A lock
    #[arg(long, value_name = "NAME")]
    pub lock: Vec<String>,
    /// A lock that its holder can acquire again
    #[arg(long, value_name = "NAME")]
    pub rlock: Vec<String>,
    /// A semaphore with so many permits
    #[arg(long, value_name = "NAME=PERMITS", value_parser = quantity::named::<u32>)]
    pub semaphore: Vec<(String, u32)>,
    /// A flag to wait for
    #[arg(long, value_name = "NAME")]
    pub event: Vec<String>,
    /// A lock with a place to wait for what it guards to change
    #[arg(long, value_name = "NAME")]
    pub condition: Vec<String>,
    /// A barrier for so many jobs
    #[arg(long, value_name = "NAME=JOBS", value_parser = quantity::named::<NonZeroU32>)]
    pub barrier: Vec<(String, NonZeroU32)>,
    /// A queue of so many items at most
    #[arg(long, value_name = "NAME=ITEMS", value_parser = quantity::named::<NonZeroU32>)]
    pub queue: Vec<(String, NonZeroU32)>,
    /// A dict, kept by a manager process
    #[arg(long, value_name = "NAME")]
    pub dict: Vec<String>,
    /// A list, kept by a manager process
    #[arg(long, value_name = "NAME")]
    pub list: Vec<String>,
    /// A dict that the guest opens by this name as a bucket of `wasi:keyvalue`; the `--dict` of this name, if there is one
    #[arg(long, value_name = "NAME")]
    pub bucket: Vec<String>,
}

/// What stands around the processes that meet a guest.
#[derive(Debug, Options)]
pub(crate) struct SandboxArgs {
    /// What has to stand around a process that meets the guest: every wall, those that this machine has, or none
    #[arg(long = "sandbox", value_name = "MODE", value_enum, default_value_t)]
    pub mode: Sandbox,
}

/// What is shown.
#[derive(Debug, Options)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// How to write results: WAVE text, or JSON lines that also tell of failed jobs
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Tell on stderr which worker did which job
    #[arg(short, long)]
    pub verbose: bool,
    /// Show no progress and no summary
    #[arg(short, long)]
    pub quiet: bool,
    /// Measure what each job uses: time, processor time, fuel, calls of its host, memory. Tell the sum on stderr, and with
    /// `--format json` each job's share in its line
    #[arg(long)]
    pub account: bool,
    /// Show on stderr what guests log by `wasi:logging`, from this level on, and what becomes of workers [default: info, and nothing of
    /// workers]
    #[arg(long, value_name = "LEVEL", value_enum)]
    pub log_level: Option<LogLevel>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Instance {
    #[default]
    Worker,
    Job,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Clocks {
    #[default]
    Full,
    Coarse,
}

impl From<Clocks> for host::Clocks {
    fn from(clocks: Clocks) -> host::Clocks {
        match clocks {
            Clocks::Full => host::Clocks::Full,
            Clocks::Coarse => host::Clocks::Coarse,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sandbox {
    #[default]
    Strict,
    BestEffort,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> LevelFilter {
        match level {
            LogLevel::Off => LevelFilter::OFF,
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        }
    }
}

impl From<Sandbox> for host::Sandbox {
    fn from(mode: Sandbox) -> host::Sandbox {
        match mode {
            Sandbox::Strict => host::Sandbox::Strict,
            Sandbox::BestEffort => host::Sandbox::BestEffort,
            Sandbox::Off => host::Sandbox::Off,
        }
    }
}

/// The arguments of this process, prepared for clap, which would take `-3..=3` for a row of short options. A space
/// before it makes it an item, and to WAVE a space means nothing.
pub(crate) fn typed(args: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    args.map(|arg| match arg.to_str().map(str::as_bytes) {
        Some([b'-', b'0'..=b'9', ..] | b"-inf") => {
            let mut spaced = OsString::from(" ");
            spaced.push(arg);
            spaced
        }
        _ => arg,
    })
}

const MAP_EXAMPLES: &str = "Examples:
  host map arith square 1..=12 --workers 4
  seq 1 1000000 | host map arith square --input -";

const STARMAP_EXAMPLES: &str = "Examples:
  host starmap arith product '(1,2,3)' '(3,4,5)'
  echo '[1, 2, 3]' | host starmap arith product --input - --format json";

const CALL_EXAMPLES: &str = "Examples:
  host call arith 'product(1, 2, 3)'
  host call ./my_task.wasm 'resize({width: 3})' --timeout 2s";

const PROCESS_EXAMPLES: &str = "Examples:
  host process arith 'square(12)' 'square-root(2)' --verbose
  host process shared 'add(n, l, 100)' 'subtract(n, l, 100)' --value n=0 --lock l";

const TOUR_EXAMPLES: &str = "Examples:
  host tour
  host tour 2>&1 | less";

const BENCH_EXAMPLES: &str = "Examples:
  host bench arith cubes 1000
  host bench arith product '(1,2,3)' '(3,4,5)' --jobs 100000 --workers 4";

const INSPECT_EXAMPLES: &str = "Examples:
  host inspect arith
  host inspect ./my_task.wasm --format json";

const COMPILE_EXAMPLES: &str = "Examples:
  host compile arith
  host compile ./my_task.wasm --fuel";

const DOCTOR_EXAMPLES: &str = "Examples:
  host doctor
  host doctor --format json";

const MANAGER_EXAMPLES: &str = "Examples:
  host manager --listen /run/user/1000/objects
  host manager --listen ./objects --key-file ./key --memory 64MiB";

const COMPLETIONS_EXAMPLES: &str = "Examples:
  host completions bash > ~/.local/share/bash-completion/completions/host
  host completions fish > ~/.config/fish/completions/host.fish";

#[cfg(test)]
mod tests;
