//! Sweeps: functions that are added to a component, each of which calls one of its exports for many jobs in a row.
//!
//! To enter a guest costs some 200 ns, twenty times what a small job takes. So beside each exported function that takes
//! and gives only numbers, a loop over it is compiled into the component: the engine enters it once for many jobs.
//! The loop calls the very core function that the export lifts, in the same instance, so what comes back is the same.
//!
//! What is added is sections behind the component's own. They define a core module with the loops, give it the core
//! functions, and lift and export what it exports. Nothing of the component can refer to what comes after it, so a
//! guest can't tell whether its functions are swept.
//!
//! The module also exports each of those core functions again, as it imported it, to be called for single jobs. Wasmtime 48 looks
//! a lifted function up at each call, which is dear where the core module that exports it defines it, and next to nothing where
//! it imports it: 75 ns a job (measured 2026-11).
//!
//! Each loop reads its arguments from its own memory, a word of 64 bits for each, and writes results to the *window*: a
//! word that counts the jobs that are done, then a word for each result. After a trap the window still tells which job
//! it was, and what those before it gave.

mod lifts;

use crate::engine::sweep::{MEMORY_BYTES, ONE, PREFIX, WINDOW};
use crate::wire::MOST_SWEPT;
use lifts::{Lift, read};
use std::fmt::Write;
use wasmparser::PrimitiveValType;
use wasmparser::component_types::ComponentValType;
use wasmparser::types::Types;

/// Canonical ABI, `MAX_FLAT_PARAMS`: a function with more parameters than these takes them from memory.
const MOST_PARAMS: usize = 16;

/// The window, behind it where its address and length are told, behind that the arguments: all in the one page.
const RESULTS_AT: u32 = 8;
const TOLD_AT: u32 = RESULTS_AT + 8 * MOST_SWEPT;
const ARGUMENTS_AT: u32 = TOLD_AT + 8;
const PAGE: u32 = MEMORY_BYTES as u32;
const _: () = assert!(ARGUMENTS_AT + MOST_SWEPT * MOST_PARAMS as u32 * 8 <= PAGE);

/// A function as its component exports it: in an interface or in the world, and its own name.
pub(super) type Name = (Option<String>, String);

/// A component with sweeps, and what each of them sweeps: `host-sweep-0` the first of them, and so on.
pub(super) struct Extended {
    pub(super) binary: Vec<u8>,
    pub(super) swept: Vec<Name>,
}

/// Adds sweeps to a component. `None` where it has no function for it, or is built in a way that this doesn't see
/// through: then its jobs are called one by one.
pub(super) fn extend(component: &[u8]) -> Option<Extended> {
    let (exports, types) = read(component)?;
    let swept: Vec<(Name, Loop)> = exports
        .into_iter()
        .filter_map(|(name, lift)| Some((name, Loop::of(&lift, &types)?)))
        .collect();
    if swept.is_empty() {
        return None;
    }
    let (swept, loops): (Vec<Name>, Vec<Loop>) = swept.into_iter().unzip();
    let added = wat::parse_str(sections(&loops, &types)).ok()?;
    // A component is a header of eight bytes and sections.
    let binary = [component, added.get(8..)?].concat();
    Some(Extended { binary, swept })
}

/// A loop over one core function.
struct Loop {
    core_function: u32,
    params: Vec<Number>,
    result: Number,
}

/// A type of numbers, and the core type that stands for it.
struct Number {
    ty: PrimitiveValType,
    core: &'static str,
}

impl Loop {
    fn of(lift: &Lift, types: &Types) -> Option<Loop> {
        let function = &types[types.component_function_at(lift.function)];
        // A job takes at least a byte of a list, and so does its result.
        if function.async_ || !(1..=MOST_PARAMS).contains(&function.params.len()) {
            return None;
        }
        let params = function.params.iter().map(|(_, ty)| Number::of(ty));
        Some(Loop {
            core_function: lift.core_function,
            params: params.collect::<Option<_>>()?,
            result: Number::of(function.result.as_ref()?)?,
        })
    }

    /// The loop as a function, in the text format.
    fn text(&self, place: usize) -> String {
        let words = self.params.len();
        let mut arguments = String::new();
        for (place, param) in self.params.iter().enumerate() {
            let _ = write!(
                arguments,
                "({}.load offset={} (local.get $argument)) ",
                param.core,
                8 * place
            );
        }
        format!(
            "(func ${PREFIX}{place} (export \"{place}\") (param $argument i32) (param $left i32)
               (local $result i32)
               (block $done
                 (loop $next
                   (br_if $done (i32.lt_u (local.get $left) (i32.const {words})))
                   ({result}.store offset={RESULTS_AT} (local.get $result)
                     (call $guest-{place} {arguments}))
                   (i64.store (i32.const 0) (i64.add (i64.load (i32.const 0)) (i64.const 1)))
                   (local.set $result (i32.add (local.get $result) (i32.const 8)))
                   (local.set $argument (i32.add (local.get $argument) (i32.const {})))
                   (local.set $left (i32.sub (local.get $left) (i32.const {words})))
                   (br $next))))",
            8 * words,
            result = self.result.core
        )
    }

    /// Its type in the component.
    fn type_text(&self) -> String {
        let params = self.params.iter().enumerate();
        let params: String = params
            .map(|(place, param)| format!("(param \"p{place}\" {}) ", param.ty))
            .collect();
        format!("(type (func {params}(result {})))", self.result.ty)
    }

    fn import(&self, place: usize) -> String {
        format!(
            "(import \"guest\" \"{place}\" (func $guest-{place} (param {}) (result {})))
             (export \"one-{place}\" (func $guest-{place}))",
            self.params
                .iter()
                .fold(String::new(), |text, param| text + param.core + " "),
            self.result.core
        )
    }
}

impl Number {
    /// `None` for all other types.
    ///
    /// *Source*: Canonical ABI, `flatten_type`. A `char` is a number too, but one that has to be checked.
    fn of(ty: &ComponentValType) -> Option<Number> {
        use PrimitiveValType::*;
        let ComponentValType::Primitive(ty) = *ty else {
            return None;
        };
        let core = match ty {
            Bool | S8 | U8 | S16 | U16 | S32 | U32 => "i32",
            S64 | U64 => "i64",
            F32 => "f32",
            F64 => "f64",
            _ => return None,
        };
        Some(Number { ty, core })
    }
}

/// The sections to add, as the text of a component. All references in it are numbers, which go on where the component
/// stopped to count.
fn sections(loops: &[Loop], types: &Types) -> String {
    let counted = types.as_ref();
    let (module, memory) = (counted.module_count(), counted.memory_count());
    let given = counted.core_instance_count();
    let added = given + 1;
    let realloc = counted.function_count();
    let window = realloc + 1;
    let first_loop = window + 1;
    let words_type = counted.component_type_count();
    let (window_type, sweep_type) = (words_type + 1, words_type + 2);
    let first_type = sweep_type as usize + 1;
    let window_function = counted.component_function_count();
    let first_sweep = window_function + 1;
    let first_one = first_sweep as usize + loops.len();
    let each = |text: &dyn Fn(usize, &Loop) -> String| -> String {
        let lines = loops
            .iter()
            .enumerate()
            .map(|(place, one)| text(place, one) + "\n");
        lines.collect()
    };
    format!(
        "(component
           (core module
             {imports}
             (memory (export \"memory\") 1 1)
             (func (export \"window\") (result i32)
               (i32.store (i32.const {TOLD_AT}) (i32.const 0))
               (i32.store offset=4 (i32.const {TOLD_AT}) (i32.const {window_words}))
               (i32.const {TOLD_AT}))
             ;; Called for the arguments before each sweep: of the one before, nothing is done any more.
             (func (export \"realloc\") (param i32 i32 i32 i32) (result i32)
               (i64.store (i32.const 0) (i64.const 0))
               (if (i32.gt_u (local.get 3) (i32.const {room})) (then unreachable))
               (i32.const {ARGUMENTS_AT}))
             {loops})
           (core instance {functions})
           (core instance (instantiate {module} (with \"guest\" (instance {given}))))
           (alias core export {added} \"memory\" (core memory))
           (alias core export {added} \"realloc\" (core func))
           (alias core export {added} \"window\" (core func))
           {aliases}
           {aliases_of_one}
           (type (list u64))
           (type (func (result {words_type})))
           (type (func (param \"arguments\" {words_type})))
           {types_of_one}
           (func (type {window_type}) (canon lift (core func {window}) (memory {memory})))
           {lifts}
           {lifts_of_one}
           (export \"{WINDOW}\" (func {window_function}))
           {exports}
           {exports_of_one})",
        imports = each(&|place, one| one.import(place)),
        window_words = 1 + MOST_SWEPT,
        room = PAGE - ARGUMENTS_AT,
        loops = each(&|place, one| one.text(place)),
        functions = each(&|place, one| format!("(export \"{place}\" (func {}))", one.core_function)),
        aliases = each(&|place, _| format!("(alias core export {added} \"{place}\" (core func))")),
        lifts = each(&|place, _| format!(
            "(func (type {sweep_type}) (canon lift (core func {}) (memory {memory}) (realloc {realloc})))",
            first_loop as usize + place
        )),
        exports = each(&|place, _| format!(
            "(export \"{PREFIX}{place}\" (func {}))",
            first_sweep as usize + place
        )),
        aliases_of_one =
            each(&|place, _| format!("(alias core export {added} \"one-{place}\" (core func))")),
        types_of_one = each(&|_, one| one.type_text()),
        lifts_of_one = each(&|place, _| format!(
            "(func (type {}) (canon lift (core func {})))",
            first_type + place,
            first_loop as usize + loops.len() + place
        )),
        exports_of_one = each(&|place, _| format!(
            "(export \"{ONE}{place}\" (func {}))",
            first_one + place
        )),
    )
}

/// The sweeps' own exports, which are no functions of the component.
pub(super) fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX)
}

#[cfg(test)]
mod tests;
