//! One layer: attention and gated MLP, each behind its norm and beside a residual stream.

use affekt_nn::finite::Gate;
use affekt_nn::kv_cache::{KvCache, Plan};
use affekt_nn::masked_softmax::Causal;
use affekt_nn::rms_norm::RmsNorm;
use affekt_nn::rotary::Rotation;
use affekt_nn::swiglu::{swiglu, swiglu_joined};
use candle_core::{Result, Tensor};

use crate::Config;
use crate::attention::Attention;
use crate::source::{Projection, Projections, Source};

/// What all layers of one forward pass share.
pub(crate) struct Pass {
    pub rotation: Rotation,
    /// What positions see where there is no cache.
    pub causal: Option<Causal>,
    pub gate: Gate,
}

/// What one layer remembers of past positions, and the new ones.
pub(crate) struct Memory<'m> {
    pub cache: &'m mut KvCache,
    pub plan: &'m Plan<'m>,
    pub layer: usize,
}

/// SwiGLU (Shazeer 2020): the gate decides what of the upward projection comes down again.
#[derive(Clone, Debug)]
struct Mlp {
    /// gate_proj and up_proj
    gate_up_proj: Projections<2>,
    down_proj: Projection,
}

impl Mlp {
    fn load(source: &Source, cfg: &Config) -> Result<Self> {
        let (width, inner, bias) = (cfg.hidden_size, cfg.intermediate_size, cfg.mlp_bias);
        Ok(Self {
            gate_up_proj: source.projections(width, [("gate_proj", inner), ("up_proj", inner)], bias)?,
            down_proj: source.pp("down_proj").projection(inner, width, bias)?,
        })
    }

    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let inner = match &self.gate_up_proj {
            Projections::Joined(gate_up) => swiglu_joined(&gate_up.forward(xs)?)?,
            Projections::Apart([gate, up]) => swiglu(&gate.forward(xs)?, &up.forward(xs)?)?,
        }; // (b, t, inner)
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

    /// The norm before it.
    pub fn norm(&self) -> &RmsNorm {
        &self.input_layernorm
    }

    /// Takes the residual stream and its norm, (b, t, width) each, and gives both behind layer `layer`, where the norm is
    /// `next`: sum and norm are one step.
    pub fn forward(
        &self,
        (xs, normed): (&Tensor, &Tensor),
        pass: &Pass,
        layer: usize,
        memory: Option<Memory>,
        next: &RmsNorm,
    ) -> Result<(Tensor, Tensor)> {
        let attended = self.self_attn.forward(normed, pass, memory)?;
        let (xs, normed) = self.post_attention_layernorm.forward_add(xs, &attended)?;
        let xs = pass.gate.pass(|| format!("layers.{layer}.self_attn"), xs)?;
        let (xs, normed) = next.forward_add(&xs, &self.mlp.forward(&normed)?)?;
        Ok((pass.gate.pass(|| format!("layers.{layer}.mlp"), xs)?, normed))
    }
}
