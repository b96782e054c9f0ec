//! The shared objects of a run: made as the command line names them, found by their names among the arguments, and shown
//! when all jobs are done.

use crate::args::{Format, ObjectArgs};
use crate::exit::Failure;
use crossbeam_channel::unbounded;
use host::shared::{Array, ArrayF64, Datum, Dict, Key, List, Queue, Value, ValueF64, ValueU64};
use host::value::Handle;
use host::{Manager, Shared};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::thread;
use std::time::{Duration, Instant};

/// How long a manager may take to say what its objects hold, when all jobs are done: long, as a busy machine may need it, and the
/// other way would be never to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The objects, and the memory that they are in.
#[derive(Debug)]
pub(crate) struct Objects {
    memory: Shared,
    /// The process that keeps what grows, where there is such.
    manager: Option<Manager>,
    /// The dicts that the guest opens by their names.
    buckets: Vec<(String, Dict)>,
    named: BTreeMap<String, Object>,
}

#[derive(Debug)]
enum Object {
    Value(Value),
    ValueU64(ValueU64),
    ValueF64(ValueF64),
    Array(Array),
    ArrayF64(ArrayF64),
    Queue(Queue),
    Dict(Dict),
    /// A dict that is a bucket, whose values are bytes that mean text where they can.
    Bucket(Dict),
    List(List),
    /// One that has nothing to show; it lives as long as this.
    Mute(
        host::Value,
        #[expect(dead_code, reason = "it is kept alive")] Box<dyn std::fmt::Debug + Send + Sync>,
    ),
}

impl Objects {
    /// Makes the objects that were asked for; `None` if there are none.
    pub(crate) fn make(args: &ObjectArgs) -> Result<Option<Objects>, Failure> {
        if *args == ObjectArgs::default() {
            return Ok(None);
        }
        let memory = Shared::new().map_err(Failure::pool)?;
        let mut objects = Objects {
            memory: memory.clone(),
            manager: None,
            buckets: Vec::new(),
            named: BTreeMap::new(),
        };
        macro_rules! make {
            ($list:expr, |$name:pat_param, $given:pat_param| $object:expr, $kind:expr) => {
                for (name, given) in &$list {
                    let $given = given;
                    let object = $object.map_err(Failure::pool)?.named(name);
                    objects.add(name, $kind(object))?;
                }
            };
        }
        fn mute<T: std::fmt::Debug + Send + Sync + 'static>(
            handle: fn(&T) -> host::Value,
        ) -> impl Fn(T) -> Object {
            move |object| Object::Mute(handle(&object), Box::new(object))
        }
        use host::shared::{Barrier, Condition, Event, Lock, RLock, Semaphore};
        make!(args.value, |_, n| memory.value(*n), Object::Value);
        make!(
            args.value_u64,
            |_, n| memory.value_u64(*n),
            Object::ValueU64
        );
        make!(
            args.value_f64,
            |_, n| memory.value_f64(*n),
            Object::ValueF64
        );
        make!(args.array, |_, all| memory.array(&all.0), Object::Array);
        make!(
            args.array_f64,
            |_, all| memory.array_f64(&all.0),
            Object::ArrayF64
        );
        make!(args.queue, |_, n| memory.queue(n.get()), Object::Queue);
        make!(
            args.semaphore,
            |_, n| memory.semaphore(*n),
            mute(Semaphore::handle)
        );
        make!(
            args.barrier,
            |_, n| memory.barrier(n.get()),
            mute(Barrier::handle)
        );
        let plain = |names: &[String]| {
            names
                .iter()
                .map(|name| (name.clone(), ()))
                .collect::<Vec<_>>()
        };
        make!(plain(&args.lock), |_, ()| memory.lock(), mute(Lock::handle));
        make!(
            plain(&args.rlock),
            |_, ()| memory.rlock(),
            mute(RLock::handle)
        );
        make!(
            plain(&args.event),
            |_, ()| memory.event(),
            mute(Event::handle)
        );
        make!(
            plain(&args.condition),
            |_, ()| memory.condition(),
            mute(Condition::handle)
        );
        if !(args.dict.is_empty() && args.list.is_empty() && args.bucket.is_empty()) {
            let manager = Manager::start()?;
            for name in &args.dict {
                let dict = manager.dict().map_err(Failure::pool)?;
                objects.add(name, Object::Dict(dict))?;
            }
            for name in &args.list {
                let list = manager.list().map_err(Failure::pool)?;
                objects.add(name, Object::List(list))?;
            }
            for name in &args.bucket {
                objects.add_bucket(name, &manager)?;
            }
            objects.manager = Some(manager);
        }
        Ok(Some(objects))
    }

    /// The process that keeps some of the objects, for the pools whose jobs work on them.
    pub(crate) fn manager(&self) -> Option<&Manager> {
        self.manager.as_ref()
    }

    fn add(&mut self, name: &str, object: Object) -> Result<(), Failure> {
        match self.named.insert(name.to_owned(), object) {
            None => Ok(()),
            Some(_) => Err(Failure::command_line(format!(
                "two shared objects are called `{name}`: give each a name of its own"
            ))),
        }
    }

    fn add_bucket(&mut self, name: &str, manager: &Manager) -> Result<(), Failure> {
        let dict = match self.named.get(name) {
            Some(Object::Dict(dict)) => dict.clone(),
            _ => {
                let dict = manager.dict().map_err(Failure::pool)?;
                self.add(name, Object::Bucket(dict.clone()))?;
                dict
            }
        };
        self.buckets.push((name.to_owned(), dict));
        Ok(())
    }

    /// The dicts that the guest opens, by the names that it opens them by.
    pub(crate) fn buckets(&self) -> &[(String, Dict)] {
        &self.buckets
    }

    /// The memory, for the pools whose jobs work on the objects.
    pub(crate) fn memory(&self) -> &Shared {
        &self.memory
    }

    /// What stands for each object among arguments.
    pub(crate) fn handles(&self) -> BTreeMap<String, Handle> {
        let handles = self.named.iter().filter_map(|(name, object)| {
            let host::Value::Shared(handle) = object.handle() else {
                return None;
            };
            Some((name.clone(), handle))
        });
        handles.collect()
    }

    /// What is in the objects now, a line each: those that hold something.
    pub(crate) fn show(&self, format: Format) -> String {
        let mut lines = String::new();
        let mut managed = self.managed();
        for (name, object) in &self.named {
            let Some(content) = managed.remove(name).or_else(|| object.content()) else {
                continue;
            };
            let written = match format {
                Format::Text => writeln!(lines, "{name} = {content}"),
                Format::Json => {
                    let name = serde_json::Value::from(name.as_str());
                    writeln!(lines, r#"{{"object":{name},"value":{content}}}"#)
                }
            };
            written.expect("a string takes everything");
        }
        lines
    }

    /// What is in the objects of the manager. One that was stopped never says, so nobody waits for it longer than [`PATIENCE`].
    fn managed(&self) -> BTreeMap<String, String> {
        let (reads, mut contents): (Vec<_>, BTreeMap<_, _>) = (self.named.iter())
            .filter_map(|(name, object)| {
                let unread = (name.clone(), lost("the manager gives no answer"));
                Some(((name.clone(), object.read()?), unread))
            })
            .unzip();
        if reads.is_empty() {
            return contents;
        }
        let (told, heard) = unbounded();
        let reader = thread::Builder::new().spawn(move || {
            for (name, read) in reads {
                // Nobody listens any more if it took too long.
                let _ = told.send((name, read()));
            }
        });
        let end = Instant::now() + PATIENCE;
        while let (Ok(_), Ok((name, content))) = (&reader, heard.recv_deadline(end)) {
            contents.insert(name, content);
        }
        contents
    }
}

impl Object {
    fn handle(&self) -> host::Value {
        match self {
            Object::Value(value) => value.handle(),
            Object::ValueU64(value) => value.handle(),
            Object::ValueF64(value) => value.handle(),
            Object::Array(array) => array.handle(),
            Object::ArrayF64(array) => array.handle(),
            Object::Queue(queue) => queue.handle(),
            Object::Dict(dict) | Object::Bucket(dict) => dict.handle(),
            Object::List(list) => list.handle(),
            Object::Mute(handle, _) => handle.clone(),
        }
    }

    /// What it holds, written so that it is WAVE and JSON, if it is no manager's. What is left in a queue is taken out of it.
    fn content(&self) -> Option<String> {
        match self {
            Object::Value(value) => Some(value.get().to_string()),
            Object::ValueU64(value) => Some(value.get().to_string()),
            Object::ValueF64(value) => Some(float(value.get())),
            Object::Array(array) => Some(list(array.to_vec())),
            Object::ArrayF64(array) => Some(list(array.to_vec().into_iter().map(float))),
            Object::Queue(queue) => {
                let left = std::iter::from_fn(|| queue.get_within(Duration::ZERO).ok());
                Some(list(left.map(|item| datum(&item))))
            }
            Object::Dict(_) | Object::Bucket(_) | Object::List(_) | Object::Mute(..) => None,
        }
    }

    /// How to ask the manager what it holds, if it is one of a manager's.
    fn read(&self) -> Option<Box<dyn FnOnce() -> String + Send>> {
        fn entries(dict: &Dict, show: fn(&Datum) -> String) -> Box<dyn FnOnce() -> String + Send> {
            let dict = dict.clone();
            Box::new(move || match dict.entries() {
                Ok(entries) => entry_list(entries, show),
                Err(error) => lost(&error.to_string()),
            })
        }
        match self {
            Object::Dict(dict) => Some(entries(dict, datum)),
            Object::Bucket(dict) => Some(entries(dict, value)),
            Object::List(items) => {
                let items = items.clone();
                Some(Box::new(move || match items.slice(0, u64::MAX) {
                    Ok(items) => list(items.iter().map(datum)),
                    Err(error) => lost(&error.to_string()),
                }))
            }
            _ => None,
        }
    }
}

/// The entries of a dict as JSON has them, in the order of their keys.
fn entry_list(entries: Vec<(Key, Datum)>, show: fn(&Datum) -> String) -> String {
    let mut written: Vec<String> = (entries.iter())
        .map(|(key, item)| {
            let key = match key {
                Key::Text(text) => text.clone(),
                Key::Integer(number) => number.to_string(),
                Key::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                _ => String::new(),
            };
            format!("{}: {}", serde_json::Value::from(key), show(item))
        })
        .collect();
    written.sort();
    format!("{{{}}}", written.join(", "))
}

/// The value of a bucket's key: its bytes as the text that they are, if they are one.
fn value(item: &Datum) -> String {
    match item {
        Datum::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => serde_json::Value::from(text).to_string(),
            Err(_) => list(bytes),
        },
        other => datum(other),
    }
}

/// What is shown of an object that cannot be read.
fn lost(error: &str) -> String {
    serde_json::Value::from(error).to_string()
}

fn datum(item: &Datum) -> String {
    match item {
        Datum::Boolean(boolean) => boolean.to_string(),
        Datum::Integer(number) => number.to_string(),
        Datum::Unsigned(number) => number.to_string(),
        Datum::Float(number) => float(*number),
        Datum::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        Datum::Bytes(bytes) => list(bytes),
        // What a guest calls JSON may be anything.
        Datum::Json(text) => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json) => json.to_string(),
            Err(_) => serde_json::Value::from(text.as_str()).to_string(),
        },
        _ => "null".into(),
    }
}

/// A number as JSON has it, or as a text what JSON has no number for.
fn float(number: f64) -> String {
    match serde_json::Number::from_f64(number) {
        Some(number) => number.to_string(),
        None => format!("\"{}\"", host::Value::F64(number)),
    }
}

fn list<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("[{}]", items.join(", "))
}
