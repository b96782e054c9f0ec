//! `host worker`: what people see who start a worker by hand. A pool's own workers never come here, because
//! `host::init()` has recognised them before.

use crate::exit::Failure;

pub(crate) fn run_by_hand() -> Failure {
    Failure::command_line("`host worker` is private: a pool starts its workers itself")
}
