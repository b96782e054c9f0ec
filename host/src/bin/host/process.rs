//! `host process`: call functions at the same time, each in a process of its own.

use crate::args::{ProcessArgs, Target};
use crate::exit::{self, Failure};
use crate::form::{Form, Named};
use crate::log;
use crate::output::{self, Output};
use crate::plan::{Jobs, Plan, Talk};
use crate::print;
use crate::progress::{Look, Shown};
use crate::watch::{self, Ending, Stop};
use host::value::wave;
use host::{Error, Process, Ready, Value};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

pub(crate) fn process(args: ProcessArgs) -> Result<u8, Failure> {
    if args.output.account {
        return Err(Failure::command_line(
            "`process` gives no account of its jobs: use `map` or `starmap`",
        ));
    }
    let stop = Arc::new(Stop::new());
    let watched = watch::start(stop.clone(), None).map_err(Failure::pool)?;
    let target = Target {
        component: args.component,
        function: String::new(),
    };
    let plan = Plan::one(target, Jobs::Items(Vec::new()), args.guest, args.output);
    let plan = plan.sharing(&args.objects)?;
    log::show(plan.log_level.map(Into::into));
    let named = plan.objects.as_ref().map(|objects| objects.handles());
    let named: Named = Arc::new(named.unwrap_or_default());

    // All processes are there before the first job begins, so that the jobs run side by side.
    let mut ready = Vec::new();
    for call in &args.calls {
        let (function, arguments) = wave::split_call(call).map_err(Failure::command_line)?;
        let process = Ready::start(plan.setup()).map_err(Failure::from)?;
        if ready.is_empty() {
            plan.warn_of_gaps(&process.walls());
        }
        let arguments = read(&process, function, arguments, &named)?;
        ready.push((process, function, arguments));
    }
    let mut processes = Vec::new();
    for (job, (process, function, arguments)) in ready.into_iter().enumerate() {
        if let Talk::Jobs { .. } = plan.talk {
            let arguments: Vec<String> = arguments.iter().map(Value::to_string).collect();
            let call = format!("{function}({})", arguments.join(", "));
            output::note(&format!("process {}: {call}", process.pid()));
        }
        let process = process.as_job(job as u64).run(function, arguments);
        processes.push(RwLock::new(Some(process.map_err(Failure::from)?)));
    }
    let processes: Processes = Arc::new(processes);

    // There is nothing to end by hand: the processes die with this one.
    let asked = processes.clone();
    watched.get_or_init(|| Ending {
        ask: Box::new(move || each(&asked, Process::ask_to_stop)),
        end: Box::new(|| ()),
    });
    let output = Output::plain().map_err(Failure::pool)?;
    let output = output.looking(look(&plan, &processes));
    let (mut failed, mut hints) = (false, Vec::new());
    for (job, process) in processes.iter().enumerate() {
        let outcome = match join(process) {
            Ok(value) => Ok(value),
            Err(Error::Job(fault)) => Err(fault),
            Err(error) => return Err(error.into()),
        };
        failed |= outcome.is_err();
        let told = output.job(|line| print::outcome(line, plan.format, job as u64, &outcome, None));
        told.or_else(output::closed_is_enough)?;
        if let (Err(fault), crate::args::Format::Text) = (&outcome, plan.format) {
            print::fault(fault);
            if let Some(hint) = print::hint(&fault.cause).filter(|hint| !hints.contains(hint)) {
                output::note(&format!("hint: {hint}"));
                hints.push(hint);
            }
        }
    }
    output.finish().or_else(output::closed_is_enough)?;
    if let Some(objects) = &plan.objects {
        output::print(objects.show(plan.format).as_bytes())?;
    }
    Ok(match (stop.reason(), failed) {
        (Some(_), _) => exit::INTERRUPTED,
        (None, true) => exit::JOB_FAILED,
        (None, false) => exit::DONE,
    })
}

/// Those that run; nothing in the place of one that was joined.
type Processes = Arc<Vec<RwLock<Option<Process<Value>>>>>;

/// How long one waits for a process before one waits for it again. Nothing is done meanwhile.
const LONG: Duration = Duration::from_secs(3600);

/// Waits for a process while others may look at it.
fn join(process: &RwLock<Option<Process<Value>>>) -> Result<Value, Error> {
    while let Some(process) = &*process.read().unwrap_or_else(PoisonError::into_inner) {
        if process.join_timeout(LONG) {
            break;
        }
    }
    let mut place = process.write().unwrap_or_else(PoisonError::into_inner);
    place.take().map_or(Err(Error::Closed), Process::join)
}

fn each<T: FromIterator<R>, R>(
    processes: &Processes,
    mut look: impl FnMut(&Process<Value>) -> R,
) -> T {
    let found = processes.iter().filter_map(|process| {
        let process = process.read().unwrap_or_else(PoisonError::into_inner);
        process.as_ref().map(&mut look)
    });
    found.collect()
}

/// Looks how far the jobs are.
fn look(plan: &Plan, processes: &Processes) -> Option<Look> {
    let Talk::Jobs { .. } = plan.talk else {
        return None;
    };
    let processes = Arc::downgrade(processes);
    let ask = move || {
        let of_process = |process: &Process<Value>| {
            let who = format!("process {}", process.pid());
            process.progress().map(|progress| (who, progress))
        };
        let found = processes.upgrade();
        let found = found.map(|processes| each::<Vec<_>, _>(&processes, of_process));
        found.into_iter().flatten().flatten().collect()
    };
    Some(Look::new(Box::new(ask), Shown::Lines))
}

/// The arguments of a call, checked before any job runs.
fn read(
    process: &Ready,
    function: &str,
    arguments: &str,
    named: &Named,
) -> Result<Vec<Value>, Failure> {
    let description = process.description();
    let index = description.find(function).map_err(Failure::command_line)?;
    let form = Form::tuple(&description.functions[index], named);
    let written = form
        .parse(arguments)
        .map_err(|error| form.misfit(&format!("`{arguments}`"), &error))?;
    Ok(form.arguments(written))
}
