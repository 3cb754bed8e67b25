//! One layer: attention and gated MLP, each behind its norm and beside a residual stream.

use affekt_nn::kv_cache::KvCache;
use candle_core::{Module, Result, Tensor};
use candle_nn::{Linear, RmsNorm, VarBuilder, linear_b, rms_norm};

use crate::Config;
use crate::attention::Attention;
use crate::rope::Rotation;

/// SwiGLU (Shazeer 2020): the gate decides what of the upward projection comes down again.
#[derive(Clone, Debug)]
struct Mlp {
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
}

impl Mlp {
    fn load(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let (width, inner, bias) = (cfg.hidden_size, cfg.intermediate_size, cfg.mlp_bias);
        Ok(Self {
            gate_proj: linear_b(width, inner, bias, vb.pp("gate_proj"))?,
            up_proj: linear_b(width, inner, bias, vb.pp("up_proj"))?,
            down_proj: linear_b(inner, width, bias, vb.pp("down_proj"))?,
        })
    }

    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let gate = self.gate_proj.forward(xs)?.silu()?; // (b, t, inner)
        self.down_proj.forward(&(gate * self.up_proj.forward(xs)?)?) // (b, t, width)
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
    pub fn load(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let norm = |name: &str| rms_norm(cfg.hidden_size, cfg.rms_norm_eps, vb.pp(name));
        Ok(Self {
            input_layernorm: norm("input_layernorm")?,
            self_attn: Attention::load(&vb.pp("self_attn"), cfg)?,
            post_attention_layernorm: norm("post_attention_layernorm")?,
            mlp: Mlp::load(&vb.pp("mlp"), cfg)?,
        })
    }

    /// (b, t, width) -> (b, t, width)
    pub fn forward(
        &self,
        xs: &Tensor,
        rotation: &Rotation,
        mask: Option<&Tensor>,
        cache: Option<(&mut KvCache, usize)>,
    ) -> Result<Tensor> {
        let normed = self.input_layernorm.forward(xs)?;
        let xs = (xs + self.self_attn.forward(&normed, rotation, mask, cache)?)?;
        let normed = self.post_attention_layernorm.forward(&xs)?;
        xs + self.mlp.forward(&normed)?
    }
}
