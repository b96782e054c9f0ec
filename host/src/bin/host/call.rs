//! `host call`: call a function once.

use crate::args::{CallArgs, Target};
use crate::exit::Failure;
use crate::plan::{Jobs, Plan, Talk};
use crate::run::run;
use host::value::wave;

pub(crate) fn call(args: CallArgs) -> Result<u8, Failure> {
    let (function, arguments) = wave::split_call(&args.call).map_err(Failure::command_line)?;
    let target = Target {
        component: args.component,
        function: function.to_string(),
    };
    let plan = Plan::one(
        target,
        Jobs::Call(arguments.to_string()),
        args.guest,
        args.output,
    );
    // A single result is its own summary.
    let talk = match plan.talk {
        Talk::Jobs { .. } => Talk::Jobs { summary: false },
        Talk::Summary | Talk::Quiet => Talk::Quiet,
    };
    run(Plan { talk, ..plan }.sharing(&args.objects)?)
}
