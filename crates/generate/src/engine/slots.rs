//! The book of a cache's free slots.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Free slots; the lowest are taken first, so that memory is touched as late as can be.
#[derive(Debug)]
pub(super) struct Slots {
    /// Taken once and given back.
    returned: BinaryHeap<Reverse<u32>>,
    /// The first one never taken.
    fresh: u32,
    capacity: u32,
    /// Most that were taken at a time.
    peak: usize,
}

impl Slots {
    pub fn new(capacity: u32) -> Self {
        Self { returned: BinaryHeap::new(), fresh: 0, capacity, peak: 0 }
    }

    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    pub fn free(&self) -> usize {
        self.returned.len() + (self.capacity - self.fresh) as usize
    }

    pub fn peak(&self) -> usize {
        self.peak
    }

    /// `count` slots, of which there must be so many.
    pub fn take(&mut self, count: usize) -> Vec<u32> {
        assert!(count <= self.free(), "{count} slots of {}", self.free());
        let slots = (0..count).map(|_| match self.returned.pop() {
            Some(Reverse(slot)) => slot,
            None => {
                self.fresh += 1;
                self.fresh - 1
            }
        });
        let slots = slots.collect();
        self.peak = self.peak.max(self.capacity() - self.free());
        slots
    }

    pub fn give_back(&mut self, slots: impl IntoIterator<Item = u32>) {
        self.returned.extend(slots.into_iter().map(Reverse));
        debug_assert!(self.returned.len() <= self.fresh as usize, "a slot given back twice");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_are_taken_first_and_none_twice() {
        let mut slots = Slots::new(6);
        assert_eq!(slots.take(4), [0, 1, 2, 3]);
        slots.give_back([3, 1]);
        assert_eq!((slots.free(), slots.peak()), (4, 4));
        assert_eq!(slots.take(4), [1, 3, 4, 5]);
        assert_eq!((slots.free(), slots.peak(), slots.capacity()), (0, 6, 6));
    }
}
