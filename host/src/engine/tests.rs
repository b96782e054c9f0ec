//! The engine in memory, without processes: guests are compiled here, by the settings that the helper has, and loaded from
//! a descriptor as a worker loads them.

mod account;
mod clocks;
mod limits;

use super::stderr::StderrSink;
use super::{Caller, Guest, Passing, Stream, compiling, dynamic};
use crate::job::{Cause, Dir, FaultReport, Grants, Isolation, Limits, STDERR_KEPT};
use crate::lockdown::Sandbox;
use crate::shared::Homes;
use crate::types::{Case, Description, Field, Function, Type};
use crate::wire::{Start, VERSION};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use wasmtime::Engine;
use wasmtime::component::{self, Component, types::ComponentItem};

const ARITH: &[u8] = include_bytes!("../../../guests/prebuilt/arith.wasm");
const FAULTS: &[u8] = include_bytes!("../../../guests/prebuilt/faults.wasm");
const TYPES: &[u8] = include_bytes!("../../../guests/prebuilt/types.wasm");
const TRAPS: &[u8] = include_bytes!("../../../guests/prebuilt/traps.wat");

/// A component that imports nothing, with a function for each thing that only a hand-written guest does.
const ODD: &str = r#"(component
  (core module $code
    (memory (export "memory") 1)
    (global $calls (mut i32) (i32.const 0))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16))
    (func (export "bad-realloc") (param i32 i32 i32 i32) (result i32) (i32.const -16))
    (func (export "count") (result i32)
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (global.get $calls))
    (func (export "add") (param i32) (global.set $calls (i32.add (global.get $calls) (local.get 0))))
    (func (export "take") (param i32 i32))
    (func (export "grow-and-return") (result i32) (memory.grow (i32.const 65535)))
    (func (export "grow-and-trap") (drop (memory.grow (i32.const 65535))) unreachable)
    (func (export "list") (result i32)
      (i32.store (i32.const 0) (i32.const 0))
      (i32.store (i32.const 4) (i32.const -1))
      (i32.const 0))
    (func (export "bools") (param i32) (result i32)
      (drop (memory.grow (i32.const 255)))
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (local.get 0))
      (i32.const 0))
    ;; So many lists of so many bytes, which are all the same ones.
    (func (export "same") (param $count i32) (param $bytes i32) (result i32)
      (local $pair i32) (local $left i32)
      (drop (memory.grow (i32.const 1)))
      (local.set $pair (i32.const 65536))
      (local.set $left (local.get $count))
      (loop $next
        (i32.store (local.get $pair) (i32.const 16))
        (i32.store offset=4 (local.get $pair) (local.get $bytes))
        (local.set $pair (i32.add (local.get $pair) (i32.const 8)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $next (local.get $left)))
      (i32.store (i32.const 0) (i32.const 65536))
      (i32.store (i32.const 4) (local.get $count))
      (i32.const 0))
    (func (export "invalid") (result i32)
      (i32.store (i32.const 0) (i32.const 8))
      (i32.store (i32.const 4) (i32.const 1))
      (i32.store8 (i32.const 8) (i32.const 255))
      (i32.const 0))
    (func $deep (export "deep") (call $deep))
    (func (export "spin") (loop $again (br $again))))
  (core instance $c (instantiate $code))
  (func (export "count") (result u32) (canon lift (core func $c "count")))
  (func (export "add") (param "n" u32) (canon lift (core func $c "add")))
  (func (export "take") (param "text" string)
    (canon lift (core func $c "take") (memory (core memory $c "memory")) (realloc (core func $c "realloc"))))
  (func (export "take-badly") (param "text" string)
    (canon lift (core func $c "take") (memory (core memory $c "memory")) (realloc (core func $c "bad-realloc"))))
  (func (export "grow-and-return") (result s32) (canon lift (core func $c "grow-and-return")))
  (func (export "grow-and-trap") (canon lift (core func $c "grow-and-trap")))
  (func (export "list") (result (list u8)) (canon lift (core func $c "list") (memory (core memory $c "memory"))))
  (func (export "bools") (param "count" u32) (result (list bool))
    (canon lift (core func $c "bools") (memory (core memory $c "memory"))))
  (func (export "same") (param "count" u32) (param "bytes" u32) (result (list (list u8)))
    (canon lift (core func $c "same") (memory (core memory $c "memory"))))
  (func (export "invalid") (result string) (canon lift (core func $c "invalid") (memory (core memory $c "memory"))))
  (func (export "deep") (canon lift (core func $c "deep")))
  (func (export "spin") (canon lift (core func $c "spin"))))"#;

/// A guest to be, and what it will be given.
struct Setup {
    component: Vec<u8>,
    code: Vec<u8>,
    start: Start,
    stderr: StderrSink,
}

/// A loaded guest, its functions called by name.
struct Trial {
    guest: Guest,
    functions: Vec<Function>,
}

fn setup(component: &[u8]) -> Setup {
    let component = wat::parse_bytes(component).unwrap().into_owned();
    let engine = Engine::new(&compiling(false)).unwrap();
    let compiled = Component::new(&engine, &component).unwrap();
    let description = describe(&compiled);
    let start = Start {
        version: VERSION,
        spins: 0,
        description,
        limits: Limits::default(),
        grants: Grants::default(),
        isolation: Isolation::InstancePerWorker,
        sandbox: Sandbox::Off,
        room: 0,
        account: false,
        manager: 0,
        buckets: Vec::new(),
        initializer: None,
    };
    Setup {
        component,
        code: compiled.serialize().unwrap(),
        start,
        stderr: Arc::new(|_| ()),
    }
}

impl Setup {
    fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.start.limits);
        self
    }

    fn instance_per_job(mut self) -> Self {
        self.start.isolation = Isolation::InstancePerJob;
        self
    }

    fn initializer(mut self, name: &str, arguments: &[u8]) -> Self {
        self.start.initializer = Some((
            place(&self.start.description.functions, name),
            arguments.to_vec(),
        ));
        self
    }

    fn try_load(self) -> anyhow::Result<Trial> {
        let code = match self.start.counts_fuel() {
            true => Engine::new(&compiling(true))
                .unwrap()
                .precompile_component(&self.component)
                .unwrap(),
            false => self.code,
        };
        let memory = rustix::fs::memfd_create("code", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let mut file = std::fs::File::from(memory);
        file.write_all(&code).unwrap();
        let engine = super::Engine::start(&self.start)?;
        let guest = Guest::load(
            engine,
            &self.start,
            file.as_fd(),
            Caller {
                stderr: self.stderr,
                ..Caller::nobody()
            },
            0,
            Homes::default(),
        )?;
        Ok(Trial {
            guest,
            functions: self.start.description.functions,
        })
    }

    fn load(self) -> Trial {
        self.try_load().unwrap()
    }
}

impl Trial {
    fn call(&mut self, name: &str, arguments: &[u8]) -> Result<Vec<u8>, FaultReport> {
        let mut result = b"before".to_vec();
        let passing = Passing::new(arguments, &mut result);
        let called = self.guest.call(place(&self.functions, name), passing);
        assert!(result.starts_with(b"before"));
        let value = result.split_off(6);
        match called {
            Ok(()) => Ok(value),
            Err(_) if !value.is_empty() => panic!("a fault left half a result"),
            Err(fault) => Err(fault),
        }
    }

    fn stream(
        &mut self,
        name: &str,
        arguments: &[u8],
        pieces: &mut Pieces<'_>,
    ) -> Result<Vec<u8>, FaultReport> {
        let mut result = Vec::new();
        let later = pieces.later.len();
        let passing = Passing::new(arguments, &mut result).streamed(later, pieces);
        let called = self.guest.call(place(&self.functions, name), passing);
        called.map(|()| result)
    }

    fn fault(&mut self, name: &str, arguments: &[u8]) -> FaultReport {
        self.call(name, arguments).expect_err("this function fails")
    }

    fn count(&mut self) -> u32 {
        let count = self.call("count", &[]).unwrap();
        u32::from_le_bytes(count.try_into().unwrap())
    }

    /// From now on everything is called the dynamic way.
    fn dynamic(mut self) -> Self {
        self.guest
            .functions
            .iter_mut()
            .for_each(|export| export.bind = dynamic::bind);
        self
    }
}

fn place(functions: &[Function], name: &str) -> u32 {
    let place = functions.iter().position(|function| function.name == name);
    place.unwrap_or_else(|| panic!("no function {name}")) as u32
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

#[test]
fn a_call_returns_the_encoded_result() {
    let mut arith = setup(ARITH).load();
    assert_eq!(
        arith.call("square", &12_i64.to_le_bytes()).unwrap(),
        144_i64.to_le_bytes()
    );
    let three = arith.call("cubes", &3_u32.to_le_bytes()).unwrap();
    let expected = [
        &3_u32.to_le_bytes()[..],
        &0_i64.to_le_bytes(),
        &1_i64.to_le_bytes(),
        &8_i64.to_le_bytes(),
    ]
    .concat();
    assert_eq!(three, expected);
}

#[test]
fn every_type_comes_back_unchanged_in_each_way_to_call() {
    let mut canonical = setup(TYPES).load();
    let mut dynamic = setup(TYPES).load().dynamic();
    let mut dice = Dice(1);
    for function in &echoes(&canonical) {
        for _ in 0..50 {
            let mut value = Vec::new();
            function
                .params
                .iter()
                .for_each(|param| dice.value(&param.ty, &mut value));
            assert_eq!(
                canonical.call(&function.name, &value).as_ref(),
                Ok(&value),
                "{function}, canonical"
            );
            assert_eq!(
                dynamic.call(&function.name, &value).as_ref(),
                Ok(&value),
                "{function}, dynamic"
            );
            // The same where the arguments come in two parts, of which one is there.
            let (here, later) = value.split_at(dice.roll(1 + value.len() as u64) as usize);
            let mut pieces = Pieces::new(later);
            let streamed = canonical.stream(&function.name, here, &mut pieces);
            assert_eq!(streamed.as_ref(), Ok(&value), "{function}, streamed");
            assert!(pieces.later.is_empty(), "{function} took all");
        }
    }
}

fn echoes(trial: &Trial) -> Vec<Function> {
    let functions = trial.functions.iter();
    let echoes: Vec<Function> = functions
        .filter(|function| function.name.starts_with("echo-"))
        .cloned()
        .collect();
    assert!(echoes.len() > 25, "the guest has an echo for every type");
    echoes
}

/// Arguments that are still to come, and a result that went.
struct Pieces<'a> {
    later: &'a [u8],
    sent: Vec<u8>,
    sends: bool,
}

impl<'a> Pieces<'a> {
    fn new(later: &'a [u8]) -> Pieces<'a> {
        Pieces {
            later,
            sent: Vec::new(),
            sends: true,
        }
    }
}

impl Stream for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<()> {
        self.later.read_exact(into)
    }

    fn write(&mut self, pieces: &[&[u8]]) -> io::Result<bool> {
        if self.sends {
            self.sent = pieces.concat();
        }
        Ok(self.sends)
    }
}

#[test]
fn a_long_list_goes_by_the_stream_with_all_that_is_around_it() {
    let mut odd = setup(ODD.as_bytes()).load();
    let list = |bytes: u32| [&bytes.to_le_bytes()[..], &vec![0; bytes as usize]].concat();
    let expected = |bytes| [&3_u32.to_le_bytes()[..], &list(bytes).repeat(3)].concat();
    let arguments = |bytes: u32| [3_u32.to_le_bytes(), bytes.to_le_bytes()].concat();
    let mut pieces = Pieces::new(&[]);
    let result = odd.stream("same", &arguments(1 << 10), &mut pieces);
    assert_eq!((result, pieces.sent.len()), (Ok(expected(1 << 10)), 0));
    let result = odd.stream("same", &arguments(65_520), &mut pieces);
    assert_eq!((result, pieces.sent.len()), (Ok(expected(65_520)), 0));
    let long = 100_000;
    let result = odd.stream("same", &arguments(long), &mut pieces);
    assert_eq!(result, Ok(Vec::new()), "it went by the stream");
    assert_eq!(pieces.sent.len(), expected(long).len());
    let whole = odd.call("same", &arguments(long)).unwrap();
    assert!(pieces.sent == whole, "and is what it is as a whole");
    pieces.sends = false;
    let given_back = odd.stream("same", &arguments(long), &mut pieces).unwrap();
    assert!(given_back == whole, "also if the stream gives it back");
}

#[test]
fn arguments_that_are_longer_than_they_say_are_no_arguments() {
    let mut types = setup(TYPES).load();
    let bytes = [&300_000_u32.to_le_bytes()[..], &vec![7; 300_000]].concat();
    for (cut, why) in [
        (bytes.len() - 1, "a list is longer than they are"),
        (2, "they end early"),
    ] {
        let mut pieces = Pieces::new(&bytes[..cut]);
        let fault = types.stream("echo-list-u8", &[], &mut pieces).unwrap_err();
        let why = format!("its arguments don't decode: {why}");
        assert_eq!(fault.cause, Cause::Start(why));
    }
    let mut pieces = Pieces::new(&bytes);
    assert_eq!(
        types.stream("echo-list-u8", &[], &mut pieces),
        Ok(Vec::new())
    );
    assert!(pieces.sent == bytes);
}

/// A function whose result is whatever the memory was filled with.
const ANYTHING: &str = r#"(component
  (core module $code
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
    (func (export "fill") (param i32 i32))
    (func (export "get") (result i32) (i32.const 0)))
  (core instance $c (instantiate $code))
  (type $colours (enum "red" "green" "blue"))
  (export $colour "colour" (type $colours))
  (type $permissions (flags "r" "w" "x"))
  (export $rights "rights" (type $permissions))
  (type $shapes (variant (case "text" string) (case "number" (option u64)) (case "none") (case "pairs" (list (tuple char bool)))))
  (export $shape "shape" (type $shapes))
  (type $parts (record (field "shape" $shape) (field "colour" $colour) (field "rights" $rights) (field "float" f64)
    (field "lists" (list (list u16))) (field "outcome" (result (list u8) (error $colour)))))
  (export $whole "whole" (type $parts))
  (func (export "fill") (param "bytes" (list u8))
    (canon lift (core func $c "fill") (memory (core memory $c "memory")) (realloc (core func $c "realloc"))))
  (func (export "get") (result $whole) (canon lift (core func $c "get") (memory (core memory $c "memory")))))"#;

#[test]
fn a_result_of_any_bytes_is_the_same_value_or_a_fault_in_each_way_to_call() {
    let mut canonical = setup(ANYTHING.as_bytes()).load();
    let mut dynamic = setup(ANYTHING.as_bytes()).load().dynamic();
    let mut dice = Dice(3);
    let (mut values, mut faults) = (0, 0);
    for _ in 0..3_000 {
        let mut word = || match dice.roll(8) {
            0 => dice.roll(1 << 32) as u32,
            1..4 => dice.roll(4) as u32,
            _ => 8 * dice.roll(40) as u32,
        };
        let words: Vec<u8> = (0..64).flat_map(|_| word().to_le_bytes()).collect();
        let memory = [&(words.len() as u32).to_le_bytes()[..], &words].concat();
        let [one, other] = [&mut canonical, &mut dynamic].map(|trial| {
            trial.call("fill", &memory).unwrap();
            trial.call("get", &[])
        });
        match (one, other) {
            (Ok(one), Ok(other)) => {
                assert!(one == other, "{words:?}");
                values += 1;
            }
            (Err(_), Err(_)) => faults += 1,
            (one, other) => panic!("{words:?}: {:?} and {:?}", one.err(), other.err()),
        }
    }
    assert!(values > 0 && faults > 0, "{values} and {faults}");
}

#[test]
fn every_shape_agrees_with_the_dynamic_way() {
    // One function for each number of parameters and each kind: the sum of what it takes, or its last.
    let component = SHAPES.iter().fold(String::new(), |mut text, (ty, core)| {
        for params in 1..=4 {
            let names = ["a", "b", "c", "d"];
            let core_params = format!("(param {})", vec![*core; params].join(" "));
            let list: String = names[..params].iter().map(|name| format!("(param \"{name}\" {ty})")).collect();
            text += &format!(
                "(core module $m-{ty}-{params} (func (export \"f\") {core_params} (result {core}) local.get {last}))
                 (core instance $i-{ty}-{params} (instantiate $m-{ty}-{params}))
                 (func (export \"{ty}-{params}\") {list} (result {ty}) (canon lift (core func $i-{ty}-{params} \"f\")))
                ",
                last = params - 1
            );
        }
        text
    });
    let component = format!("(component {component})");
    let mut canonical = setup(component.as_bytes()).load();
    let mut dynamic = setup(component.as_bytes()).load().dynamic();
    let mut dice = Dice(2);
    for function in canonical.functions.clone() {
        let mut arguments = Vec::new();
        function
            .params
            .iter()
            .for_each(|param| dice.value(&param.ty, &mut arguments));
        let width = arguments.len() / function.params.len();
        let last = arguments[arguments.len() - width..].to_vec();
        assert_eq!(
            canonical.call(&function.name, &arguments),
            Ok(last.clone()),
            "{function}, canonical"
        );
        assert_eq!(
            dynamic.call(&function.name, &arguments),
            Ok(last),
            "{function}, dynamic"
        );
    }
}

/// The scalar types and what they are in core WebAssembly.
const SHAPES: [(&str, &str); 11] = [
    ("bool", "i32"),
    ("s8", "i32"),
    ("u8", "i32"),
    ("s16", "i32"),
    ("u16", "i32"),
    ("s32", "i32"),
    ("u32", "i32"),
    ("s64", "i64"),
    ("u64", "i64"),
    ("f32", "f32"),
    ("f64", "f64"),
];

#[test]
fn a_nan_keeps_its_bits() {
    let mut types = setup(TYPES).load();
    let nan = 0x7fc0_1234_u32.to_le_bytes();
    assert_eq!(types.call("echo-f32", &nan).unwrap(), nan);
    let mut types = types.dynamic();
    assert_eq!(types.call("echo-f32", &nan).unwrap(), nan);
}

#[test]
fn arguments_that_do_not_decode_are_a_fault_and_never_a_panic() {
    let mut types = setup(TYPES).load();
    let huge = u32::MAX.to_le_bytes();
    let check = |types: &mut Trial, name: &str, arguments: &[u8], why: &str| {
        let fault = types.fault(name, arguments);
        assert_eq!(
            fault.cause,
            Cause::Start(format!("its arguments don't decode: {why}")),
            "{name}"
        );
    };
    for _ in 0..2 {
        check(&mut types, "echo-s64", &[1, 2, 3], "they end early");
        check(&mut types, "echo-s64", &[0; 9], "bytes are left over");
        check(&mut types, "echo-bool", &[2], "a bool is neither 0 nor 1");
        check(
            &mut types,
            "echo-string",
            &huge,
            "a list is longer than they are",
        );
        check(
            &mut types,
            "echo-string",
            &[1, 0, 0, 0, 0xff],
            "a string is not UTF-8",
        );
        check(
            &mut types,
            "echo-list-s64",
            &huge,
            "a list is longer than they are",
        );
        check(
            &mut types,
            "echo-list-string",
            &huge,
            "a list is longer than they are",
        );
        check(
            &mut types,
            "echo-char",
            &0xd800_u32.to_le_bytes(),
            "a char is none",
        );
        check(
            &mut types,
            "echo-variant",
            &[4, 0, 0, 0],
            "a variant has no such case",
        );
        check(
            &mut types,
            "echo-enum",
            &[3, 0, 0, 0],
            "an enum has no such case",
        );
        check(
            &mut types,
            "echo-flags",
            &[8],
            "a flag is set that has no name",
        );
        types = types.dynamic();
    }
}

#[test]
fn a_function_that_does_not_exist_is_a_fault() {
    let mut arith = setup(ARITH).load();
    let mut nothing = Vec::new();
    let passing = Passing::new(&[], &mut nothing);
    let fault = arith.guest.call(99, passing).unwrap_err();
    assert_eq!(fault.cause, Cause::Start("there is no function 99".into()));
}

#[test]
fn each_kind_of_trap_has_its_words() {
    let mut traps = setup(TRAPS).load();
    let mut check = |name: &str, words: &str| {
        assert_eq!(
            traps.fault(name, &[]).cause,
            Cause::Trap(words.into()),
            "{name}"
        );
    };
    check("unreachable", "unreachable instruction executed");
    check("integer-divide-by-zero", "integer divide by zero");
    check("integer-overflow", "integer overflow");
    check("bad-conversion", "invalid conversion to integer");
    check("memory-out-of-bounds", "out of bounds memory access");
    check(
        "table-out-of-bounds",
        "undefined element: out of bounds table access",
    );
    check("indirect-call-to-null", "uninitialized element");
    check("bad-signature", "indirect call type mismatch");
    check("stack-overflow", "call stack exhausted");
}

#[test]
fn a_panic_comes_with_its_message_and_the_names_of_the_functions() {
    let mut faults = setup(FAULTS).load();
    let fault = faults.fault("panic-with", &text("the sky is falling"));
    assert_eq!(
        fault.cause,
        Cause::Trap("unreachable instruction executed".into())
    );
    assert!(
        fault.stderr.contains("the sky is falling"),
        "{}",
        fault.stderr
    );
    let frames = &fault.backtrace;
    assert!(
        frames
            .iter()
            .any(|frame| frame == "core::panicking::panic_fmt"),
        "{frames:?}"
    );
    assert_eq!(
        frames.last().map(String::as_str),
        Some("pool:tasks/faults@0.1.0#panic-with")
    );
}

#[test]
fn a_backtrace_of_a_deep_recursion_is_short() {
    assert_eq!(
        setup(ODD.as_bytes()).load().fault("deep", &[]).backtrace,
        vec!["deep"; 32]
    );
}

#[test]
fn a_stack_that_the_process_does_not_have_is_refused() {
    let odd = setup(ODD.as_bytes()).limits(|limits| limits.stack_bytes = 1 << 40);
    let error = odd
        .try_load()
        .err()
        .expect("no process has a terabyte of stack");
    assert!(format!("{error:#}").contains("too large"), "{error:#}");
}

#[test]
fn a_guest_that_never_ends_is_stopped_at_its_limit() {
    let limit = Duration::from_millis(20);
    let mut odd = setup(ODD.as_bytes())
        .limits(|limits| limits.timeout = Some(limit))
        .load();
    for _ in 0..3 {
        let started = Instant::now();
        assert_eq!(odd.fault("spin", &[]).cause, Cause::Timeout(limit));
        assert!(
            started.elapsed() >= limit,
            "stopped early, after {:?}",
            started.elapsed()
        );
        odd.guest.rest();
        assert_eq!(odd.count(), 1);
    }
}

#[test]
fn a_resting_clock_stands_still_and_a_later_job_has_all_its_time() {
    let limit = Duration::from_millis(30);
    let mut faults = setup(FAULTS)
        .limits(|limits| limits.timeout = Some(limit))
        .load();
    faults.call("counter", &[]).unwrap();
    faults.guest.rest();
    std::thread::sleep(limit * 2);
    faults.call("sleep", &10_u64.to_le_bytes()).unwrap();
}

#[test]
fn the_clocks_of_two_guests_do_not_disturb_each_other() {
    let limit = Duration::from_millis(20);
    let mut one = setup(ODD.as_bytes())
        .limits(|limits| limits.timeout = Some(limit))
        .load();
    let mut other = setup(ODD.as_bytes())
        .limits(|limits| limits.timeout = Some(limit * 2))
        .load();
    one.count();
    assert_eq!(other.fault("spin", &[]).cause, Cause::Timeout(limit * 2));
    other.guest.rest();
    drop(other);
    assert_eq!(one.fault("spin", &[]).cause, Cause::Timeout(limit));
}

#[test]
fn a_job_has_its_fuel_and_the_next_job_has_it_anew() {
    let mut odd = setup(ODD.as_bytes())
        .limits(|limits| limits.fuel = Some(10_000))
        .load();
    assert_eq!(odd.fault("spin", &[]).cause, Cause::Fuel(10_000));
    (0..2_000).for_each(|_| {
        odd.count();
    });
}

#[test]
fn refused_memory_is_a_fault_only_if_the_guest_fails() {
    let mut odd = setup(ODD.as_bytes())
        .limits(|limits| limits.memory_bytes = 1 << 20)
        .load();
    assert_eq!(
        odd.call("grow-and-return", &[]).unwrap(),
        (-1_i32).to_le_bytes()
    );
    assert_eq!(
        odd.fault("grow-and-trap", &[]).cause,
        Cause::Memory(1 << 20)
    );
}

#[test]
fn a_text_function_may_fail_or_have_nothing_to_say() {
    let mut types = setup(TYPES).load();
    let failed = [&[1][..], &text("no")].concat();
    assert_eq!(types.call("fail-with", &text("no")), Ok(failed));
}

#[test]
fn memories_and_tables_are_limited_together() {
    let mut traps = setup(TRAPS)
        .limits(|limits| limits.memory_bytes = 16 << 20)
        .load();
    let pages = traps.call("memory-bomb", &[]).unwrap();
    let pages = u32::from_le_bytes(pages.try_into().unwrap());
    assert_eq!(
        pages,
        16 * 16 - 1 - 1,
        "one page at the start, and less than one page of tables"
    );
    assert_eq!(traps.call("table-bomb", &[]).unwrap(), 0_u32.to_le_bytes());
}

#[test]
fn a_rust_guest_out_of_memory_is_reported_as_such() {
    let mut faults = setup(FAULTS)
        .limits(|limits| limits.memory_bytes = 8 << 20)
        .load();
    assert_eq!(
        faults.fault("eat-memory", &[]).cause,
        Cause::Memory(8 << 20)
    );
}

#[test]
fn a_component_that_starts_with_more_memory_than_it_may_have_is_not_started() {
    let mut faults = setup(FAULTS)
        .limits(|limits| limits.memory_bytes = 64 << 10)
        .load();
    assert!(
        matches!(faults.fault("counter", &[]).cause, Cause::Start(why) if why.contains("out of memory"))
    );
}

#[test]
fn exit_is_a_fault_whatever_its_code() {
    let mut faults = setup(FAULTS).load();
    assert_eq!(
        faults.fault("exit", &0_u32.to_le_bytes()).cause,
        Cause::Exit(0)
    );
    assert_eq!(
        faults.fault("exit", &7_u32.to_le_bytes()).cause,
        Cause::Exit(1),
        "WASI 0.2 knows success and failure"
    );
}

#[test]
fn an_instance_lives_until_a_fault() {
    let mut odd = setup(ODD.as_bytes()).load();
    assert_eq!([odd.count(), odd.count()], [1, 2]);
    odd.fault("grow-and-trap", &[]);
    assert_eq!([odd.count(), odd.count()], [1, 2]);
}

#[test]
fn an_instance_per_job_remembers_nothing() {
    let mut odd = setup(ODD.as_bytes()).instance_per_job().load();
    assert_eq!([odd.count(), odd.count()], [1, 1]);
}

#[test]
fn an_initializer_runs_once_in_each_new_instance() {
    let mut odd = setup(ODD.as_bytes())
        .initializer("add", &100_u32.to_le_bytes())
        .load();
    assert_eq!([odd.count(), odd.count()], [101, 102]);
    odd.fault("grow-and-trap", &[]);
    assert_eq!(odd.count(), 101);
    let mut odd = setup(ODD.as_bytes())
        .initializer("add", &100_u32.to_le_bytes())
        .instance_per_job()
        .load();
    assert_eq!([odd.count(), odd.count()], [101, 101]);
}

#[test]
fn an_initializer_that_fails_keeps_the_job_from_starting() {
    let mut faults = setup(FAULTS)
        .initializer("panic-with", &text("no such model"))
        .load();
    let fault = faults.fault("counter", &[]);
    assert_eq!(
        fault.cause,
        Cause::Start("the guest trapped: unreachable instruction executed".into())
    );
    assert!(fault.stderr.contains("no such model"));
}

#[test]
fn an_import_that_nobody_provides_is_named() {
    let component =
        r#"(component (import "acme:gpu/device@1.0.0" (instance (export "run" (func)))))"#;
    let error = setup(component.as_bytes())
        .try_load()
        .err()
        .expect("nobody provides it");
    assert!(
        format!("{error:#}").contains("acme:gpu/device@1.0.0"),
        "{error:#}"
    );
}

#[test]
fn standard_error_goes_to_the_sink_and_its_end_into_the_report() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = heard.clone();
    let mut faults = setup(FAULTS);
    faults.stderr = Arc::new(move |piece| sink.lock().unwrap().extend_from_slice(piece));
    let mut faults = faults.load();
    faults.call("log", &text("from another job")).unwrap();
    faults
        .call("flood-stderr", &100_000_u64.to_le_bytes())
        .unwrap();
    let fault = faults.fault("panic-with", &text("last words"));
    assert!(
        fault.stderr.contains("last words") && !fault.stderr.contains("another job"),
        "{}",
        fault.stderr
    );
    assert!(
        !fault.stderr.contains("xxx"),
        "what an earlier job wrote isn't this job's"
    );
    let heard = heard.lock().unwrap();
    assert!(heard.starts_with(b"from another job\n") && heard.len() > 100_000);
}

#[test]
fn the_end_of_a_flood_of_standard_error_is_kept() {
    let stderr = super::stderr::Stderr::new(Arc::new(|_| ()), None);
    (0..10_000).for_each(|i| stderr.write(format!("line {i}\n").as_bytes()));
    assert_eq!(stderr.last().len(), STDERR_KEPT);
    assert!(stderr.last().ends_with("line 9998\nline 9999\n"));
    stderr.write(&[0xff; 3 * STDERR_KEPT]);
    assert!(stderr.last().len() <= STDERR_KEPT);
    stderr.forget();
    assert_eq!(stderr.last(), "");
}

#[test]
fn standard_output_is_taken_and_forgotten() {
    setup(FAULTS)
        .load()
        .call("flood-stdout", &(64_u64 << 20).to_le_bytes())
        .unwrap();
}

#[test]
fn a_sleeping_guest_wakes_without_a_thread_of_its_own() {
    let mut faults = setup(FAULTS).load();
    let started = Instant::now();
    faults.call("sleep", &50_u64.to_le_bytes()).unwrap();
    let slept = started.elapsed();
    assert!(
        slept >= Duration::from_millis(50) && slept < Duration::from_secs(5),
        "{slept:?}"
    );
}

#[test]
fn a_guest_has_the_environment_and_the_directories_that_it_was_granted() {
    let folder = std::env::temp_dir().join(format!("host-engine-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("greeting"), "hello").unwrap();
    for read_only in [true, false] {
        let mut faults = setup(FAULTS);
        faults.start.grants = Grants {
            env: vec![("COLOUR".into(), "blue".into())],
            dirs: vec![Dir {
                host: folder.clone(),
                guest: "/data".into(),
                read_only,
            }],
            ..Grants::default()
        };
        let mut faults = faults.load();
        let environment = [&1_u32.to_le_bytes()[..], &text("COLOUR"), &text("blue")].concat();
        assert_eq!(faults.call("environment", &[]).unwrap(), environment);
        assert_eq!(
            faults.call("read-file", &text("/data/greeting")).unwrap(),
            [&[0][..], &text("hello")].concat()
        );
        assert_eq!(
            faults.call("read-file", &text("/etc/hostname")).unwrap()[0],
            1
        );
        let written = faults
            .call("write-file", &[text("/data/answer"), text("42")].concat())
            .unwrap();
        assert_eq!(written[0], u8::from(read_only));
    }
    assert_eq!(std::fs::read(folder.join("answer")).unwrap(), b"42");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_directory_that_is_not_there_is_told_at_the_start() {
    let mut faults = setup(FAULTS);
    faults.start.grants.dirs.push(Dir {
        host: "/no/such/place".into(),
        guest: "/".into(),
        read_only: true,
    });
    let error = faults.try_load().err().expect("it can't be opened");
    assert!(
        format!("{error:#}").contains("`/no/such/place`"),
        "{error:#}"
    );
}

#[test]
fn a_guest_without_grants_has_nothing() {
    let mut faults = setup(FAULTS).load();
    assert_eq!(faults.call("environment", &[]).unwrap(), [0; 4]);
    assert_eq!(
        faults.call("read-file", &text("/etc/hostname")).unwrap()[0],
        1
    );
}

#[test]
fn results_that_break_the_rules_are_faults() {
    let mut odd = setup(ODD.as_bytes()).load();
    assert!(
        matches!(odd.fault("list", &[]).cause, Cause::Result(why) if why.contains("out of bounds"))
    );
    assert!(matches!(odd.fault("invalid", &[]).cause, Cause::Result(why) if why.contains("utf-8")));
    assert!(
        matches!(odd.fault("take-badly", &text("x")).cause, Cause::Trap(why) if why.contains("realloc"))
    );
    odd.call("take", &text("x")).unwrap();
}

#[test]
fn a_result_that_outgrows_the_host_says_so() {
    let mut odd = setup(ODD.as_bytes())
        .limits(|limits| limits.memory_bytes = 32 << 20)
        .load();
    assert_eq!(
        odd.call("bools", &3_000_000_u32.to_le_bytes())
            .unwrap()
            .len(),
        3_000_004
    );
    let many = [3_000_u32.to_le_bytes(), 60_000_u32.to_le_bytes()].concat();
    let larger_than_the_memory = odd.fault("same", &many).cause;
    let mut odd = odd.dynamic();
    let many_values = odd.fault("bools", &8_000_000_u32.to_le_bytes()).cause;
    for cause in [larger_than_the_memory, many_values] {
        let Cause::Result(why) = cause else { panic!() };
        assert!(
            why.contains("more than 128 MiB") && why.contains("raise the memory limit"),
            "{why}"
        );
    }
}

#[test]
fn a_result_may_be_as_large_as_the_guests_memory() {
    let mut faults = setup(FAULTS).load();
    let bytes = 300_u32 << 20;
    assert_eq!(
        faults
            .call("huge-result", &u64::from(bytes).to_le_bytes())
            .unwrap()
            .len(),
        4 + bytes as usize
    );
}

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % sides
    }

    /// Appends some value of this type, encoded.
    fn value(&mut self, ty: &Type, out: &mut Vec<u8>) {
        match ty {
            Type::Bool => out.push(self.roll(2) as u8),
            Type::S8 | Type::U8 => out.push(self.roll(256) as u8),
            Type::S16 | Type::U16 => out.extend((self.roll(1 << 16) as u16).to_le_bytes()),
            Type::S32 | Type::U32 => out.extend((self.roll(1 << 31) as u32 * 2).to_le_bytes()),
            Type::S64 | Type::U64 => out.extend((self.roll(1 << 31) << 33).to_le_bytes()),
            Type::F32 => out.extend((self.roll(1000) as f32 / 7.0 - 50.0).to_le_bytes()),
            Type::F64 => out.extend((self.roll(1000) as f64 / 7.0 - 50.0).to_le_bytes()),
            Type::Char => out
                .extend([u32::from('a'), 0, 0x10ffff, 0xe000][self.roll(4) as usize].to_le_bytes()),
            Type::String => out.extend(text(
                ["", "a", "grüße", "\0", "日本語"][self.roll(5) as usize],
            )),
            Type::List(item) => {
                let count = self.roll(5) as u32;
                out.extend(count.to_le_bytes());
                (0..count).for_each(|_| self.value(item, out));
            }
            Type::Record(fields) => fields.iter().for_each(|field| self.value(&field.ty, out)),
            Type::Tuple(items) => items.iter().for_each(|item| self.value(item, out)),
            Type::Variant(cases) => {
                let index = self.roll(cases.len() as u64);
                out.extend((index as u32).to_le_bytes());
                self.payload(cases[index as usize].ty.as_ref(), out);
            }
            Type::Enum(names) => out.extend((self.roll(names.len() as u64) as u32).to_le_bytes()),
            Type::Option(some) => {
                let is_some = self.roll(2);
                out.push(is_some as u8);
                self.payload((is_some == 1).then_some(some), out);
            }
            Type::Result { ok, err } => {
                let is_err = self.roll(2);
                out.push(is_err as u8);
                self.payload(
                    if is_err == 1 {
                        err.as_deref()
                    } else {
                        ok.as_deref()
                    },
                    out,
                );
            }
            Type::Flags(names) => {
                for names in names.chunks(8) {
                    out.push(self.roll(1 << names.len()) as u8);
                }
            }
            Type::Borrow(_) => unreachable!("no function of these guests takes an object"),
        }
    }

    fn payload(&mut self, ty: Option<&Type>, out: &mut Vec<u8>) {
        ty.into_iter().for_each(|ty| self.value(ty, out));
    }
}

/// All functions that a component exports.
fn describe(component: &Component) -> Description {
    let engine = component.engine();
    let mut functions = Vec::new();
    for (name, item) in component.component_type().exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(function) => {
                functions.push(function_of(None, name, &function))
            }
            ComponentItem::ComponentInstance(interface) => {
                for (function, item) in interface.exports(engine) {
                    if let ComponentItem::ComponentFunc(ty) = item.ty {
                        functions.push(function_of(Some(name.to_owned()), function, &ty));
                    }
                }
            }
            _ => {}
        }
    }
    Description {
        functions,
        uncallable: Vec::new(),
        sweeps: Vec::new(),
        imports: Vec::new(),
        wit: String::new(),
    }
}

fn function_of(
    interface: Option<String>,
    name: &str,
    ty: &component::types::ComponentFunc,
) -> Function {
    Function {
        interface,
        name: name.to_owned(),
        params: ty
            .params()
            .map(|(name, ty)| Field {
                name: name.to_owned(),
                ty: type_of(ty),
            })
            .collect(),
        result: ty.results().next().map(type_of),
    }
}

fn type_of(ty: component::Type) -> Type {
    let names =
        |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect::<Vec<_>>();
    match ty {
        component::Type::Bool => Type::Bool,
        component::Type::S8 => Type::S8,
        component::Type::U8 => Type::U8,
        component::Type::S16 => Type::S16,
        component::Type::U16 => Type::U16,
        component::Type::S32 => Type::S32,
        component::Type::U32 => Type::U32,
        component::Type::S64 => Type::S64,
        component::Type::U64 => Type::U64,
        component::Type::Float32 => Type::F32,
        component::Type::Float64 => Type::F64,
        component::Type::Char => Type::Char,
        component::Type::String => Type::String,
        component::Type::List(list) => Type::List(Box::new(type_of(list.ty()))),
        component::Type::Record(record) => Type::Record(
            record
                .fields()
                .map(|field| Field {
                    name: field.name.to_owned(),
                    ty: type_of(field.ty),
                })
                .collect(),
        ),
        component::Type::Tuple(tuple) => Type::Tuple(tuple.types().map(type_of).collect()),
        component::Type::Variant(variant) => Type::Variant(
            variant
                .cases()
                .map(|case| Case {
                    name: case.name.to_owned(),
                    ty: case.ty.map(type_of),
                })
                .collect(),
        ),
        component::Type::Enum(ty) => Type::Enum(names(&mut ty.names())),
        component::Type::Flags(ty) => Type::Flags(names(&mut ty.names())),
        component::Type::Option(option) => Type::Option(Box::new(type_of(option.ty()))),
        component::Type::Result(result) => Type::Result {
            ok: result.ok().map(|ty| Box::new(type_of(ty))),
            err: result.err().map(|ty| Box::new(type_of(ty))),
        },
        other => panic!("{other:?} can't travel"),
    }
}
