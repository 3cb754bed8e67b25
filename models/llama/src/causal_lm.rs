//! Llama as generation sees it.

use std::ops::RangeInclusive;

use affekt_generate::{Batch, CausalLm, Step};
use affekt_nn::kv_cache::KvCache;
use affekt_nn::threads::in_pool;
use candle_core::{Result, Tensor};

use crate::Llama;

impl CausalLm for Llama {
    type Cache = KvCache;

    fn new_cache(&self, slots: usize) -> Result<KvCache> {
        Llama::new_cache(self, slots)
    }

    fn slot_bytes(&self) -> usize {
        self.cached().slot_bytes()
    }

    fn hidden_entries(&self) -> usize {
        Llama::hidden_entries(self)
    }

    fn width(&self) -> usize {
        Llama::width(self)
    }

    fn vocab(&self) -> usize {
        Llama::vocab(self)
    }

    fn embed(&self, ids: &Tensor) -> Result<Tensor> {
        Llama::embed(self, ids)
    }

    fn step(
        &self,
        embeds: &Tensor,
        batch: &Batch,
        cache: &mut KvCache,
        layers: &RangeInclusive<usize>,
    ) -> Result<Step> {
        in_pool(|| {
            let (hidden, last) =
                self.hidden_sum(&embeds.unsqueeze(0)?, None, Some((batch, cache)), layers)?;
            let (hidden, last) = (hidden.squeeze(0)?, last.squeeze(0)?); // (n, width)
            if batch.scored.is_empty() {
                let logits = Tensor::zeros((0, self.vocab()), last.dtype(), last.device())?;
                return Ok(Step { hidden, logits });
            }
            let scored = Tensor::new(batch.scored.as_slice(), last.device())?;
            Ok(Step { hidden, logits: self.logits(&last.index_select(&scored, 0)?)? })
        })
    }
}
