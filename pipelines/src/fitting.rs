//! Batches that shrink where the memory of a device does not hold them.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How large batches may be, in a unit of the caller's: samples, faces, rows. It only ever shrinks.
#[derive(Debug)]
pub struct Limit {
    first: usize,
    most: AtomicUsize,
}

impl Limit {
    /// Batches of at most `most`.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        Self { first: most, most: AtomicUsize::new(most) }
    }

    /// The bound as it is now.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// What it was at first, where it is less by now.
    pub fn shrunk_from(&self) -> Option<usize> {
        (self.most() < self.first).then_some(self.first)
    }

    /// Batches of at most `most` from here on.
    pub(crate) fn lower(&self, most: usize) {
        self.most.fetch_min(most.max(1), Ordering::Relaxed);
    }
}

/// Makes `attempt` on all of `items`, in their order, as many at a time as `limit` allows by their `size`: how many items
/// each attempt was on, and what it came to.
///
/// An attempt for which the memory does not suffice, which `makes_room` is asked and may do something about, is made
/// again on half as much, down to one item, and the limit stays as low; on one item it is made once more, with the room
/// that was made. One that fails for another reason is made again
/// on each of its items alone: only those that are to blame fail.
pub fn run<T, R, E>(
    items: &[T],
    limit: &Limit,
    size: impl Fn(&[T]) -> usize,
    makes_room: impl Fn(&E) -> bool,
    mut attempt: impl FnMut(&[T]) -> Result<R, E>,
) -> Vec<(usize, Result<R, E>)> {
    let mut results = Vec::new();
    let mut rest = items;
    while !rest.is_empty() {
        let fits = |count: &usize| size(&rest[..*count]) <= limit.most();
        let count = (2..=rest.len()).take_while(fits).last().unwrap_or(1);
        let (batch, later) = rest.split_at(count);
        match attempt(batch) {
            Err(error) if count > 1 && makes_room(&error) => {
                // Less than this batch has, whatever the unit: one item at least is left out.
                limit.lower((size(batch) / 2).max(size(&batch[..1])).min(size(batch).saturating_sub(1)));
                continue;
            }
            Err(_) if count > 1 => {
                results.extend(batch.chunks(1).map(|alone| (1, attempt(alone))));
            }
            Err(error) if makes_room(&error) => results.push((count, attempt(batch))),
            result => results.push((count, result)),
        }
        rest = later;
    }
    results
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[derive(Debug, PartialEq)]
    enum Trouble {
        Memory,
        Other,
    }

    /// What each attempt was on and came to.
    type Results = Vec<(usize, Result<usize, Trouble>)>;

    /// Runs items of these sizes on a device that holds `room`, where 99 is an item that never works: the results, and
    /// the sizes that each attempt was on.
    fn on(room: usize, limit: &Limit, items: &[usize]) -> (Results, Vec<Vec<usize>>) {
        let tried = RefCell::new(Vec::new());
        let attempt = |batch: &[usize]| {
            tried.borrow_mut().push(batch.to_vec());
            match batch.iter().sum::<usize>() {
                _ if batch.contains(&99) => Err(Trouble::Other),
                sum if sum > room => Err(Trouble::Memory),
                sum => Ok(sum),
            }
        };
        let results =
            run(items, limit, |batch| batch.iter().sum(), |error| *error == Trouble::Memory, attempt);
        assert_eq!(results.iter().map(|(count, _)| count).sum::<usize>(), items.len());
        (results, tried.into_inner())
    }

    #[test]
    fn a_batch_that_fits_is_one() {
        let limit = Limit::new(10);
        assert_eq!(on(100, &limit, &[2, 3, 4, 5, 6]).0, [(3, Ok(9)), (1, Ok(5)), (1, Ok(6))]);
        assert_eq!(limit.shrunk_from(), None);
        assert_eq!(on(100, &limit, &[]).0, []);
    }

    #[test]
    fn what_does_not_fit_is_halved_and_stays_so() {
        let limit = Limit::new(16);
        let (results, tried) = on(5, &limit, &[1; 16]);
        assert_eq!(results, [(4, Ok(4)), (4, Ok(4)), (4, Ok(4)), (4, Ok(4))]);
        assert_eq!(tried.iter().map(Vec::len).collect::<Vec<_>>(), [16, 8, 4, 4, 4, 4]);
        assert_eq!((limit.most(), limit.shrunk_from()), (4, Some(16)));
        assert_eq!(on(5, &limit, &[1; 6]).1.iter().map(Vec::len).collect::<Vec<_>>(), [4, 2]);
    }

    #[test]
    fn one_that_never_fits_costs_no_other() {
        let limit = Limit::new(100);
        let (results, _) = on(5, &limit, &[1, 1, 50, 1, 1]);
        let failed: Vec<usize> =
            results.iter().enumerate().filter(|(_, (_, result))| result.is_err()).map(|(at, _)| at).collect();
        assert_eq!(failed.len(), 1);
        assert!(results.contains(&(1, Err(Trouble::Memory))));
    }

    #[test]
    fn one_is_tried_again_with_the_room_that_was_made() {
        let (limit, mut tries) = (Limit::new(1), 0);
        let attempt = |_: &[usize]| {
            tries += 1;
            if tries == 1 { Err(Trouble::Memory) } else { Ok(()) }
        };
        let results = run(&[7], &limit, <[_]>::len, |error| *error == Trouble::Memory, attempt);
        assert_eq!((results, tries), (vec![(1, Ok(()))], 2));
    }

    #[test]
    fn other_errors_cost_only_their_own_item_and_no_size() {
        let limit = Limit::new(1_000);
        let (results, _) = on(1_000, &limit, &[1, 99, 1]);
        assert_eq!(results, [(1, Ok(1)), (1, Err(Trouble::Other)), (1, Ok(1))]);
        assert_eq!(limit.shrunk_from(), None);
    }
}
