//! `host starmap`: call a function with the arguments in each tuple.

use crate::args::StarmapArgs;
use crate::exit::Failure;
use crate::plan::{Jobs, Plan};
use crate::run::run;

pub(crate) fn starmap(args: StarmapArgs) -> Result<u8, Failure> {
    let jobs = match args.input {
        Some(file) => Jobs::TupleLines(file),
        None => Jobs::Tuples(args.tuples),
    };
    let plan = Plan::many(args.target, jobs, args.run, args.guest, args.output);
    run(plan.sharing(&args.objects)?)
}
