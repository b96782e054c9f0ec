//! What a component exports and imports, read from Wasmtime's view of its types.
//!
//! Wasmtime's view, and not the WIT text, decides what can be called: the engine calls through the same types.

use super::sweep;
use crate::types::{Case, Description, Field, Function, Object, Type};
use std::collections::BTreeSet;
use wasmtime::Engine;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ResourceType, types};
use wit_component::{DecodedWasm, WitPrinter};
use wit_parser::{PackageId, WorldItem};

/// Describes a compiled component; `binary` is what it was compiled from, without the sweeps of what is `swept`.
pub(super) fn describe(
    engine: &Engine,
    component: &Component,
    binary: &[u8],
    swept: &[sweep::Name],
) -> Description {
    let ty = component.component_type();
    let mut exports = Exports {
        engine,
        objects: objects(engine, &ty),
        functions: Vec::new(),
        uncallable: Vec::new(),
    };
    for (name, item) in ty.exports(engine) {
        if swept.is_empty() || !sweep::is_ours(name) {
            exports.add(None, name, &item.ty);
        }
    }
    let sweep_of = |function: &Function| {
        let is_it = |(interface, name): &sweep::Name| {
            *interface == function.interface && *name == function.name
        };
        swept.iter().position(is_it).map(|place| place as u32)
    };
    Description {
        sweeps: exports.functions.iter().map(sweep_of).collect(),
        functions: exports.functions,
        uncallable: exports.uncallable,
        imports: ty
            .imports(engine)
            .map(|(name, _)| name.to_owned())
            .collect(),
        wit: wit(binary).unwrap_or_else(|error| not_in_wit(&error)),
    }
}

/// The exported functions, as they are met.
struct Exports<'a> {
    engine: &'a Engine,
    objects: Objects,
    functions: Vec<Function>,
    uncallable: Vec<(String, String)>,
}

impl Exports<'_> {
    /// Adds a function, or all functions of an instance; other exports cannot be called and are left out.
    fn add(&mut self, interface: Option<&str>, name: &str, item: &ComponentItem) {
        match item {
            ComponentItem::ComponentFunc(function) => self.add_function(interface, name, function),
            ComponentItem::ComponentInstance(instance) => {
                let path = interface.map_or(name.to_owned(), |outer| format!("{outer}#{name}"));
                for (name, item) in instance.exports(self.engine) {
                    self.add(Some(&path), name, &item.ty);
                }
            }
            _ => {}
        }
    }

    fn add_function(&mut self, interface: Option<&str>, name: &str, function: &ComponentFunc) {
        let mut described = Function {
            interface: interface.map(str::to_owned),
            name: name.to_owned(),
            params: Vec::new(),
            result: None,
        };
        // WIT has no instance inside an instance, the binary format has. Such a path is no name of an export.
        let nested = interface.is_some_and(|path| path.contains('#'));
        let signature = match nested {
            true => Err("it is in an instance inside an instance, which WIT cannot name".into()),
            false => signature(function, &self.objects),
        };
        match signature {
            Ok((params, result)) => {
                described.params = params;
                described.result = result;
                self.functions.push(described);
            }
            Err(reason) => self.uncallable.push((described.full_name(), reason)),
        }
    }
}

/// The resources of `pool:shared` as this component imports them.
type Objects = Vec<(ResourceType, Object)>;

fn objects(engine: &Engine, ty: &types::Component) -> Objects {
    let mut objects = Vec::new();
    for (name, item) in ty.imports(engine) {
        let ComponentItem::ComponentInstance(interface) = item.ty else {
            continue;
        };
        if !name.starts_with("pool:shared/") {
            continue;
        }
        for (name, item) in interface.exports(engine) {
            if let ComponentItem::Resource(resource) = item.ty
                && let Some(object) = Object::of_name(name)
            {
                objects.push((resource, object));
            }
        }
    }
    objects
}

type Signature = (Vec<Field>, Option<Type>);

/// What a function takes and gives, or why that cannot travel between processes.
fn signature(function: &ComponentFunc, objects: &Objects) -> Result<Signature, String> {
    if function.async_() {
        return Err("it is an async function".into());
    }
    let params = function
        .params()
        .map(|(name, ty)| match value_type(&ty, objects) {
            Ok(ty) => Ok(Field {
                name: name.to_owned(),
                ty,
            }),
            Err(what) => Err(format!(
                "its parameter `{name}` has {what}, which exists only inside one guest"
            )),
        });
    let result = function.results().next().map(|ty| {
        // What is lent cannot be given back.
        value_type(&ty, &Vec::new())
            .map_err(|what| format!("its result has {what}, which exists only inside one guest"))
    });
    Ok((params.collect::<Result<_, _>>()?, result.transpose()?))
}

/// The type in our words, or the name of the first thing in it that has no value outside the guest. Wasmtime refuses
/// types that nest deeper than 100, so the recursion is bounded.
fn value_type(ty: &types::Type, objects: &Objects) -> Result<Type, &'static str> {
    let value_type = |ty: &types::Type| value_type(ty, objects);
    let boxed = |ty: &types::Type| value_type(ty).map(Box::new);
    let optional = |ty: Option<types::Type>| ty.as_ref().map(boxed).transpose();
    Ok(match ty {
        types::Type::Bool => Type::Bool,
        types::Type::S8 => Type::S8,
        types::Type::U8 => Type::U8,
        types::Type::S16 => Type::S16,
        types::Type::U16 => Type::U16,
        types::Type::S32 => Type::S32,
        types::Type::U32 => Type::U32,
        types::Type::S64 => Type::S64,
        types::Type::U64 => Type::U64,
        types::Type::Float32 => Type::F32,
        types::Type::Float64 => Type::F64,
        types::Type::Char => Type::Char,
        types::Type::String => Type::String,
        types::Type::List(list) => Type::List(boxed(&list.ty())?),
        types::Type::Option(option) => Type::Option(boxed(&option.ty())?),
        types::Type::Result(result) => Type::Result {
            ok: optional(result.ok())?,
            err: optional(result.err())?,
        },
        types::Type::Tuple(tuple) => Type::Tuple(
            tuple
                .types()
                .map(|ty| value_type(&ty))
                .collect::<Result<_, _>>()?,
        ),
        types::Type::Record(record) => Type::Record(
            record
                .fields()
                .map(|field| {
                    Ok::<_, &str>(Field {
                        name: field.name.to_owned(),
                        ty: value_type(&field.ty)?,
                    })
                })
                .collect::<Result<_, _>>()?,
        ),
        types::Type::Variant(variant) => Type::Variant(
            variant
                .cases()
                .map(|case| {
                    Ok::<_, &str>(Case {
                        name: case.name.to_owned(),
                        ty: case.ty.as_ref().map(&value_type).transpose()?,
                    })
                })
                .collect::<Result<_, _>>()?,
        ),
        types::Type::Enum(cases) => Type::Enum(cases.names().map(str::to_owned).collect()),
        types::Type::Flags(flags) => Type::Flags(flags.names().map(str::to_owned).collect()),
        types::Type::Borrow(resource) => {
            match objects.iter().find(|(known, _)| known == resource) {
                Some((_, object)) => Type::Borrow(*object),
                None => return Err("a handle to a resource"),
            }
        }
        types::Type::Own(_) => return Err("a handle to a resource"),
        types::Type::Future(_) => return Err("a future"),
        types::Type::Stream(_) => return Err("a stream"),
        types::Type::ErrorContext => return Err("an error-context"),
        types::Type::Map(_) => return Err("a map"),
        types::Type::FixedLengthList(_) => return Err("a list of fixed length"),
    })
}

/// The world as WIT, then the packages that it names: those that it exports from first, because they are what a reader
/// looks for.
fn wit(binary: &[u8]) -> anyhow::Result<String> {
    let decoded = wit_component::decode(binary)?;
    let resolve = decoded.resolve();
    let exported: BTreeSet<PackageId> = match &decoded {
        DecodedWasm::WitPackage(..) => BTreeSet::new(),
        DecodedWasm::Component(_, world) => {
            let items = resolve.worlds[*world].exports.values();
            let interfaces = items.filter_map(|item| match item {
                WorldItem::Interface { id, .. } => resolve.interfaces[*id].package,
                _ => None,
            });
            interfaces.collect()
        }
    };
    let main = decoded.package();
    let mut others: Vec<PackageId> = resolve
        .packages
        .iter()
        .map(|(id, _)| id)
        .filter(|id| *id != main)
        .collect();
    others.sort_by_key(|id| !exported.contains(id));
    let mut printer = WitPrinter::default();
    printer.print(resolve, main, &others)?;
    Ok(printer.output.into())
}

/// WIT has no words for some valid components, such as those with an instance inside an instance; they run all the same.
fn not_in_wit(error: &anyhow::Error) -> String {
    let reason = format!("{error:#}").replace('\n', "\n// ");
    format!("// this component cannot be written as WIT: {reason}\n")
}
