//! The long proofs, in a short form.

#[path = "../host/examples/prove/chaos.rs"]
mod chaos;
#[path = "../host/examples/prove/components.rs"]
mod components;
#[path = "../host/examples/prove/deadlines.rs"]
mod deadlines;
#[path = "../host/examples/prove/manager.rs"]
mod manager;
#[path = "../host/examples/prove/orphans.rs"]
mod orphans;
#[path = "../host/examples/prove/processes.rs"]
mod processes;
#[path = "../host/examples/prove/random.rs"]
mod random;
#[path = "../host/examples/prove/sharing.rs"]
mod sharing;
#[path = "../host/examples/prove/soak.rs"]
mod soak;

use crate::{cache, process, program};
use host::{Builder, Manager, Pool};
use std::process::Command;

fn builder() -> Builder {
    Pool::builder().worker_program(program()).cache_dir(cache())
}

#[test]
fn under_chaos_each_job_has_one_outcome() {
    chaos::run(builder, 2_000, 0..2).unwrap();
}

#[test]
fn damaged_components_are_refused_or_served() {
    components::run(builder, 150).unwrap();
}

#[test]
fn what_jobs_share_is_whole_however_workers_die() {
    process::alone(
        "proofs::what_jobs_share_is_whole_however_workers_die",
        || {
            sharing::run(builder, 2_000, 150).unwrap();
        },
    );
}

#[test]
fn objects_of_a_manager_are_whole_when_workers_are_killed_in_the_middle_of_operations() {
    let name = "proofs::objects_of_a_manager_are_whole_when_workers_are_killed_in_the_middle_of_operations";
    process::alone(name, || {
        let manager = Manager::builder().program(program()).start().unwrap();
        manager::run(builder, &manager, 40_000, 4).unwrap();
    });
}

#[test]
fn what_soaks_does_not_grow() {
    process::alone("proofs::what_soaks_does_not_grow", || {
        soak::run(builder, 20_000, 2_000).unwrap();
    });
}

#[test]
fn whatever_a_job_does_its_time_limit_ends_it() {
    // How late, to the millisecond, is for a machine that does nothing else.
    let told = deadlines::run(builder, 2).unwrap();
    told.check(100).unwrap();
    assert_eq!(told.to_string().lines().count(), 5);
}

/// Where this program is a victim, in which way.
const VICTIM: &str = "HOST_TEST_VICTIM";

#[test]
fn a_program_that_dies_leaves_nothing() {
    if let Ok(point) = std::env::var(VICTIM) {
        orphans::die_at(&point, builder).unwrap();
    }
    let victim = |point: &str| {
        let mut program = Command::new(std::env::current_exe()?);
        program
            .args(["proofs::a_program_that_dies_leaves_nothing", "--exact"])
            .arg("--nocapture")
            .env(VICTIM, point);
        Ok(program)
    };
    orphans::run(victim).unwrap();
}
