//! The language model.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use affekt_generate::Batch;
use affekt_nn::finite::{Gate, gated};
use affekt_nn::kv_cache::{KvCache, Plan, Shape};
use affekt_nn::masked_softmax::Causal;
use affekt_nn::rms_norm::RmsNorm;
use affekt_nn::rotary::Pairs;
use candle_core::{Device, Result, Tensor};
use candle_nn::VarBuilder;

use crate::Config;
use crate::block::{Block, Memory, Pass};
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
    width: usize,
    vocab: usize,
    sliding_window: Option<usize>,
    /// What a cache holds of a position, and where.
    cached: Shape,
    device: Device,
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
        let rope = Rope::new(cfg, Pairs::Halves, &device)?;
        Self::from_source(&Source::Dense(vb), rope, cfg)
    }

    pub(crate) fn from_source(source: &Source, rope: Rope, cfg: &Config) -> Result<Self> {
        let layers =
            (0..cfg.num_hidden_layers).map(|at| Block::load(&source.pp(&format!("layers.{at}")), cfg));
        let layers = layers.collect::<Result<_>>()?;
        let norm = source.pp("norm").norm(cfg)?;
        let (embed_tokens, lm_head) = source.ends(cfg)?;
        let cached = Shape {
            layers: cfg.num_hidden_layers,
            heads: cfg.num_key_value_heads,
            head_dim: cfg.head_dim,
            dtype: source.dtype(),
        };
        let (width, vocab, device) = (cfg.hidden_size, cfg.vocab_size, source.device().clone());
        let sliding_window = cfg.sliding_window;
        Ok(Self { embed_tokens, layers, norm, lm_head, rope, width, vocab, sliding_window, cached, device })
    }

    /// Embeds token ids (b, t) as (b, t, width).
    pub fn embed(&self, ids: &Tensor) -> Result<Tensor> {
        self.embed_tokens.forward(ids)
    }

    /// How many hidden states there are: the embeddings and one for every layer.
    pub fn hidden_entries(&self) -> usize {
        self.layers.len() + 1
    }

    /// Numbers in an embedding and in a hidden state.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Tokens that it scores.
    pub fn vocab(&self) -> usize {
        self.vocab
    }

    /// What a cache holds of one position.
    pub fn cached(&self) -> Shape {
        self.cached
    }

    /// An empty cache for `slots` positions.
    pub fn new_cache(&self, slots: usize) -> Result<KvCache> {
        KvCache::new(self.cached, slots, &self.device)
    }

    /// All hidden states and the logits of `embeds` (b, t, width).
    ///
    /// `padding` (b, t) is 1 for positions that are there and 0 for padding, left or right; valid rows are then as
    /// without it, padded rows mean nothing.
    pub fn forward(&self, embeds: &Tensor, padding: Option<&Tensor>) -> Result<Output> {
        let forward = |gate: Gate| {
            let mut hidden_states = Vec::with_capacity(self.hidden_entries());
            let last = self.run(gate, embeds, Sight::Whole(padding), |_, hidden| {
                hidden_states.push(hidden.clone());
                Ok(())
            })?;
            Ok(Output { hidden_states, logits: self.head(gate, &last)? })
        };
        // What is not finite in a layer is not finite in all later ones: they need no look.
        gated(NAME, forward, |output| vec![&output.logits])
    }

    /// Sum of the hidden states `layers` of `embeds` (b, t, width), and the last hidden state, which
    /// [`Self::logits`] takes; both (b, t, width). Keeps no others in memory.
    ///
    /// `padding` as in [`Self::forward`]; or `memory`, in which case `embeds` (1, n, width) are the new positions of a
    /// batch and are written to their slots in the cache. What a row gives then does not depend on the rows beside it: on
    /// the CPU with dense weights in f32 to the last bit, with quantised ones as nearly as their kernels agree.
    pub fn hidden_sum(
        &self,
        embeds: &Tensor,
        padding: Option<&Tensor>,
        memory: Option<(&Batch, &mut KvCache)>,
        layers: &RangeInclusive<usize>,
    ) -> Result<(Tensor, Tensor)> {
        let memory = RefCell::new(memory);
        let forward = |gate: Gate| {
            let mut memory = memory.borrow_mut();
            let sight = match (&mut *memory, padding) {
                (None, padding) => return self.summed(gate, embeds, Sight::Whole(padding), layers),
                (Some((batch, cache)), None) => Sight::Cached(batch, cache),
                (Some(_), Some(_)) => candle_core::bail!("a batch over a cache has no padding"),
            };
            self.summed(gate, embeds, sight, layers)
        };
        gated(NAME, forward, |(sum, last)| vec![sum, last])
    }

    /// [`Self::hidden_sum`] of new positions, of which nobody has looked whether they are finite.
    pub(crate) fn unwatched(
        &self,
        embeds: &Tensor,
        batch: &Batch,
        cache: &mut KvCache,
        layers: &RangeInclusive<usize>,
    ) -> Result<(Tensor, Tensor)> {
        self.summed(Gate::asleep(NAME), embeds, Sight::Cached(batch, cache), layers)
    }

    /// [`Self::logits`], of which nobody has looked whether they are finite.
    pub(crate) fn unwatched_logits(&self, last: &Tensor) -> Result<Tensor> {
        self.head(Gate::asleep(NAME), last)
    }

    fn summed(
        &self,
        gate: Gate,
        embeds: &Tensor,
        sight: Sight,
        layers: &RangeInclusive<usize>,
    ) -> Result<(Tensor, Tensor)> {
        let mut sum: Option<Tensor> = None;
        let last = self.run(gate, embeds, sight, |entry, hidden| {
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
        sight: Sight,
        mut visit: impl FnMut(usize, &Tensor) -> Result<()>,
    ) -> Result<Tensor> {
        let (embeds, pass, mut cached) = self.prepare(gate, embeds, sight)?;
        let mut hidden = gate.pass(|| "the input embeddings".into(), embeds)?;
        let mut normed = self.norm_before(0).forward(&hidden)?;
        for (layer, block) in self.layers.iter().enumerate() {
            visit(layer, &hidden)?;
            let memory = cached.as_mut().map(|(plan, cache)| Memory { cache, plan, layer });
            let next = self.norm_before(layer + 1);
            (hidden, normed) = block.forward((&hidden, &normed), &pass, layer, memory, next)?; // (b, t, width) each
        }
        let last = gate.pass(|| "norm".into(), normed)?; // (b, t, width)
        visit(self.layers.len(), &last)?;
        Ok(last)
    }

    /// The norm before layer `layer`, or behind the last one.
    fn norm_before(&self, layer: usize) -> &RmsNorm {
        self.layers.get(layer).map_or(&self.norm, Block::norm)
    }

    /// The input without padding, what all layers share, and the cache with the plan for it.
    fn prepare<'s>(
        &self,
        gate: Gate,
        embeds: &Tensor,
        sight: Sight<'s>,
    ) -> Result<(Tensor, Pass, Cached<'s>)> {
        let longest = match &sight {
            Sight::Whole(_) => embeds.dim(1)?,
            Sight::Cached(batch, _) => batch.positions.iter().max().map_or(0, |last| *last as usize + 1),
        };
        if let Some(window) = self.sliding_window.filter(|window| longest > *window) {
            candle_core::bail!(
                "a text of {longest} positions, each of which would see the last {window} only (sliding_window), \
                 which is not built: shorten the text"
            );
        }
        match sight {
            Sight::Whole(padding) => {
                let positions = Tensor::arange(0, embeds.dim(1)? as u32, embeds.device())?;
                let rotation = self.rope.at(&positions, embeds.dtype())?;
                let causal = Some(Causal::new(padding, embeds)?);
                Ok((mask::without_padding(embeds, padding)?, Pass { rotation, causal, gate }, None))
            }
            Sight::Cached(batch, cache) => {
                let plan = cache.plan(&batch.positions, &batch.slots, &batch.groups)?;
                let rotation = self.rope.at(plan.positions(), embeds.dtype())?;
                Ok((embeds.clone(), Pass { rotation, causal: None, gate }, Some((plan, cache))))
            }
        }
    }
}

/// The cache of a pass over new positions, and the plan for it.
type Cached<'s> = Option<(Plan<'s>, &'s mut KvCache)>;

/// What positions see.
enum Sight<'s> {
    /// Whole sequences, padded where this says so.
    Whole(Option<&'s Tensor>),
    /// New positions, and past ones in a cache.
    Cached(&'s Batch<'s>, &'s mut KvCache),
}
