//! Llama as generation sees it.

use std::ops::RangeInclusive;

use affekt_generate::{Batch, CausalLm, Step};
use affekt_nn::finite::Watch;
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
                return Ok(Step { hidden, logits: self.no_logits(&last)? });
            }
            Ok(Step { hidden, logits: self.logits(&scored(&last, batch)?)? })
        })
    }

    fn start(
        &self,
        embeds: &Tensor,
        batch: &Batch,
        cache: &mut KvCache,
        layers: &RangeInclusive<usize>,
    ) -> Result<(Step, Option<Watch>)> {
        let Some(watch) = Watch::over(embeds)? else {
            return Ok((self.step(embeds, batch, cache, layers)?, None));
        };
        in_pool(|| {
            let (hidden, last) = self.unwatched(&embeds.unsqueeze(0)?, batch, cache, layers)?;
            watch.look(&hidden)?;
            watch.look(&last)?;
            let (hidden, last) = (hidden.squeeze(0)?, last.squeeze(0)?); // (n, width)
            let logits = match batch.scored.as_slice() {
                [] => self.no_logits(&last)?,
                _ => self.unwatched_logits(&scored(&last, batch)?)?,
            };
            watch.look(&logits)?;
            Ok((Step { hidden, logits }, Some(watch)))
        })
    }
}

impl Llama {
    fn no_logits(&self, last: &Tensor) -> Result<Tensor> {
        Tensor::zeros((0, Self::vocab(self)), last.dtype(), last.device())
    }
}

/// The rows of `last` (n, width) that are scored: (scored, width)
fn scored(last: &Tensor, batch: &Batch) -> Result<Tensor> {
    // Where all texts are on their way that is every row.
    if batch.scored.iter().copied().eq(0..batch.slots.len() as u32) {
        return Ok(last.clone());
    }
    last.index_select(&Tensor::new(batch.scored.as_slice(), last.device())?, 0)
}
