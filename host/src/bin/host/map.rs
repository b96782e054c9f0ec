//! `host map`: call a function of one parameter with each item.

use crate::args::MapArgs;
use crate::exit::Failure;
use crate::plan::{Jobs, Plan};
use crate::run::run;

pub(crate) fn map(args: MapArgs) -> Result<u8, Failure> {
    let jobs = match args.input {
        Some(file) => Jobs::ItemLines(file),
        None => Jobs::Items(args.items),
    };
    let plan = Plan::many(args.target, jobs, args.run, args.guest, args.output);
    run(plan.sharing(&args.objects)?)
}
