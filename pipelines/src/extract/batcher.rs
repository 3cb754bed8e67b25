//! Clips of similar length together: what a batch pads, the network computes for nothing.

use std::ops::Range;

use crate::batch::Padding;

/// Clips that wait, for each that goes into a batch: the more there are to choose from, the less is padded.
const CHOICE: usize = 8;

/// Share of a batch that may be padding: a batch that would have more is made smaller.
const MOST_WASTE: f64 = 0.1;

/// Groups items by length.
///
/// With a batch of one, which is best on a CPU, every item goes straight through.
pub struct Batcher<T> {
    batch: usize,
    /// Length of a batch at most, padding included.
    most: usize,
    /// Sorted by length.
    pool: Vec<Waiting<T>>,
    came: u64,
    padding: Padding,
}

struct Waiting<T> {
    length: usize,
    number: u64,
    item: T,
}

impl<T> Batcher<T> {
    /// For batches of at most `batch` items and of at most the length `most`, padding included; an item that is longer
    /// comes alone.
    pub fn new(batch: usize, most: usize) -> Self {
        Self { batch: batch.max(1), most, pool: Vec::new(), came: 0, padding: Padding::default() }
    }

    /// Takes an item in.
    pub fn push(&mut self, length: usize, item: T) {
        let place = self.pool.partition_point(|waiting| waiting.length <= length);
        self.pool.insert(place, Waiting { length, number: self.came, item });
        self.came += 1;
    }

    /// The next batch, in ascending order of length; `None` until there is enough to choose from. With `rest`, there is
    /// one as long as anything waits.
    pub fn pop(&mut self, rest: bool) -> Option<Vec<T>> {
        let enough = if self.batch == 1 { 1 } else { self.batch * CHOICE };
        if self.pool.is_empty() || (!rest && self.pool.len() < enough) {
            return None;
        }
        let group = self.tightest();
        let batch: Vec<Waiting<T>> = self.pool.drain(group).collect();
        let longest = batch.iter().map(|waiting| waiting.length).max().unwrap_or_default();
        self.padding.real += batch.iter().map(|waiting| waiting.length as u64).sum::<u64>();
        self.padding.computed += (longest * batch.len()) as u64;
        Some(batch.into_iter().map(|waiting| waiting.item).collect())
    }

    /// The largest group with the item that has waited longest, so that none waits for ever, among neighbours in length,
    /// as long as little of it is padding; of equally large ones the one with the least.
    fn tightest(&self) -> Range<usize> {
        let oldest = (0..self.pool.len()).min_by_key(|at| self.pool[*at].number).unwrap_or_default();
        let groups = |size: usize| {
            let starts = (oldest + 1).saturating_sub(size)..=oldest;
            starts.map(move |start| start..start + size).filter(|group| group.end <= self.pool.len())
        };
        let best = |size| groups(size).min_by(|a, b| self.waste(a).total_cmp(&self.waste(b)));
        let sizes = (1..=self.batch).rev();
        let fits = |group: &Range<usize>| self.padded(group) <= self.most && self.waste(group) <= MOST_WASTE;
        let mut groups = sizes.filter_map(best).filter(fits);
        groups.next().unwrap_or(oldest..oldest + 1)
    }

    /// Share of the group's work that would be padding.
    fn waste(&self, group: &Range<usize>) -> f64 {
        let real: usize = self.pool[group.clone()].iter().map(|waiting| waiting.length).sum();
        let padded = self.padded(group);
        if padded == 0 { 0.0 } else { 1.0 - real as f64 / padded as f64 }
    }

    /// Length of the group, padding included.
    fn padded(&self, group: &Range<usize>) -> usize {
        self.pool[group.end - 1].length * group.len()
    }

    /// Batches are of at most the length `most` from here on, padding included.
    pub fn bound(&mut self, most: usize) {
        self.most = self.most.min(most);
    }

    /// How many items wait.
    pub fn waiting(&self) -> usize {
        self.pool.len()
    }

    /// What the batches so far have cost.
    pub fn padding(&self) -> Padding {
        self.padding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths, in rows of 20 ms, whose quantiles are those of MOSEI's 23,259 segments (0, 5, 25, 50, 75, 95 and 99.9%: 0.12,
    /// 2.4, 4.4, 6.5, 9.4, 16.6 and 41 s), in an order without system.
    fn mosei_like(count: usize) -> Vec<usize> {
        let marks =
            [(0.0, 0.12), (0.05, 2.4), (0.25, 4.4), (0.5, 6.47), (0.75, 9.42), (0.95, 16.55), (0.999, 41.34)];
        let length = |share: f64| {
            let above = marks.iter().position(|(mark, _)| *mark > share).unwrap_or(marks.len() - 1);
            let ((low, a), (high, b)) = (marks[above - 1], marks[above]);
            a + (b - a) * (share - low) / (high - low)
        };
        (0..count)
            .map(|index| {
                // Multiples of the golden ratio fill the unit interval evenly.
                let share = (index as f64 * 0.618_033_988_749_895).fract() * 0.998;
                (length(share) * 50.0) as usize
            })
            .collect()
    }

    /// 20 s for each of 16.
    const MOST: usize = 16 * 1_000;

    fn run(batch: usize, lengths: &[usize]) -> (Vec<Vec<usize>>, Padding) {
        let mut batcher = Batcher::new(batch, MOST);
        let mut batches = Vec::new();
        for (index, length) in lengths.iter().enumerate() {
            batcher.push(*length, index);
            while let Some(batch) = batcher.pop(false) {
                batches.push(batch);
            }
        }
        while let Some(batch) = batcher.pop(true) {
            batches.push(batch);
        }
        assert_eq!(batcher.waiting(), 0);
        (batches, batcher.padding())
    }

    #[test]
    fn lengths_like_moseis_pad_less_than_15_percent() {
        let lengths = mosei_like(2_000);
        for batch in [2, 4, 8, 16, 32] {
            let (batches, padding) = run(batch, &lengths);
            let longest = |group: &Vec<usize>| group.iter().map(|at| lengths[*at]).max().unwrap_or_default();
            let fits = |group: &Vec<usize>| group.len() == 1 || longest(group) * group.len() <= MOST;
            assert!(batches.iter().all(|group| group.len() <= batch && fits(group)));
            let mut all: Vec<usize> = batches.concat();
            all.sort_unstable();
            assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
            assert!(padding.waste() < 0.15, "batch {batch}: {}", padding.waste());
            assert_eq!(padding.real, lengths.iter().sum::<usize>() as u64);
            // Most of the batches are full ones all the same.
            assert!(batches.len() < 2 * lengths.len() / batch, "batch {batch}: {} batches", batches.len());
        }
    }

    #[test]
    fn a_batch_of_one_pads_nothing_and_keeps_the_order() {
        let lengths = mosei_like(50);
        let (batches, padding) = run(1, &lengths);
        assert_eq!(batches.concat(), (0..50).collect::<Vec<_>>());
        assert_eq!(padding.waste(), 0.0);
    }

    #[test]
    fn none_waits_for_ever() {
        let mut batcher = Batcher::new(4, MOST);
        batcher.push(1_000_000, usize::MAX);
        let mut when = None;
        for index in 0..200 {
            batcher.push(100 + index % 7, index);
            if batcher.pop(false).is_some_and(|batch| batch.contains(&usize::MAX)) {
                when.get_or_insert(index);
            }
        }
        assert!(when.is_some_and(|when| when <= 4 * CHOICE), "{when:?}");
    }
}
