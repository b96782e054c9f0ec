//! Lists: items in a row.

use super::{Asker, Body, Done, Item, Store};
use crate::shared::{Buf, Id, ManagerError, OnList, Reply};
use std::collections::VecDeque;

#[derive(Default)]
pub(super) struct Row {
    items: VecDeque<Item>,
}

impl Row {
    /// The place of this index, if something is there.
    fn place(&self, index: u64) -> Result<usize, ManagerError> {
        let len = self.items.len() as u64;
        match index < len {
            true => Ok(index as usize),
            false => Err(ManagerError::Outside { index, len }),
        }
    }

    /// Takes room away that a long row left behind.
    fn shrink(&mut self) {
        if self.items.len() < self.items.capacity() / 8 {
            self.items.shrink_to(2 * self.items.len());
        }
    }

    pub(super) fn into_items(self) -> Vec<Item> {
        self.items.into()
    }
}

impl Store {
    #[inline]
    fn row(&mut self, id: Id) -> Result<&mut Row, ManagerError> {
        match self.body(id)? {
            Body::List(row) => Ok(row),
            _ => Err(ManagerError::OtherKind),
        }
    }

    pub(super) fn on_list(&mut self, who: Asker, id: Id, what: OnList) -> Done {
        let row = self.row(id)?;
        let len = row.items.len() as u64;
        Ok(match what {
            OnList::Len => Reply::Count(len),
            OnList::Get(index) => {
                let place = row.place(index)?;
                let item = row.items[place].bytes.clone();
                Reply::Item(Some(self.give(who.party, item)))
            }
            OnList::Set(index, item) => {
                let place = row.place(index)?;
                let item = self.admit(who, None, item)?;
                let before = std::mem::replace(&mut self.row(id)?.items[place], item);
                self.dismiss([before]);
                Reply::Done
            }
            OnList::Push(item) => {
                let item = self.admit(who, None, item)?;
                self.row(id)?.items.push_back(item);
                Reply::Done
            }
            OnList::Pop => {
                let item = row.items.pop_back();
                row.shrink();
                Reply::Item(item.map(|item| self.hand_over(who.party, item)))
            }
            OnList::Insert(index, _) if index > len => {
                return Err(ManagerError::Outside { index, len });
            }
            OnList::Insert(index, item) => {
                let item = self.admit(who, None, item)?;
                self.row(id)?.items.insert(index as usize, item);
                Reply::Done
            }
            OnList::Remove(index) => {
                let place = row.place(index)?;
                let item = row.items.remove(place);
                row.shrink();
                Reply::Item(item.map(|item| self.hand_over(who.party, item)))
            }
            OnList::Slice(start, count) => {
                let end = start.saturating_add(count).min(len);
                let places = start.min(end) as usize..end as usize;
                let items: Vec<Buf> = row
                    .items
                    .range(places)
                    .map(|item| item.bytes.clone())
                    .collect();
                self.check_length(items.iter().map(|item| item.0.len()))?;
                let give = |item| self.give(who.party, item);
                Reply::Items(items.into_iter().map(give).collect())
            }
            OnList::Extend(items) => {
                let items = self.admit_all(who, items.into_iter().map(|item| (None, item)))?;
                self.row(id)?.items.extend(items);
                Reply::Done
            }
            OnList::Clear => {
                let items = std::mem::take(row).into_items();
                self.dismiss(items);
                Reply::Done
            }
        })
    }
}
