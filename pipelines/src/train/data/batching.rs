//! Which clips go together.

use affekt_train::Key;
use rand::seq::SliceRandom;

use super::Sample;

/// How clips become batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// Clips of a batch; 0 counts as 1.
    pub size: usize,
    /// Batches that are sorted by length together before they are cut, so that little is padded; 1 for no sorting.
    pub pool: usize,
}

impl Batching {
    /// The places in `samples` that each batch takes, every one exactly once; only one batch may be smaller than the
    /// others.
    ///
    /// With a key: shuffled, sorted by length within pools, and the batches shuffled again. Without: all sorted by length,
    /// the longest first, so that a run that needs too much memory shows so at once.
    pub fn epoch(&self, samples: &[Sample], key: Option<Key>) -> Vec<Vec<usize>> {
        let size = self.size.max(1);
        let mut order: Vec<usize> = (0..samples.len()).collect();
        let longest_first = |order: &mut [usize]| {
            order.sort_by_key(|&at| std::cmp::Reverse(samples[at].numbers));
        };
        let Some(key) = key else {
            longest_first(&mut order);
            return order.chunks(size).map(<[usize]>::to_vec).collect();
        };
        let mut random = key.with("order").generator();
        order.shuffle(&mut random);
        if self.pool > 1 {
            order.chunks_mut(self.pool.saturating_mul(size)).for_each(longest_first);
        }
        let mut batches: Vec<Vec<usize>> = order.chunks(size).map(<[usize]>::to_vec).collect();
        batches.shuffle(&mut random);
        batches
    }
}
