use super::*;
use crate::component::compiler::compile;
use crate::component::embedded;
use crate::engine::{Caller, Engine, Guest, Passing};
use crate::job::{Cause, Dir, FaultReport, Grants, Isolation, Limits};
use crate::lockdown::Sandbox;
use crate::sealed;
use crate::shared::Homes;
use crate::types::{Description, Type};
use crate::wire::{Start, VERSION};
use proptest::test_runner::{Config, TestRunner};
use std::io::Write as _;
use std::os::fd::AsFd;

/// A world with one function of each kind that matters here: `add` counts its calls in a global and traps at 13.
const WORLD: &str = r#"(component
  (core module $m
    (memory (export "memory") 1)
    (global $calls (mut i64) (i64.const 0))
    (func (export "add") (param i64) (result i64)
      (if (i64.eq (local.get 0) (i64.const 13)) (then unreachable))
      (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
      (i64.add (local.get 0) (global.get $calls)))
    (func (export "none") (param i64))
    (func (export "text") (param i32) (result i32) (i32.const 0))
    (func (export "after") (param i64)))
  (core instance $i (instantiate $m))
  (func (export "add") (param "n" s64) (result s64) (canon lift (core func $i "add")))
  (func (export "again") (param "n" s64) (result s64) (canon lift (core func $i "add")))
  (func (export "none") (param "n" s64) (canon lift (core func $i "none")))
  (func (export "text") (param "n" s32) (result string)
    (canon lift (core func $i "text") (memory (core memory $i "memory"))))
  (func (export "after") (param "n" s64) (result s64)
    (canon lift (core func $i "add") (post-return (core func $i "after")))))"#;

struct Trial {
    guest: Guest,
    description: Description,
}

fn load(component: &[u8]) -> Trial {
    load_with(component, Grants::default())
}

fn load_with(component: &[u8], grants: Grants) -> Trial {
    let (description, code) = compile("it", component, false, true).unwrap();
    let start = Start {
        version: VERSION,
        spins: 0,
        description,
        limits: Limits::default(),
        grants,
        isolation: Isolation::InstancePerWorker,
        room: 0,
        manager: 0,
        buckets: Vec::new(),
        initializer: None,
        sandbox: Sandbox::Off,
        account: false,
    };
    let engine = Engine::start(&start).unwrap();
    let code = sealed::filled("host-test", |memory| memory.write_all(&code)).unwrap();
    Trial {
        guest: Guest::load(
            engine,
            &start,
            code.as_fd(),
            Caller::nobody(),
            0,
            Homes::default(),
        )
        .unwrap(),
        description: start.description,
    }
}

fn example(name: &str) -> Trial {
    load(embedded::find(name).unwrap())
}

impl Trial {
    fn swept(&self) -> Vec<&str> {
        let functions = self.description.functions.iter();
        let swept = functions.zip(&self.description.sweeps);
        swept
            .filter_map(|(function, sweep)| sweep.map(|_| &*function.name))
            .collect()
    }

    fn call(&mut self, function: usize, arguments: &[u8]) -> Result<Vec<u8>, FaultReport> {
        let mut result = Vec::new();
        let passing = Passing::new(arguments, &mut result);
        let called = self.guest.call(function as u32, passing);
        called.map(|()| result)
    }

    /// The outcomes of these jobs, swept as long as there are any.
    fn sweep(&mut self, function: &str, jobs: &[Vec<u8>]) -> Vec<Result<Vec<u8>, FaultReport>> {
        let place = self.description.find(function).unwrap();
        let list = jobs.concat();
        let mut arguments = &list[..];
        let mut outcomes = Vec::new();
        while outcomes.len() < jobs.len() {
            let left = (jobs.len() - outcomes.len()) as u32;
            let mut results = Vec::new();
            let (done, swept) = self
                .guest
                .sweep(place as u32, left, &mut arguments, &mut results)
                .unwrap();
            assert!(done > 0 || swept.is_err(), "a sweep does something");
            let width = results.len().checked_div(done as usize).unwrap_or(1).max(1);
            assert_eq!(results.len(), width * done as usize);
            outcomes.extend(results.chunks(width).map(|result| Ok(result.to_vec())));
            outcomes.extend(swept.err().map(Err));
        }
        assert!(arguments.is_empty(), "all arguments were taken");
        outcomes
    }
}

fn number(n: i64) -> Vec<u8> {
    n.to_le_bytes().to_vec()
}

#[test]
fn functions_of_numbers_are_swept_and_no_others() {
    assert_eq!(load(WORLD.as_bytes()).swept(), ["add", "again"]);
    assert_eq!(
        example("arith").swept(),
        ["square", "square-root", "product", "cube"]
    );
    let numbers = [
        "bool", "s8", "s16", "s32", "s64", "u8", "u16", "u32", "u64", "f32", "f64",
    ];
    assert_eq!(
        example("types").swept(),
        numbers.map(|number| format!("echo-{number}"))
    );
    assert!(extend(b"\0asm\x0d\0\x01\0").is_none(), "nothing to sweep");
    assert!(extend(b"nothing").is_none());
}

#[test]
fn the_description_has_no_sweeps_in_it() {
    let with = load(WORLD.as_bytes()).description;
    let (without, _) = compile("it", WORLD.as_bytes(), false, false).unwrap();
    assert_eq!(with.functions, without.functions);
    assert_eq!(with.wit, without.wit);
    assert!(without.sweeps.iter().all(Option::is_none));
}

#[test]
fn a_component_with_names_of_ours_is_left_as_it_is() {
    let text = WORLD.replace("\"again\"", "\"host-sweep-0\"");
    let trial = load(text.as_bytes());
    assert!(trial.swept().is_empty());
    assert!(trial.description.find("host-sweep-0").is_ok());
}

#[test]
fn a_function_that_a_component_inside_lifts_is_not_taken_for_one_of_this() {
    let text = r#"(component
      (core module $m (func (export "one") (param i64) (result i64) (i64.const 1)))
      (core instance $i (instantiate $m))
      (func $one (param "n" s64) (result s64) (canon lift (core func $i "one")))
      (component $inner
        (import "given" (func $given (param "n" s64) (result s64)))
        (core module $m (func (export "two") (param i64) (result i64) (i64.const 2)))
        (core instance $i (instantiate $m))
        (func (export "two") (param "n" s64) (result s64) (canon lift (core func $i "two")))
        (export "through" (func $given)))
      (instance $made (instantiate $inner (with "given" (func $one))))
      (alias export $made "two" (func $two))
      (alias export $made "through" (func $through))
      (export "it:is/made" (instance $made))
      (export "two" (func $two))
      (export "through" (func $through)))"#;
    let mut trial = load(text.as_bytes());
    assert_eq!(trial.swept(), ["through", "through"]);
    for name in ["it:is/made#through", "through"] {
        assert_eq!(trial.sweep(name, &[number(5)]), [Ok(number(1))]);
    }
}

#[test]
fn a_sweep_gives_what_as_many_calls_give() {
    let mut trial = example("types");
    let functions = trial.description.functions.clone();
    let mut runner = TestRunner::new(Config::with_cases(64));
    for (place, function) in functions.iter().enumerate() {
        if trial.description.sweeps[place].is_none() {
            continue;
        }
        let width = match function.params[0].ty {
            Type::Bool | Type::S8 | Type::U8 => 1,
            Type::S16 | Type::U16 => 2,
            Type::S32 | Type::U32 | Type::F32 => 4,
            _ => 8,
        };
        let job = proptest::collection::vec(proptest::num::u8::ANY, width);
        let jobs = proptest::collection::vec(job, 1..600);
        let trial = std::cell::RefCell::new(&mut trial);
        let checked = runner.run(&jobs, |mut jobs| {
            if function.params[0].ty == Type::Bool {
                jobs.iter_mut().for_each(|job| job[0] &= 1);
            }
            let mut trial = trial.borrow_mut();
            let swept = trial.sweep(&function.name, &jobs);
            for (job, outcome) in jobs.iter().zip(swept) {
                assert_eq!(outcome, trial.call(place, job));
            }
            Ok(())
        });
        checked.unwrap_or_else(|error| panic!("{}: {error}", function.name));
    }
}

#[test]
fn a_trap_costs_its_job_and_the_instance_and_nothing_else() {
    let mut trial = load(WORLD.as_bytes());
    let jobs: Vec<_> = (0..1000).map(|n| number(n % 50)).collect();
    let mut calls = 0;
    for (n, outcome) in trial.sweep("add", &jobs).into_iter().enumerate() {
        if n % 50 == 13 {
            let report = outcome.unwrap_err();
            assert!(
                matches!(&report.cause, Cause::Trap(text) if text.contains("unreachable")),
                "{report:?}"
            );
            // The loop around it is not the guest's.
            assert_eq!(report.backtrace.len(), 1, "{report:?}");
            calls = 0;
        } else {
            calls += 1;
            assert_eq!(outcome, Ok(number((n % 50) as i64 + calls)));
        }
    }
}

#[test]
fn what_a_job_wrote_is_in_no_other_report() {
    let mut trial = example("faults");
    let jobs: Vec<_> = (0..300_u32).map(|n| n.to_le_bytes().to_vec()).collect();
    for (n, outcome) in trial.sweep("maybe-trap", &jobs).into_iter().enumerate() {
        match outcome {
            Ok(result) => assert_eq!(result, jobs[n]),
            Err(report) => {
                assert_eq!(n % 10, 7);
                assert!(report.stderr.contains(&format!("maybe-trap({n})")));
                assert_eq!(report.stderr.matches("maybe-trap").count(), 1);
            }
        }
    }
}

#[test]
fn an_instance_that_cannot_be_made_costs_one_job_and_moves_no_other() {
    let folder = std::env::temp_dir().join(format!("host-sweep-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let grants = Grants {
        dirs: vec![Dir {
            host: folder.clone(),
            guest: "/".into(),
            read_only: true,
        }],
        ..Grants::default()
    };
    let mut trial = load_with(embedded::find("faults").unwrap(), grants);
    let jobs: Vec<_> = (0..100_u32).map(|n| n.to_le_bytes().to_vec()).collect();
    let place = trial.description.find("maybe-trap").unwrap() as u32;
    let list = jobs.concat();
    let mut arguments = &list[..];
    let mut outcomes = Vec::new();
    while outcomes.len() < jobs.len() {
        let left = (jobs.len() - outcomes.len()) as u32;
        let mut results = Vec::new();
        // After the first trap there is no folder for the next instance, once.
        if outcomes.len() == 8 {
            std::fs::remove_dir(&folder).unwrap();
        }
        let swept = trial.guest.sweep(place, left, &mut arguments, &mut results);
        if outcomes.len() == 8 {
            std::fs::create_dir(&folder).unwrap();
        }
        outcomes.extend(results.chunks(4).map(|result| Ok(result.to_vec())));
        outcomes.extend(swept.unwrap().1.err().map(|report| Err(report.cause)));
    }
    std::fs::remove_dir(&folder).unwrap();
    for (n, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(result) => assert_eq!(result, jobs[n]),
            Err(Cause::Start(_)) => assert_eq!(n, 8),
            Err(Cause::Trap(_)) => assert_eq!(n % 10, 7),
            Err(other) => panic!("{n}: {other}"),
        }
    }
}

#[test]
fn parameters_of_many_kinds_keep_their_order_and_results_lose_their_rubbish() {
    let text = r#"(component
      (core module $m
        (func (export "mix") (param i32 f64 i32 i32) (result i32)
          (i32.add
            (i32.add (i32.mul (local.get 0) (i32.const 1000)) (i32.trunc_f64_s (local.get 1)))
            (i32.add (i32.mul (local.get 2) (i32.const 10)) (local.get 3))))
        (func (export "same") (param i32) (result i32) (local.get 0)))
      (core instance $i (instantiate $m))
      (func (export "mix") (param "a" u8) (param "b" f64) (param "c" s16) (param "d" bool) (result s32)
        (canon lift (core func $i "mix")))
      (func (export "to-u8") (param "n" u32) (result u8) (canon lift (core func $i "same")))
      (func (export "to-s8") (param "n" u32) (result s8) (canon lift (core func $i "same")))
      (func (export "to-s16") (param "n" u32) (result s16) (canon lift (core func $i "same")))
      (func (export "to-bool") (param "n" u32) (result bool) (canon lift (core func $i "same"))))"#;
    let mut trial = load(text.as_bytes());
    let mix = |n: i16| {
        let parts = [
            &[n as u8][..],
            &f64::from(n).to_le_bytes(),
            &(-n).to_le_bytes(),
            &[1],
        ];
        parts.concat()
    };
    let rubbish = [0x1ff_u32, 0xff7f, 2, 0x8000, 0x10000, 0];
    let rubbish: Vec<_> = rubbish.map(|n| n.to_le_bytes().to_vec()).into();
    let mixed: Vec<_> = (0..100).map(mix).collect();
    for (place, name) in ["mix", "to-u8", "to-s8", "to-s16", "to-bool"]
        .iter()
        .enumerate()
    {
        let jobs = if place == 0 { &mixed } else { &rubbish };
        let swept = trial.sweep(name, jobs);
        for (job, outcome) in jobs.iter().zip(swept) {
            assert_eq!(outcome, trial.call(place, job), "{name} of {job:?}");
        }
    }
}

#[test]
fn a_guest_has_all_the_memory_that_it_may_have_and_none_of_the_loops() {
    let text = r#"(component
      (core module $m
        (memory 1)
        (func $greedy (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))))
        (start $greedy)
        (func (export "pages") (param i32) (result i32) (memory.size)))
      (core instance $i (instantiate $m))
      (func (export "pages") (param "n" u32) (result u32) (canon lift (core func $i "pages"))))"#;
    let mut trial = load(text.as_bytes());
    let most = (Limits::default().memory_bytes >> 16) as u32;
    let zero = 0_u32.to_le_bytes().to_vec();
    assert_eq!(
        trial.sweep("pages", &[zero]),
        [Ok(most.to_le_bytes().to_vec())]
    );
}

/// If this fails because the loops changed on purpose: raise `cache::FORMAT`, and write the new hash.
#[test]
fn what_is_added_is_what_the_version_of_the_cache_stands_for() {
    use sha2::{Digest, Sha256};
    let world = wat::parse_str(WORLD).unwrap();
    let added = &extend(&world).unwrap().binary[world.len()..];
    let hash = Sha256::digest(added);
    assert_eq!(
        (crate::component::cache::FORMAT, hash[..4].to_vec()),
        (5, vec![15, 128, 217, 131])
    );
}
