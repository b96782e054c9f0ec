//! `wasi:keyvalue`: buckets, each a dict of the pool's manager that the pool's owner has granted under a name.
//!
//! A bucket's handle may be kept from job to job, as a component for other hosts does. What the manager refuses is an error of the
//! store; that it is gone or full ends the job, as it does with every other object of a manager.

use super::ours;
use super::shared::Refused;
use crate::shared::{
    Buf, Client, Datum, Homes, Id, Key, ManagerError, OnDict, Reply, Request, object_of_bytes,
};
use crate::types::Object;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};

/// What Wasmtime tells the kinds of handles apart by, and what they stand for.
#[expect(
    unreachable_pub,
    reason = "the generated code hands them on, for which they have to be public"
)]
mod kinds {
    use crate::shared::{Buf, Id};

    pub struct Bucket(pub(super) Id);

    pub struct Cas {
        pub(super) bucket: Id,
        pub(super) key: Buf,
        /// The item that was there.
        pub(super) noted: Option<Buf>,
    }
}

wasmtime::component::bindgen!({
    path: "../wit/wasi-keyvalue",
    world: "imports",
    imports: { default: trappable },
    with: {
        "wasi:keyvalue/store.bucket": kinds::Bucket,
        "wasi:keyvalue/atomics.cas": kinds::Cas,
    },
    trappable_error_type: { "wasi:keyvalue/store.error" => Failed },
});

use wasi::keyvalue::{atomics, batch, store};

/// How many handles of buckets, and of values that were noted, an instance may have: more is a mistake that would only end with the
/// worker's memory.
const MOST_HANDLES: usize = 1 << 16;
/// How many bytes the noted values may take together: some of the longest that a manager takes by default.
const MOST_NOTED_BYTES: usize = 64 << 20;

/// The buckets of an instance.
pub(super) struct Buckets {
    granted: Arc<[(String, Id)]>,
    client: Option<Arc<Mutex<Client>>>,
    open: ResourceTable,
    noted_bytes: usize,
}

/// Why nothing can be given to the guest.
pub(super) enum Failed {
    /// The job ends.
    Trap(wasmtime::Error),
    /// The guest is told.
    Told(store::Error),
}

type Done<T> = std::result::Result<T, Failed>;

impl From<wasmtime::component::ResourceTableError> for Failed {
    fn from(error: wasmtime::component::ResourceTableError) -> Failed {
        Failed::Trap(error.into())
    }
}

/// Provides the interface of this name. False if it is none of these.
pub(super) fn link<T: 'static>(
    linker: &mut Linker<T>,
    interface: &str,
    get: fn(&mut T) -> &mut Buckets,
) -> anyhow::Result<bool> {
    match interface {
        "store" => store::add_to_linker::<T, HasSelf<Buckets>>(linker, get),
        "atomics" => atomics::add_to_linker::<T, HasSelf<Buckets>>(linker, get),
        "batch" => batch::add_to_linker::<T, HasSelf<Buckets>>(linker, get),
        _ => return Ok(false),
    }
    .map_err(ours)?;
    Ok(true)
}

impl Buckets {
    pub(super) fn new(granted: Arc<[(String, Id)]>, homes: &Homes) -> Buckets {
        let mut open = ResourceTable::new();
        open.set_max_capacity(MOST_HANDLES);
        Buckets {
            granted,
            client: homes.manager.as_ref().map(|(client, _)| client.clone()),
            open,
            noted_bytes: 0,
        }
    }

    fn request(&self, request: &Request) -> Done<Reply> {
        let client = self.client.as_ref().ok_or_else(nonsense)?;
        let reply = client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ask(request);
        reply.map_err(|error| match error {
            ManagerError::Gone(_) | ManagerError::Full(_) => {
                Failed::Trap(wasmtime::Error::new(Refused(Object::Dict, error)))
            }
            other => told(other.to_string()),
        })
    }

    fn ask(&self, bucket: &Resource<kinds::Bucket>, what: OnDict) -> Done<Reply> {
        self.ask_dict(self.open.get(bucket)?.0, what)
    }

    fn ask_dict(&self, dict: Id, what: OnDict) -> Done<Reply> {
        self.request(&Request::Dict(dict, Object::Dict, what))
    }

    /// The bytes that an item is to a guest.
    fn bytes(&self, item: &Buf) -> Done<Vec<u8>> {
        if let Some((_, id)) = object_of_bytes(&item.0)
            && let Some(client) = &self.client
        {
            // To be given it was to have it.
            let mut client = client.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = client.tell(&Request::Release(vec![id]));
        }
        match Datum::from_bytes(&item.0) {
            Some(Datum::Bytes(bytes)) => Ok(bytes),
            Some(Datum::Text(text) | Datum::Json(text)) => Ok(text.into_bytes()),
            Some(Datum::Integer(number)) => Ok(number.to_string().into_bytes()),
            Some(Datum::Unsigned(number)) => Ok(number.to_string().into_bytes()),
            _ => Err(told(
                "the item of this key is neither bytes nor a text nor a whole number",
            )),
        }
    }

    /// The item of a key, and a handle that remembers it.
    fn note(&mut self, bucket: Id, key: Buf) -> Done<Resource<kinds::Cas>> {
        let Reply::Item(noted) = self.ask_dict(bucket, OnDict::Get(key.clone()))? else {
            return Err(nonsense());
        };
        // What is no value must not be replaced as one.
        noted.as_ref().map(|item| self.bytes(item)).transpose()?;
        let cas = kinds::Cas { bucket, key, noted };
        self.noted_bytes += cas.bytes();
        if self.noted_bytes > MOST_NOTED_BYTES {
            return Err(Failed::Trap(wasmtime::Error::msg(format!(
                "its handles of `cas` hold more than {} MiB: drop some",
                MOST_NOTED_BYTES >> 20
            ))));
        }
        Ok(self.open.push(cas)?)
    }

    fn forget(&mut self, cas: Resource<kinds::Cas>) -> Done<kinds::Cas> {
        let cas = self.open.delete(cas)?;
        self.noted_bytes -= cas.bytes();
        Ok(cas)
    }

    fn swap(
        &mut self,
        cas: Resource<kinds::Cas>,
        value: Vec<u8>,
    ) -> Done<Option<Resource<kinds::Cas>>> {
        let kinds::Cas { bucket, key, noted } = self.forget(cas)?;
        let swap = OnDict::Replace(key.clone(), noted, item(value));
        match self.ask_dict(bucket, swap)? {
            Reply::Flag(true) => Ok(None),
            Reply::Flag(false) => self.note(bucket, key).map(Some),
            _ => Err(nonsense()),
        }
    }
}

impl kinds::Cas {
    fn bytes(&self) -> usize {
        self.key.0.len() + self.noted.as_ref().map_or(0, |item| item.0.len())
    }
}

fn told(what: impl Into<String>) -> Failed {
    Failed::Told(store::Error::Other(what.into()))
}

/// What a manager never answers.
#[cold]
fn nonsense() -> Failed {
    let error = ManagerError::Gone("it answered something else than it was asked".into());
    Failed::Trap(wasmtime::Error::new(Refused(Object::Dict, error)))
}

fn done(reply: Reply) -> Done<()> {
    match reply {
        Reply::Done => Ok(()),
        _ => Err(nonsense()),
    }
}

fn key(key: String) -> Buf {
    Key::Text(key).to_buf()
}

fn keys(keys: Vec<String>) -> Vec<Buf> {
    keys.into_iter().map(key).collect()
}

fn item(value: Vec<u8>) -> Buf {
    Datum::Bytes(value).to_bytes().unwrap_or_default().into()
}

impl store::Host for Buckets {
    fn open(&mut self, identifier: String) -> Done<Resource<kinds::Bucket>> {
        match self.granted.iter().find(|(name, _)| *name == identifier) {
            Some((_, id)) => Ok(self.open.push(kinds::Bucket(*id))?),
            None => Err(Failed::Told(store::Error::NoSuchStore)),
        }
    }

    fn convert_error(&mut self, failed: Failed) -> Result<store::Error> {
        match failed {
            Failed::Trap(error) => Err(error),
            Failed::Told(error) => Ok(error),
        }
    }
}

impl store::HostBucket for Buckets {
    fn get(&mut self, bucket: Resource<kinds::Bucket>, of: String) -> Done<Option<Vec<u8>>> {
        match self.ask(&bucket, OnDict::Get(key(of)))? {
            Reply::Item(item) => item.map(|item| self.bytes(&item)).transpose(),
            _ => Err(nonsense()),
        }
    }

    fn set(&mut self, bucket: Resource<kinds::Bucket>, of: String, value: Vec<u8>) -> Done<()> {
        done(self.ask(&bucket, OnDict::Set(key(of), item(value)))?)
    }

    fn delete(&mut self, bucket: Resource<kinds::Bucket>, of: String) -> Done<()> {
        done(self.ask(&bucket, OnDict::RemoveMany(vec![key(of)]))?)
    }

    fn exists(&mut self, bucket: Resource<kinds::Bucket>, of: String) -> Done<bool> {
        match self.ask(&bucket, OnDict::Contains(key(of)))? {
            Reply::Flag(exists) => Ok(exists),
            _ => Err(nonsense()),
        }
    }

    fn list_keys(
        &mut self,
        bucket: Resource<kinds::Bucket>,
        cursor: Option<String>,
    ) -> Done<store::KeyResponse> {
        let from = match cursor {
            None => 0,
            Some(cursor) => cursor.parse().map_err(|_| {
                told(format!(
                    "`{cursor}` is no cursor: pass on what `list-keys` gave, or none"
                ))
            })?,
        };
        let Reply::Page(keys, next) = self.ask(&bucket, OnDict::KeysFrom(from))? else {
            return Err(nonsense());
        };
        // A dict can have keys that are no texts. A guest has no name for them.
        let texts = keys.iter().filter_map(|key| match Key::from_bytes(&key.0) {
            Some(Key::Text(text)) => Some(text),
            _ => None,
        });
        Ok(store::KeyResponse {
            keys: texts.collect(),
            cursor: next.map(|next| next.to_string()),
        })
    }

    fn drop(&mut self, bucket: Resource<kinds::Bucket>) -> Result<()> {
        self.open.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for Buckets {
    fn increment(&mut self, bucket: Resource<kinds::Bucket>, of: String, by: i64) -> Done<i64> {
        match self.ask(&bucket, OnDict::Increment(key(of), by))? {
            Reply::Number(sum) => Ok(sum),
            _ => Err(nonsense()),
        }
    }

    fn swap(
        &mut self,
        cas: Resource<kinds::Cas>,
        value: Vec<u8>,
    ) -> Result<std::result::Result<(), atomics::CasError>> {
        match Buckets::swap(self, cas, value) {
            Ok(None) => Ok(Ok(())),
            Ok(Some(newer)) => Ok(Err(atomics::CasError::CasFailed(newer))),
            Err(Failed::Told(error)) => Ok(Err(atomics::CasError::StoreError(error))),
            Err(Failed::Trap(error)) => Err(error),
        }
    }
}

impl atomics::HostCas for Buckets {
    fn new(&mut self, bucket: Resource<kinds::Bucket>, of: String) -> Done<Resource<kinds::Cas>> {
        let bucket = self.open.get(&bucket)?.0;
        self.note(bucket, key(of))
    }

    fn current(&mut self, cas: Resource<kinds::Cas>) -> Done<Option<Vec<u8>>> {
        let noted = &self.open.get(&cas)?.noted;
        noted.as_ref().map(|item| self.bytes(item)).transpose()
    }

    fn drop(&mut self, cas: Resource<kinds::Cas>) -> Result<()> {
        match self.forget(cas) {
            Ok(_) => Ok(()),
            Err(failed) => store::Host::convert_error(self, failed).map(|_| ()),
        }
    }
}

impl batch::Host for Buckets {
    fn get_many(
        &mut self,
        bucket: Resource<kinds::Bucket>,
        of: Vec<String>,
    ) -> Done<Vec<(String, Option<Vec<u8>>)>> {
        let found = self.ask(&bucket, OnDict::GetMany(keys(of.clone())))?;
        let Reply::Found(items) = found else {
            return Err(nonsense());
        };
        if items.len() != of.len() {
            return Err(nonsense());
        }
        // All of them, also behind one that is no value: an object among them is given back.
        let values: Vec<_> = (items.iter())
            .map(|item| item.as_ref().map(|item| self.bytes(item)).transpose())
            .collect();
        let pairs = of.into_iter().zip(values);
        pairs.map(|(key, value)| Ok((key, value?))).collect()
    }

    fn set_many(
        &mut self,
        bucket: Resource<kinds::Bucket>,
        pairs: Vec<(String, Vec<u8>)>,
    ) -> Done<()> {
        let pairs = pairs.into_iter().map(|(of, value)| (key(of), item(value)));
        done(self.ask(&bucket, OnDict::Update(pairs.collect()))?)
    }

    fn delete_many(&mut self, bucket: Resource<kinds::Bucket>, of: Vec<String>) -> Done<()> {
        done(self.ask(&bucket, OnDict::RemoveMany(keys(of)))?)
    }
}
