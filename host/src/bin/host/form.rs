//! What the text of one job must be: the value of the only parameter, or a tuple with all of them.

use crate::exit::Failure;
use host::value::{Handle, Problem, TextError, wave};
use host::{Function, Type, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Shared objects by their names.
pub(crate) type Named = Arc<BTreeMap<String, Handle>>;

/// How one job's arguments are written.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    /// The type of what is written.
    pub ty: Type,
    /// The function, for errors.
    function: Function,
    /// The shared objects that may be named.
    objects: Named,
    /// Whether `ty` is the only parameter's type, not the tuple of all.
    alone: bool,
}

impl Form {
    /// The form for `map`, whose items are values of the only parameter.
    pub(crate) fn item(function: &Function, objects: &Named) -> Result<Form, Failure> {
        let name = &function.name;
        match function.params.as_slice() {
            [only] => Ok(Form {
                ty: only.ty.clone(),
                function: function.clone(),
                objects: objects.clone(),
                alone: true,
            }),
            [] => Err(Failure::command_line(format!(
                "`{name}` takes no arguments, so there is nothing to map"
            ))
            .hint(format!("run it once with `host call COMPONENT '{name}()'`"))),
            params => Err(Failure::command_line(format!(
                "`map` gives one argument, but `{function}` takes {}",
                params.len()
            ))
            .hint("use `starmap`, whose items are tuples with all arguments: '(1, 2, 3)'")),
        }
    }

    /// The form for `starmap` and `call`, whose items are tuples of all arguments.
    pub(crate) fn tuple(function: &Function, objects: &Named) -> Form {
        let types = function
            .params
            .iter()
            .map(|param| param.ty.clone())
            .collect();
        Form {
            ty: Type::Tuple(types),
            function: function.clone(),
            objects: objects.clone(),
            alone: false,
        }
    }

    /// Reads what was written in WAVE.
    pub(crate) fn parse(&self, text: &str) -> Result<Value, TextError> {
        wave::parse_with(text, &self.ty, |name| self.objects.get(name).copied())
    }

    /// The job's arguments, from what was written.
    pub(crate) fn arguments(&self, written: Value) -> Vec<Value> {
        match written {
            Value::Tuple(all) if !self.alone => all,
            only => vec![only],
        }
    }

    /// The failure when something written, which stands at `place`, is not of this form.
    pub(crate) fn misfit(&self, place: &str, error: &TextError) -> Failure {
        let name = &self.function.name;
        let is_whole = error.path.is_empty() && matches!(error.problem, Problem::Mismatch { .. });
        let why = match self.function.params.len() {
            _ if self.alone || !is_whole => error.to_string(),
            0 => format!("it takes no arguments, `{}`", self.function),
            1 => format!("it takes one argument, `{}`", self.function),
            count => format!("it takes {count} arguments, `{}`", self.function),
        };
        Failure::command_line(format!("`{name}` cannot take {place}: {why}"))
    }
}
