//! Llama as generation sees it.

use std::ops::RangeInclusive;

use affekt_generate::{CausalLm, Step};
use affekt_nn::kv_cache::KvCache;
use candle_core::{Result, Tensor};

use crate::Llama;

impl CausalLm for Llama {
    type Cache = KvCache;

    fn new_cache(&self) -> KvCache {
        Llama::new_cache(self)
    }

    fn reorder(&self, cache: &mut KvCache, rows: &[u32]) -> Result<()> {
        cache.reorder(rows)
    }

    fn hidden_entries(&self) -> usize {
        Llama::hidden_entries(self)
    }

    fn embed(&self, ids: &Tensor) -> Result<Tensor> {
        Llama::embed(self, ids)
    }

    fn step(&self, embeds: &Tensor, cache: &mut KvCache, layers: RangeInclusive<usize>) -> Result<Step> {
        let (hidden, last) = self.hidden_sum(embeds, None, Some(cache), &layers)?;
        let last = last.narrow(1, last.dim(1)? - 1, 1)?.contiguous()?; // (b, 1, width)
        Ok(Step { hidden, logits: self.logits(&last)?.squeeze(1)? })
    }
}
