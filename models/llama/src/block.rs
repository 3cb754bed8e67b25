//! One layer: attention and gated MLP, each behind its norm and beside a residual stream.

use affekt_generate::Batch;
use affekt_nn::finite::Gate;
use affekt_nn::kv_cache::KvCache;
use affekt_nn::rms_norm::RmsNorm;
use affekt_nn::swiglu::swiglu;
use candle_core::{Result, Tensor};

use crate::Config;
use crate::attention::Attention;
use crate::rope::Rotation;
use crate::source::{Projection, Source};

/// What all layers of one forward pass share.
pub(crate) struct Pass {
    pub rotation: Rotation,
    /// Added to the scores, (1 or b, 1, t, t), where there is no cache.
    pub mask: Option<Tensor>,
    pub gate: Gate,
}

/// What one layer remembers of past positions, and the new ones.
pub(crate) struct Memory<'m> {
    pub cache: &'m mut KvCache,
    pub batch: &'m Batch<'m>,
    pub layer: usize,
}

/// SwiGLU (Shazeer 2020): the gate decides what of the upward projection comes down again.
#[derive(Clone, Debug)]
struct Mlp {
    gate_proj: Projection,
    up_proj: Projection,
    down_proj: Projection,
}

impl Mlp {
    fn load(source: &Source, cfg: &Config) -> Result<Self> {
        let (width, inner, bias) = (cfg.hidden_size, cfg.intermediate_size, cfg.mlp_bias);
        Ok(Self {
            gate_proj: source.pp("gate_proj").projection(width, inner, bias)?,
            up_proj: source.pp("up_proj").projection(width, inner, bias)?,
            down_proj: source.pp("down_proj").projection(inner, width, bias)?,
        })
    }

    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let inner = swiglu(&self.gate_proj.forward(xs)?, &self.up_proj.forward(xs)?)?; // (b, t, inner)
        self.down_proj.forward(&inner) // (b, t, width)
    }
}

/// A Llama layer.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    input_layernorm: RmsNorm,
    self_attn: Attention,
    post_attention_layernorm: RmsNorm,
    mlp: Mlp,
}

impl Block {
    pub fn load(source: &Source, cfg: &Config) -> Result<Self> {
        Ok(Self {
            input_layernorm: source.pp("input_layernorm").norm(cfg)?,
            self_attn: Attention::load(&source.pp("self_attn"), cfg)?,
            post_attention_layernorm: source.pp("post_attention_layernorm").norm(cfg)?,
            mlp: Mlp::load(&source.pp("mlp"), cfg)?,
        })
    }

    /// (b, t, width) -> (b, t, width), as layer `layer`.
    pub fn forward(&self, xs: &Tensor, pass: &Pass, layer: usize, memory: Option<Memory>) -> Result<Tensor> {
        let normed = self.input_layernorm.forward(xs)?;
        let xs = (xs + self.self_attn.forward(&normed, pass, memory)?)?;
        let xs = pass.gate.pass(|| format!("layers.{layer}.self_attn"), xs)?;
        let normed = self.post_attention_layernorm.forward(&xs)?;
        let xs = (&xs + self.mlp.forward(&normed)?)?;
        pass.gate.pass(|| format!("layers.{layer}.mlp"), xs)
    }
}
