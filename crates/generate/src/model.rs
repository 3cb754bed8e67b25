//! What generation asks of a network.

use std::ops::RangeInclusive;

use affekt_nn::finite::Watch;
use affekt_nn::kv_cache::Group;
use candle_core::{Result, Tensor};

/// A causal language model that runs over new positions of many texts at once and remembers past ones in the slots of
/// a cache.
///
/// What it makes of a row must not depend on the rows beside it: texts enter and leave a batch while others go on.
pub trait CausalLm {
    /// The memory of past positions.
    type Cache;

    /// An empty cache for `slots` positions.
    fn new_cache(&self, slots: usize) -> Result<Self::Cache>;

    /// Bytes that one position takes in a cache.
    fn slot_bytes(&self) -> usize;

    /// How many hidden states it has: the embeddings and one for every layer.
    fn hidden_entries(&self) -> usize;

    /// Numbers in an embedding and in a hidden state.
    fn width(&self) -> usize;

    /// Tokens that it scores.
    fn vocab(&self) -> usize;

    /// Embeds token ids (b, t) as (b, t, width).
    fn embed(&self, ids: &Tensor) -> Result<Tensor>;

    /// Runs over the new positions of `batch`, `embeds` (n, width), and writes them to their slots in `cache`. `layers`
    /// are the hidden states whose sum the caller wants. A pass that fails may have written to its slots, to no others.
    fn step(
        &self,
        embeds: &Tensor,
        batch: &Batch,
        cache: &mut Self::Cache,
        layers: &RangeInclusive<usize>,
    ) -> Result<Step>;

    /// As [`Self::step`], but it does not wait for the card on which it runs: whether all numbers are finite is then told
    /// by the watch, which the caller asks when it has to wait anyway. Elsewhere there is none.
    fn start(
        &self,
        embeds: &Tensor,
        batch: &Batch,
        cache: &mut Self::Cache,
        layers: &RangeInclusive<usize>,
    ) -> Result<(Step, Option<Watch>)> {
        Ok((self.step(embeds, batch, cache, layers)?, None))
    }
}

/// New positions of many texts, one a row.
#[derive(Clone, Debug, Default)]
pub struct Batch<'a> {
    /// Where each row stands in its text, from 0: (n)
    pub positions: Vec<u32>,
    /// The slot that each row is written to: (n)
    pub slots: Vec<u32>,
    /// What the rows see: successive rows that have slots in common, n in all.
    pub groups: Vec<Group<'a>>,
    /// The rows behind which scores of the next token are wanted.
    pub scored: Vec<u32>,
}

/// What a forward pass over new positions gives.
#[derive(Debug)]
pub struct Step {
    /// Sum of the hidden states asked for, at every new position: (n, width).
    pub hidden: Tensor,
    /// Scores of the next token, before softmax, behind the rows asked for: (scored, vocab).
    pub logits: Tensor,
}
