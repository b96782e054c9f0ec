//! What a component exports that it lifts itself: which core function stands behind the name of an export.
//!
//! Functions of an interface pass through a component inside, which toolchains make to give them their types. So all
//! components are read, and a name that one of them only hands through is followed. Where this loses sight of a function
//! there is no harm: its jobs are called one by one.

use super::{Name, is_ours};
use std::collections::HashMap;
use wasmparser::types::Types;
use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentTypeRef, Encoding, Parser, Payload, ValidPayload, Validator,
};

/// A core function that a component makes a function of its own, with nothing to do after it has returned.
#[derive(Clone)]
pub(super) struct Lift {
    /// The index of the component's function that it becomes.
    pub(super) function: u32,
    pub(super) core_function: u32,
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
type Functions = HashMap<String, Origin>;

/// A component as far as it was read.
#[derive(Default)]
struct Scope {
    functions: Vec<Origin>,
    instances: Vec<Functions>,
    components: Vec<Functions>,
    exports: Vec<(String, Exported)>,
}

enum Exported {
    Function(Origin),
    Instance(Functions),
}

/// What a component exports that is lifted in the component itself, and how many of everything there are. `None` for one
/// that isn't valid, or has names of ours.
pub(super) fn read(component: &[u8]) -> Option<(Vec<(Name, Lift)>, Types)> {
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
                        ComponentTypeRef::Instance(_) => self.instances.push(Functions::new()),
                        ComponentTypeRef::Component(_) => self.components.push(Functions::new()),
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
                ComponentExternalKind::Instance => self.instances.push(Functions::new()),
                ComponentExternalKind::Component => self.components.push(Functions::new()),
                _ => {}
            },
            ComponentAlias::Outer {
                kind: wasmparser::ComponentOuterAliasKind::Component,
                ..
            } => self.components.push(Functions::new()),
            _ => {}
        }
    }

    /// The functions of an instance, those seen through that its component was only given.
    fn instance(&self, instance: &ComponentInstance<'_>) -> Functions {
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
    fn names(self) -> Functions {
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
            if is_ours(&name) {
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
