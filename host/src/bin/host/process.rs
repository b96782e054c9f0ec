//! `host process`: call functions at the same time, each in a process of its own.

use crate::args::{ProcessArgs, Target};
use crate::exit::{self, Failure};
use crate::form::{Form, Named};
use crate::output::{self, Output};
use crate::plan::{Jobs, Plan, Talk};
use crate::print;
use crate::watch::{self, Stop};
use host::value::wave;
use host::{Error, Process, Ready, Value};
use std::sync::Arc;

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
    let mut processes: Vec<Process<Value>> = Vec::new();
    for (process, function, arguments) in ready {
        if let Talk::Jobs { .. } = plan.talk {
            let arguments: Vec<String> = arguments.iter().map(Value::to_string).collect();
            let call = format!("{function}({})", arguments.join(", "));
            output::note(&format!("process {}: {call}", process.pid()));
        }
        processes.push(process.run(function, arguments).map_err(Failure::from)?);
    }

    // There is nothing to end by hand: the processes die with this one.
    watched.get_or_init(|| Box::new(|| ()));
    let output = Output::plain().map_err(Failure::pool)?;
    let (mut failed, mut hints) = (false, Vec::new());
    for (job, process) in processes.into_iter().enumerate() {
        let outcome = match process.join() {
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
