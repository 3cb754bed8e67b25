//! The language model.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use affekt_nn::finite::{Gate, gated};
use affekt_nn::kv_cache::KvCache;
use affekt_nn::rms_norm::RmsNorm;
use affekt_nn::rotary::Pairs;
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use crate::Config;
use crate::block::{Block, Pass};
use crate::mask;
use crate::rope::Rope;
use crate::source::{Embeddings, Projection, Source};

/// What errors call it.
const NAME: &str = "llama";

/// Llama (Touvron et al. 2023), as transformers' `LlamaForCausalLM` computes it.
///
/// NaN and infinity never leave it: they are an error that names the first layer that made them.
#[derive(Clone, Debug)]
pub struct Llama {
    embed_tokens: Embeddings,
    layers: Vec<Block>,
    norm: RmsNorm,
    lm_head: Projection,
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
    pub fn load(vb: VarBuilder, cfg: &Config) -> Result<Self> {
        let device = vb.device().clone();
        let rope = Rope::new(cfg.head_dim, cfg.rope_theta, Pairs::Halves, &device)?;
        Self::from_source(&Source::Dense(vb), rope, cfg)
    }

    pub(crate) fn from_source(source: &Source, rope: Rope, cfg: &Config) -> Result<Self> {
        let layers =
            (0..cfg.num_hidden_layers).map(|at| Block::load(&source.pp(&format!("layers.{at}")), cfg));
        let layers = layers.collect::<Result<_>>()?;
        let norm = source.pp("norm").norm(cfg)?;
        let (embed_tokens, lm_head) = source.ends(cfg)?;
        Ok(Self { embed_tokens, layers, norm, lm_head, rope })
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
        let forward = |gate: Gate, cache: Option<&mut KvCache>| {
            let mut hidden_states = Vec::with_capacity(self.hidden_entries());
            let last = self.run(gate, embeds, padding, cache, |_, hidden| {
                hidden_states.push(hidden.clone());
                Ok(())
            })?;
            Ok(Output { hidden_states, logits: self.head(gate, &last)? })
        };
        // What is not finite in a layer is not finite in all later ones: they need no look.
        watched(cache, forward, |output| vec![&output.logits])
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
        let forward = |gate: Gate, cache: Option<&mut KvCache>| {
            let mut sum: Option<Tensor> = None;
            let last = self.run(gate, embeds, padding, cache, |entry, hidden| {
                if layers.contains(&entry) {
                    sum = Some(match &sum {
                        Some(sum) => (sum + hidden)?,
                        None => hidden.clone(),
                    });
                }
                Ok(())
            })?;
            match sum {
                Some(sum) => Ok((gate.pass(|| "the sum of its hidden states".into(), sum)?, last)),
                None => candle_core::bail!("no hidden state in {layers:?} of {}", self.hidden_entries()),
            }
        };
        watched(cache, forward, |(sum, last)| vec![sum, last])
    }

    /// Scores of the next token, (b, t, vocab), from the last hidden state (b, t, width).
    pub fn logits(&self, last: &Tensor) -> Result<Tensor> {
        gated(NAME, |gate| self.head(gate, last), |logits| vec![logits])
    }

    fn head(&self, gate: Gate, last: &Tensor) -> Result<Tensor> {
        gate.check(|| "the last hidden state".into(), last)?;
        gate.pass(|| "lm_head".into(), self.lm_head.forward(last)?)
    }

    /// Shows `visit` every hidden state as it is made and returns the last.
    fn run(
        &self,
        gate: Gate,
        embeds: &Tensor,
        padding: Option<&Tensor>,
        mut cache: Option<&mut KvCache>,
        mut visit: impl FnMut(usize, &Tensor) -> Result<()>,
    ) -> Result<Tensor> {
        let (past, t) = (cache.as_ref().map_or(0, |cache| cache.len()), embeds.dim(1)?);
        let pass = Pass {
            rotation: self.rope.at(past, t, embeds.dtype())?,
            mask: mask::additive(past, t, padding, embeds)?, // (1 or b, 1, t, past + t)
            past,
            gate,
        };
        let embeds = mask::without_padding(embeds, padding)?;
        let mut hidden = gate.pass(|| "the input embeddings".into(), embeds)?;
        for (layer, block) in self.layers.iter().enumerate() {
            visit(layer, &hidden)?;
            hidden = block.forward(&hidden, &pass, layer, cache.as_deref_mut())?; // (b, t, width)
        }
        let last = gate.pass(|| "norm".into(), self.norm.forward(&hidden)?)?; // (b, t, width)
        visit(self.layers.len(), &last)?;
        Ok(last)
    }
}

/// [`gated`], for a pass that writes to a cache: a second pass starts where the first one did, and one that failed
/// leaves nothing behind.
fn watched<T>(
    cache: Option<&mut KvCache>,
    forward: impl Fn(Gate, Option<&mut KvCache>) -> Result<T>,
    outputs: impl Fn(&T) -> Vec<&Tensor>,
) -> Result<T> {
    let past = cache.as_ref().map_or(0, |cache| cache.len());
    let cache = RefCell::new(cache);
    let again = |gate: Gate| {
        let mut cache = cache.borrow_mut();
        if let Some(cache) = cache.as_deref_mut() {
            cache.truncate(past);
        }
        forward(gate, cache.as_deref_mut())
    };
    let result = gated(NAME, again, outputs);
    if let (Err(_), Some(cache)) = (&result, cache.into_inner()) {
        cache.truncate(past);
    }
    result
}
