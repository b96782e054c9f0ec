//! The functions of `pool:shared`, each a few words about the object that the handle stands for.

use super::super::ours;
use super::Lent;
use crate::shared::{self, Acquired, Datum, OnQueue, OnValue, add_float};
use crate::types::Object;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::component::{HasData, Linker, Resource, ResourceAny};
use wasmtime::{AsContextMut, Result};

/// What Wasmtime tells the kinds of handles apart by.
#[expect(
    unreachable_pub,
    reason = "the generated code hands them on, for which they have to be public"
)]
pub(in super::super) mod kinds {
    pub struct Value;
    pub struct ValueU64;
    pub struct ValueF64;
    pub struct Array;
    pub struct ArrayF64;
    pub struct Lock;
    pub struct Rlock;
    pub struct Semaphore;
    pub struct Event;
    pub struct Condition;
    pub struct Barrier;
    pub struct Queue;
    pub struct Dict;
    pub struct List;
    pub struct Namespace;
}

wasmtime::component::bindgen!({
    path: "../wit/shared",
    world: "all",
    imports: { default: trappable },
    with: {
        "pool:shared/memory.value": kinds::Value,
        "pool:shared/memory.value-u64": kinds::ValueU64,
        "pool:shared/memory.value-f64": kinds::ValueF64,
        "pool:shared/memory.array": kinds::Array,
        "pool:shared/memory.array-f64": kinds::ArrayF64,
        "pool:shared/sync.lock": kinds::Lock,
        "pool:shared/sync.rlock": kinds::Rlock,
        "pool:shared/sync.semaphore": kinds::Semaphore,
        "pool:shared/sync.event": kinds::Event,
        "pool:shared/sync.condition": kinds::Condition,
        "pool:shared/sync.barrier": kinds::Barrier,
        "pool:shared/collections.queue": kinds::Queue,
        "pool:shared/collections.dict": kinds::Dict,
        "pool:shared/collections.list": kinds::List,
        "pool:shared/collections.namespace": kinds::Namespace,
    },
});

pub(super) use pool::shared::{collections, memory, sync};

/// A handle of this kind that stands for this number. Wasmtime lends it to the guest for a call, and it stays ours.
pub(in super::super) fn resource(
    object: Object,
    number: u32,
    store: impl AsContextMut,
) -> Result<ResourceAny> {
    fn owned<K: 'static>(number: u32, store: impl AsContextMut) -> Result<ResourceAny> {
        Resource::<K>::new_own(number).try_into_resource_any(store)
    }
    match object {
        Object::Value => owned::<kinds::Value>(number, store),
        Object::ValueU64 => owned::<kinds::ValueU64>(number, store),
        Object::ValueF64 => owned::<kinds::ValueF64>(number, store),
        Object::Array => owned::<kinds::Array>(number, store),
        Object::ArrayF64 => owned::<kinds::ArrayF64>(number, store),
        Object::Lock => owned::<kinds::Lock>(number, store),
        Object::Rlock => owned::<kinds::Rlock>(number, store),
        Object::Semaphore => owned::<kinds::Semaphore>(number, store),
        Object::Event => owned::<kinds::Event>(number, store),
        Object::Condition => owned::<kinds::Condition>(number, store),
        Object::Barrier => owned::<kinds::Barrier>(number, store),
        Object::Queue => owned::<kinds::Queue>(number, store),
        Object::Dict => owned::<kinds::Dict>(number, store),
        Object::List => owned::<kinds::List>(number, store),
        Object::Namespace => owned::<kinds::Namespace>(number, store),
    }
}

/// Provides one of the interfaces; `get` finds the lent objects. False if there is no such interface.
pub(in super::super) fn link<T: 'static>(
    linker: &mut Linker<T>,
    interface: &str,
    get: fn(&mut T) -> &mut Lent,
) -> anyhow::Result<bool> {
    match interface {
        "memory" => memory::add_to_linker::<T, HasLent>(linker, get),
        "sync" => sync::add_to_linker::<T, HasLent>(linker, get),
        "collections" => collections::add_to_linker::<T, HasLent>(linker, get),
        _ => return Ok(false),
    }
    .map_err(ours)?;
    Ok(true)
}

struct HasLent;

impl HasData for HasLent {
    type Data<'a> = &'a mut Lent;
}

const ORDER: Ordering = Ordering::SeqCst;

impl memory::Host for Lent {}
impl sync::Host for Lent {}
impl collections::Host for Lent {}

/// The one number of a value, or one of an array.
macro_rules! number {
    ($lent:ident, $handle:expr, $index:expr) => {{
        let (party, place, _) = $lent.at(&$handle)?;
        $lent.done(&$handle, party.number(place, $index))?
    }};
}

impl memory::HostValue for Lent {
    #[inline]
    fn get(&mut self, value: Resource<kinds::Value>) -> Result<i64> {
        if let Some(id) = self.managed(&value) {
            return self.number_of(&value, id, OnValue::Get);
        }
        Ok(number!(self, value, 0).load(ORDER) as i64)
    }

    #[inline]
    fn set(&mut self, value: Resource<kinds::Value>, to: i64) -> Result<()> {
        if let Some(id) = self.managed(&value) {
            return self.number_of(&value, id, OnValue::Set(to)).map(|_| ());
        }
        number!(self, value, 0).store(to as u64, ORDER);
        Ok(())
    }

    #[inline]
    fn fetch_add(&mut self, value: Resource<kinds::Value>, by: i64) -> Result<i64> {
        if let Some(id) = self.managed(&value) {
            return self.number_of(&value, id, OnValue::Add(by));
        }
        Ok(number!(self, value, 0).fetch_add(by as u64, ORDER) as i64)
    }

    fn compare_exchange(
        &mut self,
        value: Resource<kinds::Value>,
        expected: i64,
        to: i64,
    ) -> Result<i64> {
        if let Some(id) = self.managed(&value) {
            return self.number_of(&value, id, OnValue::Exchange(expected, to));
        }
        let number = number!(self, value, 0);
        let (Ok(was) | Err(was)) =
            number.compare_exchange(expected as u64, to as u64, ORDER, ORDER);
        Ok(was as i64)
    }

    fn drop(&mut self, handle: Resource<kinds::Value>) -> Result<()> {
        self.let_go(&handle)
    }
}

impl memory::HostValueU64 for Lent {
    fn get(&mut self, value: Resource<kinds::ValueU64>) -> Result<u64> {
        Ok(number!(self, value, 0).load(ORDER))
    }

    fn set(&mut self, value: Resource<kinds::ValueU64>, to: u64) -> Result<()> {
        number!(self, value, 0).store(to, ORDER);
        Ok(())
    }

    fn fetch_add(&mut self, value: Resource<kinds::ValueU64>, by: u64) -> Result<u64> {
        Ok(number!(self, value, 0).fetch_add(by, ORDER))
    }

    fn compare_exchange(
        &mut self,
        value: Resource<kinds::ValueU64>,
        expected: u64,
        to: u64,
    ) -> Result<u64> {
        let exchanged = number!(self, value, 0).compare_exchange(expected, to, ORDER, ORDER);
        let (Ok(was) | Err(was)) = exchanged;
        Ok(was)
    }

    fn drop(&mut self, _: Resource<kinds::ValueU64>) -> Result<()> {
        Ok(())
    }
}

impl memory::HostValueF64 for Lent {
    fn get(&mut self, value: Resource<kinds::ValueF64>) -> Result<f64> {
        Ok(f64::from_bits(number!(self, value, 0).load(ORDER)))
    }

    fn set(&mut self, value: Resource<kinds::ValueF64>, to: f64) -> Result<()> {
        number!(self, value, 0).store(to.to_bits(), ORDER);
        Ok(())
    }

    fn fetch_add(&mut self, value: Resource<kinds::ValueF64>, by: f64) -> Result<f64> {
        Ok(add_float(number!(self, value, 0), by))
    }

    fn compare_exchange(
        &mut self,
        value: Resource<kinds::ValueF64>,
        expected: f64,
        to: f64,
    ) -> Result<f64> {
        let number = number!(self, value, 0);
        let (Ok(was) | Err(was)) =
            number.compare_exchange(expected.to_bits(), to.to_bits(), ORDER, ORDER);
        Ok(f64::from_bits(was))
    }

    fn drop(&mut self, _: Resource<kinds::ValueF64>) -> Result<()> {
        Ok(())
    }
}

impl memory::HostArray for Lent {
    fn len(&mut self, array: Resource<kinds::Array>) -> Result<u32> {
        Ok(self.at(&array)?.1.parts)
    }

    fn get(&mut self, array: Resource<kinds::Array>, index: u32) -> Result<i64> {
        Ok(number!(self, array, index).load(ORDER) as i64)
    }

    fn set(&mut self, array: Resource<kinds::Array>, index: u32, to: i64) -> Result<()> {
        let (party, place, _) = self.at(&array)?;
        let set = party.change_number(place, index, self.until(None), |number| {
            number.swap(to as u64, ORDER)
        });
        self.done(&array, set).map(drop)
    }

    fn fetch_add(&mut self, array: Resource<kinds::Array>, index: u32, by: i64) -> Result<i64> {
        let (party, place, _) = self.at(&array)?;
        let add = |number: &AtomicU64| number.fetch_add(by as u64, ORDER);
        let was = self.done(
            &array,
            party.change_number(place, index, self.until(None), add),
        )?;
        Ok(was as i64)
    }

    fn read(&mut self, array: Resource<kinds::Array>, start: u32, count: u32) -> Result<Vec<i64>> {
        let (party, place, _) = self.at(&array)?;
        let numbers = self.done(
            &array,
            party.read_slice(place, start, count, self.until(None)),
        )?;
        Ok(numbers.into_iter().map(|n| n as i64).collect())
    }

    fn write(
        &mut self,
        array: Resource<kinds::Array>,
        start: u32,
        numbers: Vec<i64>,
    ) -> Result<()> {
        let (party, place, _) = self.at(&array)?;
        let numbers: Vec<u64> = numbers.into_iter().map(|n| n as u64).collect();
        self.done(
            &array,
            party.write_slice(place, start, &numbers, self.until(None)),
        )
    }

    fn drop(&mut self, _: Resource<kinds::Array>) -> Result<()> {
        Ok(())
    }
}

impl memory::HostArrayF64 for Lent {
    fn len(&mut self, array: Resource<kinds::ArrayF64>) -> Result<u32> {
        Ok(self.at(&array)?.1.parts)
    }

    fn get(&mut self, array: Resource<kinds::ArrayF64>, index: u32) -> Result<f64> {
        Ok(f64::from_bits(number!(self, array, index).load(ORDER)))
    }

    fn set(&mut self, array: Resource<kinds::ArrayF64>, index: u32, to: f64) -> Result<()> {
        let (party, place, _) = self.at(&array)?;
        let set = |number: &AtomicU64| number.swap(to.to_bits(), ORDER);
        self.done(
            &array,
            party.change_number(place, index, self.until(None), set),
        )
        .map(drop)
    }

    fn fetch_add(&mut self, array: Resource<kinds::ArrayF64>, index: u32, by: f64) -> Result<f64> {
        let (party, place, _) = self.at(&array)?;
        let add = |number: &AtomicU64| add_float(number, by).to_bits();
        let was = self.done(
            &array,
            party.change_number(place, index, self.until(None), add),
        )?;
        Ok(f64::from_bits(was))
    }

    fn read(
        &mut self,
        array: Resource<kinds::ArrayF64>,
        start: u32,
        count: u32,
    ) -> Result<Vec<f64>> {
        let (party, place, _) = self.at(&array)?;
        let numbers = self.done(
            &array,
            party.read_slice(place, start, count, self.until(None)),
        )?;
        Ok(numbers.into_iter().map(f64::from_bits).collect())
    }

    fn write(
        &mut self,
        array: Resource<kinds::ArrayF64>,
        start: u32,
        numbers: Vec<f64>,
    ) -> Result<()> {
        let (party, place, _) = self.at(&array)?;
        let numbers: Vec<u64> = numbers.into_iter().map(f64::to_bits).collect();
        self.done(
            &array,
            party.write_slice(place, start, &numbers, self.until(None)),
        )
    }

    fn drop(&mut self, _: Resource<kinds::ArrayF64>) -> Result<()> {
        Ok(())
    }
}

impl From<Acquired> for sync::Acquired {
    fn from(acquired: Acquired) -> sync::Acquired {
        match acquired {
            Acquired::Clean => sync::Acquired::Clean,
            Acquired::Abandoned => sync::Acquired::Abandoned,
        }
    }
}

impl sync::HostLock for Lent {
    #[inline]
    fn acquire(&mut self, lock: Resource<kinds::Lock>) -> Result<sync::Acquired> {
        if let Some(id) = self.managed(&lock) {
            let acquired = self.acquire_managed(&lock, id, None)?;
            return acquired.ok_or_else(|| self.waited_managed(&lock));
        }
        let (party, place, _) = self.at(&lock)?;
        let acquired = self.done(&lock, party.acquire(place, self.until(None)))?;
        Ok(acquired.into())
    }

    fn acquire_within(
        &mut self,
        lock: Resource<kinds::Lock>,
        timeout: u64,
    ) -> Result<Option<sync::Acquired>> {
        if let Some(id) = self.managed(&lock) {
            return self.acquire_managed(&lock, id, Some(timeout));
        }
        let (party, place, _) = self.at(&lock)?;
        let acquired = party.acquire(place, self.until(Some(timeout)));
        Ok(self.in_time(&lock, acquired)?.map(Into::into))
    }

    #[inline]
    fn release(&mut self, lock: Resource<kinds::Lock>) -> Result<()> {
        if let Some(id) = self.managed(&lock) {
            return self.release_managed(&lock, id);
        }
        let (party, place, _) = self.at(&lock)?;
        self.done(&lock, party.release(place))
    }

    fn drop(&mut self, handle: Resource<kinds::Lock>) -> Result<()> {
        self.let_go(&handle)
    }
}

impl sync::HostRlock for Lent {
    fn acquire(&mut self, lock: Resource<kinds::Rlock>) -> Result<sync::Acquired> {
        let (party, place, _) = self.at(&lock)?;
        let acquired = self.done(&lock, party.acquire_again(place, self.until(None)))?;
        Ok(acquired.into())
    }

    fn acquire_within(
        &mut self,
        lock: Resource<kinds::Rlock>,
        timeout: u64,
    ) -> Result<Option<sync::Acquired>> {
        let (party, place, _) = self.at(&lock)?;
        let acquired = party.acquire_again(place, self.until(Some(timeout)));
        Ok(self.in_time(&lock, acquired)?.map(Into::into))
    }

    fn release(&mut self, lock: Resource<kinds::Rlock>) -> Result<()> {
        let (party, place, _) = self.at(&lock)?;
        self.done(&lock, party.release_again(place))
    }

    fn drop(&mut self, _: Resource<kinds::Rlock>) -> Result<()> {
        Ok(())
    }
}

impl sync::HostSemaphore for Lent {
    fn acquire(&mut self, semaphore: Resource<kinds::Semaphore>) -> Result<()> {
        let (party, place, _) = self.at(&semaphore)?;
        self.done(&semaphore, party.take_permit(place, self.until(None)))
    }

    fn acquire_within(
        &mut self,
        semaphore: Resource<kinds::Semaphore>,
        timeout: u64,
    ) -> Result<bool> {
        let (party, place, _) = self.at(&semaphore)?;
        let taken = party.take_permit(place, self.until(Some(timeout)));
        Ok(self.in_time(&semaphore, taken)?.is_some())
    }

    fn release(&mut self, semaphore: Resource<kinds::Semaphore>) -> Result<()> {
        let (party, place, _) = self.at(&semaphore)?;
        self.done(&semaphore, party.give_permit(place, self.until(None)))
    }

    fn permits(&mut self, semaphore: Resource<kinds::Semaphore>) -> Result<u32> {
        let (party, place, _) = self.at(&semaphore)?;
        self.done(&semaphore, party.permits(place))
    }

    fn drop(&mut self, _: Resource<kinds::Semaphore>) -> Result<()> {
        Ok(())
    }
}

impl sync::HostEvent for Lent {
    fn set(&mut self, event: Resource<kinds::Event>) -> Result<()> {
        let (party, place, _) = self.at(&event)?;
        self.done(&event, party.set_event(place))
    }

    fn clear(&mut self, event: Resource<kinds::Event>) -> Result<()> {
        let (party, place, _) = self.at(&event)?;
        self.done(&event, party.clear_event(place))
    }

    fn is_set(&mut self, event: Resource<kinds::Event>) -> Result<bool> {
        let (party, place, _) = self.at(&event)?;
        self.done(&event, party.is_set(place))
    }

    fn wait(&mut self, event: Resource<kinds::Event>, timeout: Option<u64>) -> Result<bool> {
        let (party, place, _) = self.at(&event)?;
        let set = self.done(&event, party.wait_event(place, self.until(timeout)))?;
        self.unless_over(&event, set, !set)
    }

    fn drop(&mut self, _: Resource<kinds::Event>) -> Result<()> {
        Ok(())
    }
}

impl sync::HostCondition for Lent {
    fn acquire(&mut self, condition: Resource<kinds::Condition>) -> Result<sync::Acquired> {
        let (party, place, _) = self.at(&condition)?;
        let acquired = self.done(&condition, party.acquire(place, self.until(None)))?;
        Ok(acquired.into())
    }

    fn acquire_within(
        &mut self,
        condition: Resource<kinds::Condition>,
        timeout: u64,
    ) -> Result<Option<sync::Acquired>> {
        let (party, place, _) = self.at(&condition)?;
        let acquired = party.acquire(place, self.until(Some(timeout)));
        Ok(self.in_time(&condition, acquired)?.map(Into::into))
    }

    fn release(&mut self, condition: Resource<kinds::Condition>) -> Result<()> {
        let (party, place, _) = self.at(&condition)?;
        self.done(&condition, party.release_condition(place))
    }

    fn wait(
        &mut self,
        condition: Resource<kinds::Condition>,
        timeout: Option<u64>,
    ) -> Result<bool> {
        let (party, place, _) = self.at(&condition)?;
        let waited = party.wait_condition(place, self.until(timeout), self.until(None));
        let notified = self.done(&condition, waited)?;
        self.unless_over(&condition, notified, !notified)
    }

    fn notify(&mut self, condition: Resource<kinds::Condition>, count: u32) -> Result<()> {
        let (party, place, _) = self.at(&condition)?;
        self.done(&condition, party.notify(place, count))
    }

    fn notify_all(&mut self, condition: Resource<kinds::Condition>) -> Result<()> {
        sync::HostCondition::notify(self, condition, u32::MAX)
    }

    fn drop(&mut self, _: Resource<kinds::Condition>) -> Result<()> {
        Ok(())
    }
}

impl From<shared::Broken> for sync::Broken {
    fn from(broken: shared::Broken) -> sync::Broken {
        match broken {
            shared::Broken::Aborted => sync::Broken::Aborted,
            shared::Broken::Reset => sync::Broken::Reset,
        }
    }
}

impl sync::HostBarrier for Lent {
    fn wait(
        &mut self,
        barrier: Resource<kinds::Barrier>,
        timeout: Option<u64>,
    ) -> Result<std::result::Result<u32, sync::Broken>> {
        let (party, place, _) = self.at(&barrier)?;
        let waited = self.done(&barrier, party.wait_barrier(place, self.until(timeout)))?;
        self.unless_over(&barrier, waited.map_err(Into::into), waited.is_err())
    }

    fn abort(&mut self, barrier: Resource<kinds::Barrier>) -> Result<()> {
        let (party, place, _) = self.at(&barrier)?;
        self.done(&barrier, party.abort_barrier(place, self.until(None)))
    }

    fn reset(&mut self, barrier: Resource<kinds::Barrier>) -> Result<()> {
        let (party, place, _) = self.at(&barrier)?;
        self.done(&barrier, party.reset_barrier(place, self.until(None)))
    }

    fn parties(&mut self, barrier: Resource<kinds::Barrier>) -> Result<u32> {
        Ok(self.at(&barrier)?.1.parts)
    }

    fn waiting(&mut self, barrier: Resource<kinds::Barrier>) -> Result<u32> {
        let (party, place, _) = self.at(&barrier)?;
        self.done(&barrier, party.waiting(place))
    }

    fn is_broken(&mut self, barrier: Resource<kinds::Barrier>) -> Result<bool> {
        let (party, place, _) = self.at(&barrier)?;
        self.done(&barrier, party.is_broken(place))
    }

    fn drop(&mut self, _: Resource<kinds::Barrier>) -> Result<()> {
        Ok(())
    }
}

impl From<shared::Unavailable> for collections::Unavailable {
    fn from(unavailable: shared::Unavailable) -> collections::Unavailable {
        match unavailable {
            shared::Unavailable::Full => collections::Unavailable::Full,
            shared::Unavailable::Empty => collections::Unavailable::Empty,
            shared::Unavailable::Closed => collections::Unavailable::Closed,
        }
    }
}

impl collections::HostQueue for Lent {
    fn put(
        &mut self,
        queue: Resource<kinds::Queue>,
        item: collections::Datum,
        timeout: Option<u64>,
    ) -> Result<std::result::Result<(), collections::Unavailable>> {
        if let Some(id) = self.managed(&queue) {
            return self.put_managed(&queue, id, item, timeout);
        }
        let Some(item) = plain(item).and_then(|item| item.to_bytes()) else {
            return Err(wasmtime::Error::msg(
                "the queue is in shared memory, where no objects can be put: use one of the manager",
            ));
        };
        let (party, place, _) = self.at(&queue)?;
        let put = self.done(&queue, party.put(place, &item, self.until(timeout)))?;
        let too_late = put == Err(shared::Unavailable::Full);
        self.unless_over(&queue, put.map_err(Into::into), too_late)
    }

    fn get(
        &mut self,
        queue: Resource<kinds::Queue>,
        timeout: Option<u64>,
    ) -> Result<std::result::Result<collections::Datum, collections::Unavailable>> {
        if let Some(id) = self.managed(&queue) {
            return self.get_managed(&queue, id, timeout);
        }
        let (party, place, _) = self.at(&queue)?;
        let taken = match self.done(&queue, party.get(place, self.until(timeout)))? {
            Ok(item) => Ok(Datum::from_bytes(&item).ok_or(shared::Failure::Damaged)),
            Err(unavailable) => Err(unavailable),
        };
        match taken {
            Ok(item) => {
                let item = self.done(&queue, item)?;
                Ok(Ok(self.done(
                    &queue,
                    of_plain(item).ok_or(shared::Failure::Damaged),
                )?))
            }
            Err(why) => {
                let too_late = why == shared::Unavailable::Empty;
                self.unless_over(&queue, Err(why.into()), too_late)
            }
        }
    }

    fn size(&mut self, queue: Resource<kinds::Queue>) -> Result<u32> {
        if let Some(id) = self.managed(&queue) {
            let size = self.ask_queue(&queue, id, OnQueue::Size)?;
            return Ok(u32::try_from(self.count(&queue, size)?).unwrap_or(u32::MAX));
        }
        let (party, place, _) = self.at(&queue)?;
        self.done(&queue, party.queue_size(place))
    }

    fn is_full(&mut self, queue: Resource<kinds::Queue>) -> Result<bool> {
        if let Some(id) = self.managed(&queue) {
            let is_full = self.ask_queue(&queue, id, OnQueue::IsFull)?;
            return self.flag(&queue, is_full);
        }
        let (party, place, _) = self.at(&queue)?;
        let room = self.done(&queue, party.queue_room(place))?;
        Ok(self.done(&queue, party.queue_size(place))? >= room)
    }

    fn task_done(&mut self, queue: Resource<kinds::Queue>) -> Result<()> {
        if let Some(id) = self.managed(&queue) {
            return self.ask_queue(&queue, id, OnQueue::TaskDone).map(|_| ());
        }
        let (party, place, _) = self.at(&queue)?;
        self.done(&queue, party.task_done(place, self.until(None)))
    }

    fn join(&mut self, queue: Resource<kinds::Queue>, timeout: Option<u64>) -> Result<bool> {
        if let Some(id) = self.managed(&queue) {
            return self.join_managed(&queue, id, timeout);
        }
        let (party, place, _) = self.at(&queue)?;
        let joined = self.done(&queue, party.join_queue(place, self.until(timeout)))?;
        self.unless_over(&queue, joined, !joined)
    }

    fn close(&mut self, queue: Resource<kinds::Queue>) -> Result<()> {
        if let Some(id) = self.managed(&queue) {
            return self.ask_queue(&queue, id, OnQueue::Close).map(|_| ());
        }
        let (party, place, _) = self.at(&queue)?;
        self.done(&queue, party.close_queue(place))
    }

    fn drop(&mut self, handle: Resource<kinds::Queue>) -> Result<()> {
        self.let_go(&handle)
    }
}

/// What is no object, as the guest gave it.
pub(super) fn plain(datum: collections::Datum) -> Option<Datum> {
    Some(match datum {
        collections::Datum::None => Datum::None,
        collections::Datum::Boolean(boolean) => Datum::Boolean(boolean),
        collections::Datum::Integer(number) => Datum::Integer(number),
        collections::Datum::Unsigned(number) => Datum::Unsigned(number),
        collections::Datum::Float(number) => Datum::Float(number),
        collections::Datum::Text(text) => Datum::Text(text),
        collections::Datum::Bytes(bytes) => Datum::Bytes(bytes),
        collections::Datum::Json(text) => Datum::Json(text),
        collections::Datum::Dict(_)
        | collections::Datum::List(_)
        | collections::Datum::Namespace(_) => return None,
    })
}

/// What is no object, as the guest gets it.
pub(super) fn of_plain(datum: Datum) -> Option<collections::Datum> {
    Some(match datum {
        Datum::None => collections::Datum::None,
        Datum::Boolean(boolean) => collections::Datum::Boolean(boolean),
        Datum::Integer(number) => collections::Datum::Integer(number),
        Datum::Unsigned(number) => collections::Datum::Unsigned(number),
        Datum::Float(number) => collections::Datum::Float(number),
        Datum::Text(text) => collections::Datum::Text(text),
        Datum::Bytes(bytes) => collections::Datum::Bytes(bytes),
        Datum::Json(text) => collections::Datum::Json(text),
        Datum::Dict(_) | Datum::List(_) | Datum::Namespace(_) => return None,
    })
}
