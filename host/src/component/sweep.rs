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
//! Each loop reads its arguments from its own memory, a word of 64 bits for each, and writes results to the *window*: a
//! word that counts the jobs that are done, then a word for each result. After a trap the window still tells which job
//! it was, and what those before it gave.

use crate::engine::sweep::{MEMORY_BYTES, PREFIX, WINDOW};
use crate::wire::MOST_SWEPT;
use std::collections::HashMap;
use std::fmt::Write;
use wasmparser::component_types::ComponentValType;
use wasmparser::types::Types;
use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentTypeRef, Encoding, Parser, Payload, PrimitiveValType, ValidPayload, Validator,
};

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
    params: Vec<&'static str>,
    result: &'static str,
}

impl Loop {
    fn of(lift: &Lift, types: &Types) -> Option<Loop> {
        let function = &types[types.component_function_at(lift.function)];
        // A job takes at least a byte of a list, and so does its result.
        if function.async_ || !(1..=MOST_PARAMS).contains(&function.params.len()) {
            return None;
        }
        let params = function.params.iter().map(|(_, ty)| core_type(ty));
        Some(Loop {
            core_function: lift.core_function,
            params: params.collect::<Option<_>>()?,
            result: core_type(function.result.as_ref()?)?,
        })
    }

    /// The loop as a function, in the text format.
    fn text(&self, place: usize) -> String {
        let words = self.params.len();
        let mut arguments = String::new();
        for (place, ty) in self.params.iter().enumerate() {
            let _ = write!(
                arguments,
                "({ty}.load offset={} (local.get $argument)) ",
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
            result = self.result
        )
    }

    fn import(&self, place: usize) -> String {
        format!(
            "(import \"guest\" \"{place}\" (func $guest-{place} (param {}) (result {})))",
            self.params.join(" "),
            self.result
        )
    }
}

/// The core type that stands for a number; `None` for all other types.
///
/// *Source*: Canonical ABI, `flatten_type`. A `char` is a number too, but one that has to be checked.
fn core_type(ty: &ComponentValType) -> Option<&'static str> {
    use PrimitiveValType::*;
    let ComponentValType::Primitive(ty) = ty else {
        return None;
    };
    match ty {
        Bool | S8 | U8 | S16 | U16 | S32 | U32 => Some("i32"),
        S64 | U64 => Some("i64"),
        F32 => Some("f32"),
        F64 => Some("f64"),
        _ => None,
    }
}

/// The sections to add, as the text of a component. All references in it are numbers, which go on where the component
/// stopped to count.
fn sections(loops: &[Loop], types: &Types) -> String {
    let module = types.module_count();
    let instance = types.core_instance_count();
    let (core, memory) = (
        types.as_ref().function_count(),
        types.as_ref().memory_count(),
    );
    let (ty, function) = (
        types.as_ref().component_type_count(),
        types.component_function_count(),
    );
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
           (core instance {given})
           (core instance (instantiate {module} (with \"guest\" (instance {instance}))))
           (alias core export {loops_instance} \"memory\" (core memory))
           (alias core export {loops_instance} \"realloc\" (core func))
           (alias core export {loops_instance} \"window\" (core func))
           {aliases}
           (type (list u64))
           (type (func (result {ty})))
           (type (func (param \"arguments\" {ty})))
           (func (type {window_type}) (canon lift (core func {window}) (memory {memory})))
           {lifts}
           (export \"{WINDOW}\" (func {function}))
           {exports})",
        imports = each(&|place, one| one.import(place)),
        window_words = 1 + MOST_SWEPT,
        room = PAGE - ARGUMENTS_AT,
        loops = each(&|place, one| one.text(place)),
        given = each(&|place, one| format!("(export \"{place}\" (func {}))", one.core_function)),
        loops_instance = instance + 1,
        aliases = each(&|place, _| format!(
            "(alias core export {} \"{place}\" (core func))",
            instance + 1
        )),
        window_type = ty + 1,
        window = core + 1,
        lifts = each(&|place, _| format!(
            "(func (type {}) (canon lift (core func {}) (memory {memory}) (realloc {core})))",
            ty + 2,
            core as usize + 2 + place
        )),
        exports = each(&|place, _| format!(
            "(export \"{PREFIX}{place}\" (func {}))",
            function as usize + 1 + place
        )),
    )
}

/// A core function that a component makes a function of its own, with nothing to do after it has returned.
#[derive(Clone)]
struct Lift {
    /// The index of the component's function that it becomes.
    function: u32,
    core_function: u32,
}

/// What stands behind a function's index in a component.
#[derive(Clone)]
enum Origin {
    Lifted(Lift),
    /// It was given under this name, from outside.
    Given(String),
    Elsewhere,
}

/// The functions behind the names that an instance or a component exports.
type Names = HashMap<String, Origin>;

/// A component as far as it was read.
#[derive(Default)]
struct Scope {
    functions: Vec<Origin>,
    instances: Vec<Names>,
    components: Vec<Names>,
    exports: Vec<(String, Exported)>,
}

enum Exported {
    Function(Origin),
    Instance(Names),
}

/// What a component exports that is lifted in the component itself, and how many of everything there are. `None` for one
/// that isn't valid, or has names of ours.
///
/// Functions of an interface pass through a component inside, which toolchains make to give them their types. So all
/// components are read, and a name that one of them only hands through is followed.
fn read(component: &[u8]) -> Option<(Vec<(Name, Lift)>, Types)> {
    let mut validator = Validator::new();
    // The components that are open, the innermost last; a core module in them is `None`.
    let mut open: Vec<Option<Scope>> = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.ok()?;
        let valid = validator.payload(&payload).ok()?;
        match &payload {
            Payload::Version { encoding, .. } => {
                open.push((*encoding == Encoding::Component).then(Scope::default));
            }
            Payload::End(_) => {
                let scope = open.pop()?;
                if let (ValidPayload::End(types), None) = (valid, open.last()) {
                    let scope = scope?;
                    let seen = scope.functions.len() as u32;
                    return (seen == types.component_function_count())
                        .then(|| scope.lifted())?
                        .map(|lifted| (lifted, types));
                }
                if let (Some(inner), Some(outer)) = (scope, open.last_mut()?) {
                    outer.components.push(inner.names());
                }
            }
            payload => {
                if let Some(Some(scope)) = open.last_mut() {
                    scope.read(payload)?;
                }
            }
        }
    }
    None
}

impl Scope {
    fn read(&mut self, payload: &Payload<'_>) -> Option<()> {
        match payload {
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone() {
                    let import = import.ok()?;
                    match import.ty {
                        ComponentTypeRef::Func(_) => {
                            self.functions.push(Origin::Given(import.name.name.into()));
                        }
                        ComponentTypeRef::Instance(_) => self.instances.push(Names::new()),
                        ComponentTypeRef::Component(_) => self.components.push(Names::new()),
                        _ => {}
                    }
                }
            }
            Payload::ComponentCanonicalSection(functions) => {
                for function in functions.clone() {
                    if let CanonicalFunction::Lift {
                        core_func_index,
                        options,
                        ..
                    } = function.ok()?
                    {
                        let lift = Lift {
                            function: self.functions.len() as u32,
                            core_function: core_func_index,
                        };
                        self.functions.push(if options.iter().all(is_harmless) {
                            Origin::Lifted(lift)
                        } else {
                            Origin::Elsewhere
                        });
                    }
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases.clone() {
                    self.alias(&alias.ok()?);
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances.clone() {
                    let instance = self.instance(&instance.ok()?);
                    self.instances.push(instance);
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports.clone() {
                    let export = export.ok()?;
                    let (name, index) = (export.name.name.to_owned(), export.index as usize);
                    // An export is also a definition: the same again, under the next index.
                    match export.kind {
                        ComponentExternalKind::Func => {
                            let origin = self.functions.get(index)?.clone();
                            self.functions.push(origin.clone());
                            self.exports.push((name, Exported::Function(origin)));
                        }
                        ComponentExternalKind::Instance => {
                            let names = self.instances.get(index)?.clone();
                            self.instances.push(names.clone());
                            self.exports.push((name, Exported::Instance(names)));
                        }
                        ComponentExternalKind::Component => {
                            let names = self.components.get(index)?.clone();
                            self.components.push(names);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Some(())
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        match alias {
            ComponentAlias::InstanceExport {
                kind,
                instance_index,
                name,
            } => match kind {
                ComponentExternalKind::Func => {
                    let names = self.instances.get(*instance_index as usize);
                    let origin = names.and_then(|names| names.get(*name)).cloned();
                    self.functions.push(origin.unwrap_or(Origin::Elsewhere));
                }
                ComponentExternalKind::Instance => self.instances.push(Names::new()),
                ComponentExternalKind::Component => self.components.push(Names::new()),
                _ => {}
            },
            ComponentAlias::Outer {
                kind: wasmparser::ComponentOuterAliasKind::Component,
                ..
            } => self.components.push(Names::new()),
            _ => {}
        }
    }

    /// The functions of an instance, those seen through that its component was only given.
    fn instance(&self, instance: &ComponentInstance<'_>) -> Names {
        let function = |index: u32| self.functions.get(index as usize).cloned();
        match instance {
            ComponentInstance::FromExports(exports) => exports
                .iter()
                .filter(|export| export.kind == ComponentExternalKind::Func)
                .filter_map(|export| Some((export.name.name.to_owned(), function(export.index)?)))
                .collect(),
            ComponentInstance::Instantiate {
                component_index,
                args,
            } => {
                let given: HashMap<&str, u32> = args
                    .iter()
                    .filter(|arg| arg.kind == ComponentExternalKind::Func)
                    .map(|arg| (arg.name, arg.index))
                    .collect();
                let names = self.components.get(*component_index as usize);
                let through = |(name, origin): (&String, &Origin)| match origin {
                    Origin::Given(inner) => {
                        Some((name.clone(), function(*given.get(inner.as_str())?)?))
                    }
                    Origin::Lifted(_) | Origin::Elsewhere => None,
                };
                names.into_iter().flatten().filter_map(through).collect()
            }
        }
    }

    /// What this component exports, to whoever instantiates it.
    fn names(self) -> Names {
        let functions = self
            .exports
            .into_iter()
            .filter_map(|(name, what)| match what {
                Exported::Function(origin) => Some((name, origin)),
                Exported::Instance(_) => None,
            });
        functions.collect()
    }

    /// What it exports that is lifted in it.
    fn lifted(self) -> Option<Vec<(Name, Lift)>> {
        let mut found = Vec::new();
        for (name, what) in self.exports {
            if name.starts_with(PREFIX) {
                return None;
            }
            match what {
                Exported::Function(Origin::Lifted(lift)) => found.push(((None, name), lift)),
                Exported::Function(_) => {}
                Exported::Instance(names) => {
                    // In an order of its own, so that the same component gives the same machine code.
                    let mut names: Vec<_> = names.into_iter().collect();
                    names.sort_by(|(one, _), (other, _)| one.cmp(other));
                    for (function, origin) in names {
                        if let Origin::Lifted(lift) = origin {
                            found.push(((Some(name.clone()), function), lift));
                        }
                    }
                }
            }
        }
        Some(found)
    }
}

/// Whether a loop may leave out what this option of a lift asks for: where only numbers pass, memory, allocation and the
/// encoding of strings play no part.
fn is_harmless(option: &CanonicalOption) -> bool {
    use CanonicalOption::*;
    matches!(option, UTF8 | UTF16 | CompactUTF16 | Memory(_) | Realloc(_))
}

/// The sweeps' own exports, which are no functions of the component.
pub(super) fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX)
}

#[cfg(test)]
mod tests;
