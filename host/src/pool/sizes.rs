//! How long the arguments were of the jobs whose outcome is still to come, for their accounts.

use std::collections::BTreeMap;

/// Lengths in bytes, in rows of jobs that follow each other, by the first of each row.
#[derive(Debug, Default)]
pub(super) struct Sizes(BTreeMap<u64, Vec<u32>>);

impl Sizes {
    /// Keeps the lengths of jobs from `first` on.
    pub(super) fn put(&mut self, first: u64, bytes: Vec<u32>) {
        if !bytes.is_empty() {
            self.0.insert(first, bytes);
        }
    }

    /// Takes those of so many jobs from `first` on, which were put in one row.
    pub(super) fn take(&mut self, first: u64, count: u64) -> Vec<u32> {
        let Some((&start, _)) = self.0.range(..=first).next_back() else {
            return Vec::new();
        };
        let mut row = self.0.remove(&start).unwrap_or_default();
        let before = ((first - start) as usize).min(row.len());
        let behind = row.split_off((before + count as usize).min(row.len()));
        let taken = row.split_off(before);
        self.put(start, row);
        self.put(first + count, behind);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_length_is_given_once_whatever_the_order() {
        let mut sizes = Sizes::default();
        sizes.put(0, vec![10, 11, 12, 13, 14]);
        sizes.put(5, vec![15, 16]);
        assert_eq!(sizes.take(2, 1), [12]);
        assert_eq!(sizes.take(5, 2), [15, 16]);
        assert_eq!(sizes.take(3, 2), [13, 14]);
        assert_eq!(sizes.take(0, 2), [10, 11]);
        assert!(sizes.0.is_empty());
        assert!(sizes.take(0, 2).is_empty());
    }
}
