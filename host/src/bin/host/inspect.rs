//! `host inspect`: show what a component exports and needs. Needs no pool.

use crate::args::{Format, InspectArgs};
use crate::exit::{self, Failure};
use crate::output;
use host::component::{Component, Options};
use host::{Description, Function, Source};
use serde_json::json;
use std::fmt::{self, Write};
use std::path::PathBuf;

pub(crate) fn inspect(args: InspectArgs) -> Result<u8, Failure> {
    let options = Options {
        sandbox: args.sandbox.mode.into(),
        ..args.compiling.options()
    };
    let description = load(args.component, &options)?.description;
    let text = match args.format {
        Format::Text => Page(&description).to_string(),
        Format::Json => format!("{}\n", as_json(&description)),
    };
    output::print(text.as_bytes())?;
    Ok(exit::DONE)
}

/// Finds, compiles and describes a component.
pub(crate) fn load(component: PathBuf, options: &Options) -> Result<Component, Failure> {
    Component::load(&Source::Named(component), options).map_err(Failure::from)
}

/// A description for people.
struct Page<'a>(&'a Description);

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Description {
            functions,
            uncallable,
            imports,
            wit,
            ..
        } = self.0;
        section(f, "functions", &in_interfaces(functions))?;
        if !uncallable.is_empty() {
            let lines: Vec<String> = uncallable
                .iter()
                .map(|(name, reason)| format!("{name}: {reason}"))
                .collect();
            section(f, "not callable from another process", &lines)?;
        }
        section(f, "imports", imports)?;
        writeln!(f, "wit:\n{}", indented(&without_wasi(wit)))
    }
}

/// The functions in their order, each interface named once above its own.
fn in_interfaces(functions: &[Function]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = None;
    for function in functions {
        if function.interface != current {
            current.clone_from(&function.interface);
            lines.extend(current.clone());
        }
        let indent = if current.is_some() { "  " } else { "" };
        lines.push(format!("{indent}{function}"));
    }
    lines
}

/// WIT without the packages of WASI, which are long and the same everywhere; JSON has them.
fn without_wasi(wit: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for line in wit.lines() {
        inside |= line.starts_with("package wasi:") && line.ends_with('{');
        let second_gap = line.is_empty() && kept.ends_with("\n\n");
        if !inside && !second_gap {
            kept.push_str(line);
            kept.push('\n');
        }
        inside &= line != "}";
    }
    kept
}

fn section(f: &mut fmt::Formatter<'_>, title: &str, lines: &[String]) -> fmt::Result {
    match lines {
        [] => writeln!(f, "{title}: none\n"),
        lines => writeln!(f, "{title}:\n{}\n", indented(&lines.join("\n"))),
    }
}

fn indented(text: &str) -> String {
    let mut result = String::new();
    for line in text.trim_end().lines() {
        let separator = if result.is_empty() { "" } else { "\n" };
        let indent = if line.is_empty() { "" } else { "  " };
        // Writing to a string cannot fail.
        let _ = write!(result, "{separator}{indent}{line}");
    }
    result
}

/// A description for programs, with types in WIT.
fn as_json(description: &Description) -> serde_json::Value {
    let function = |function: &Function| {
        let params = function
            .params
            .iter()
            .map(|param| json!({ "name": param.name, "type": param.ty.to_string() }));
        json!({
            "name": function.name,
            "interface": function.interface,
            "full_name": function.full_name(),
            "params": params.collect::<Vec<_>>(),
            "result": function.result.as_ref().map(ToString::to_string),
        })
    };
    let reason = |(name, reason): &(String, String)| json!({ "name": name, "reason": reason });
    json!({
        "functions": description.functions.iter().map(function).collect::<Vec<_>>(),
        "uncallable": description.uncallable.iter().map(reason).collect::<Vec<_>>(),
        "imports": description.imports,
        "wit": description.wit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use host::{Field, Type};

    fn description() -> Description {
        let square = Function {
            interface: Some("pool:tasks/arith@0.1.0".into()),
            name: "square".into(),
            params: vec![Field {
                name: "n".into(),
                ty: Type::S64,
            }],
            result: Some(Type::S64),
        };
        Description {
            functions: vec![
                square.clone(),
                Function {
                    interface: None,
                    name: "ping".into(),
                    params: vec![],
                    result: None,
                },
            ],
            uncallable: vec![("open".into(), "it returns a resource".into())],
            sweeps: Vec::new(),
            imports: vec![],
            wit: "world root {\n  export ping: func();\n}\npackage wasi:io@0.2.6 {\n  interface error {\n  }\n}\n".into(),
        }
    }

    #[test]
    fn a_page_shows_functions_by_interface_and_says_what_is_missing() {
        assert_eq!(
            Page(&description()).to_string(),
            "functions:\n  pool:tasks/arith@0.1.0\n    square: func(n: s64) -> s64\n  ping: func()\n\n\
             not callable from another process:\n  open: it returns a resource\n\n\
             imports: none\n\nwit:\n  world root {\n    export ping: func();\n  }\n"
        );
    }

    #[test]
    fn programs_get_names_and_types() {
        let json = as_json(&description());
        assert_eq!(
            json["functions"][0]["full_name"],
            "pool:tasks/arith@0.1.0#square"
        );
        assert_eq!(
            json["functions"][0]["params"][0],
            json!({ "name": "n", "type": "s64" })
        );
        assert_eq!(json["functions"][1]["result"], serde_json::Value::Null);
        assert_eq!(json["uncallable"][0]["reason"], "it returns a resource");
    }
}
