//! What generation asks of a network.

use std::ops::RangeInclusive;

use candle_core::{Result, Tensor};

/// A causal language model that runs over new positions only and remembers past ones in a cache.
pub trait CausalLm {
    /// The memory of past positions, one row a sequence.
    type Cache;

    /// An empty cache.
    fn new_cache(&self) -> Self::Cache;

    /// Replaces the rows of a cache: new row `i` is a copy of old row `rows[i]`. Their number may change.
    fn reorder(&self, cache: &mut Self::Cache, rows: &[u32]) -> Result<()>;

    /// How many hidden states it has: the embeddings and one for every layer.
    fn hidden_entries(&self) -> usize;

    /// Embeds token ids (b, t) as (b, t, width).
    fn embed(&self, ids: &Tensor) -> Result<Tensor>;

    /// Runs over new positions, `embeds` (b, t, width), that follow those in `cache`, and adds them to it. `layers` are
    /// the hidden states whose sum the caller wants.
    fn step(&self, embeds: &Tensor, cache: &mut Self::Cache, layers: RangeInclusive<usize>) -> Result<Step>;
}

/// What a forward pass over new positions gives.
#[derive(Debug)]
pub struct Step {
    /// Sum of the hidden states asked for, at every new position: (b, t, width).
    pub hidden: Tensor,
    /// Scores of the next token, before softmax, at the last position: (b, vocab).
    pub logits: Tensor,
}
