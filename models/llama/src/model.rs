//! The language model.

use std::ops::RangeInclusive;

use affekt_nn::kv_cache::KvCache;
use candle_core::{Module, Result, Tensor};
use candle_nn::{Embedding, Linear, RmsNorm, VarBuilder, embedding, linear_no_bias, rms_norm};

use crate::Config;
use crate::block::Block;
use crate::mask;
use crate::rope::Rope;

/// Llama (Touvron et al. 2023), as transformers' `LlamaForCausalLM` computes it.
#[derive(Clone, Debug)]
pub struct Llama {
    embed_tokens: Embedding,
    layers: Vec<Block>,
    norm: RmsNorm,
    lm_head: Linear,
    rope: Rope,
}

/// Everything that a forward pass gives.
#[derive(Clone, Debug)]
pub struct Output {
    /// Entry 0: the embeddings; then one a layer, raw, but the last after the final norm. (b, t, width) each.
    pub hidden_states: Vec<Tensor>,
    /// Scores of the next token at every position, before softmax: (b, t, vocab).
    pub logits: Tensor,
}

impl Llama {
    /// Loads the weights that [`crate::KEYS`] names.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "every network takes its VarBuilder by value, as candle's do"
    )]
    pub fn load(vb: VarBuilder, cfg: &Config) -> Result<Self> {
        let (vocab, width) = (cfg.vocab_size, cfg.hidden_size);
        let embed_tokens = embedding(vocab, width, vb.pp("embed_tokens"))?;
        let layers = (0..cfg.num_hidden_layers).map(|at| Block::load(&vb.pp("layers").pp(at), cfg));
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
            norm: rms_norm(width, cfg.rms_norm_eps, vb.pp("norm"))?,
            lm_head: head(&embed_tokens, &vb, cfg)?,
            rope: Rope::new(cfg.head_dim, cfg.rope_theta, vb.device())?,
            embed_tokens,
        })
    }

    /// Embeds token ids (b, t) as (b, t, width).
    pub fn embed(&self, ids: &Tensor) -> Result<Tensor> {
        self.embed_tokens.forward(ids)
    }

    /// How many hidden states there are: the embeddings and one for every layer.
    pub fn hidden_entries(&self) -> usize {
        self.layers.len() + 1
    }

    /// A cache for [`Self::forward_cached`].
    pub fn new_cache(&self) -> KvCache {
        KvCache::new(self.layers.len())
    }

    /// All hidden states and the logits of `embeds` (b, t, width).
    ///
    /// `padding` (b, t) is 1 for positions that are there and 0 for padding, left or right; valid rows are then as
    /// without it, padded rows mean nothing.
    pub fn forward(&self, embeds: &Tensor, padding: Option<&Tensor>) -> Result<Output> {
        self.all(embeds, padding, None)
    }

    /// [`Self::forward`] over new positions that follow those in `cache`, which it extends. `padding` covers the past
    /// too: (b, past + t).
    pub fn forward_cached(
        &self,
        embeds: &Tensor,
        padding: Option<&Tensor>,
        cache: &mut KvCache,
    ) -> Result<Output> {
        self.all(embeds, padding, Some(cache))
    }

    fn all(&self, embeds: &Tensor, padding: Option<&Tensor>, cache: Option<&mut KvCache>) -> Result<Output> {
        let mut hidden_states = Vec::with_capacity(self.hidden_entries());
        let last = self.run(embeds, padding, cache, |_, hidden| {
            hidden_states.push(hidden.clone());
            Ok(())
        })?;
        Ok(Output { hidden_states, logits: self.logits(&last)? })
    }

    /// Sum of the hidden states `layers` of `embeds` (b, t, width), and the last hidden state, which
    /// [`Self::logits`] takes; both (b, t, width). Keeps no others in memory. `padding` and `cache` as in
    /// [`Self::forward_cached`].
    pub fn hidden_sum(
        &self,
        embeds: &Tensor,
        padding: Option<&Tensor>,
        cache: Option<&mut KvCache>,
        layers: &RangeInclusive<usize>,
    ) -> Result<(Tensor, Tensor)> {
        let mut sum: Option<Tensor> = None;
        let last = self.run(embeds, padding, cache, |entry, hidden| {
            if layers.contains(&entry) {
                sum = Some(match &sum {
                    Some(sum) => (sum + hidden)?,
                    None => hidden.clone(),
                });
            }
            Ok(())
        })?;
        match sum {
            Some(sum) => Ok((sum, last)),
            None => candle_core::bail!("no hidden state in {layers:?} of {}", self.hidden_entries()),
        }
    }

    /// Scores of the next token, (b, t, vocab), from the last hidden state (b, t, width).
    pub fn logits(&self, last: &Tensor) -> Result<Tensor> {
        self.lm_head.forward(last)
    }

    /// Shows `visit` every hidden state as it is made and returns the last.
    fn run(
        &self,
        embeds: &Tensor,
        padding: Option<&Tensor>,
        mut cache: Option<&mut KvCache>,
        mut visit: impl FnMut(usize, &Tensor) -> Result<()>,
    ) -> Result<Tensor> {
        let (past, t) = (cache.as_ref().map_or(0, |cache| cache.len()), embeds.dim(1)?);
        let rotation = self.rope.at(past, t, embeds.dtype())?;
        let mask = mask::additive(past, t, padding, embeds)?; // (1 or b, 1, t, past + t)
        let mut hidden = embeds.clone();
        for (layer, block) in self.layers.iter().enumerate() {
            visit(layer, &hidden)?;
            let cache = cache.as_deref_mut().map(|cache| (cache, layer));
            hidden = block.forward(&hidden, &rotation, mask.as_ref(), cache)?; // (b, t, width)
        }
        let last = self.norm.forward(&hidden)?; // (b, t, width)
        visit(self.layers.len(), &last)?;
        Ok(last)
    }
}

fn head(embed_tokens: &Embedding, vb: &VarBuilder, cfg: &Config) -> Result<Linear> {
    if !cfg.tie_word_embeddings {
        return linear_no_bias(cfg.hidden_size, cfg.vocab_size, vb.pp("lm_head"));
    }
    // Some files store the tied table a second time. It is read so that its shape is checked; the embeddings count.
    if vb.contains_tensor("lm_head.weight") {
        linear_no_bias(cfg.hidden_size, cfg.vocab_size, vb.pp("lm_head"))?;
    }
    Ok(Linear::new(embed_tokens.embeddings().clone(), None))
}
