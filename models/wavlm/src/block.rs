//! Transformer block: attention and feed-forward network, each with a layer norm and a residual connection.

use candle_core::{Result, Tensor};
use candle_nn::{LayerNorm, Linear, Module, VarBuilder, layer_norm, linear};

use crate::attention::{Attention, AttentionBias};
use crate::config::Config;

struct Mlp {
    up: Linear,
    down: Linear,
}

impl Mlp {
    fn load(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let (width, inner) = (cfg.hidden_size, cfg.intermediate_size);
        let up = linear(width, inner, vb.pp("intermediate_dense"))?;
        let down = linear(inner, width, vb.pp("output_dense"))?;
        Ok(Self { up, down })
    }

    /// (b, t, hidden) -> (b, t, hidden)
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.up.forward(x)?.gelu_erf()?; // (b, t, intermediate)
        self.down.forward(&x)
    }
}

pub(crate) struct Block {
    attention: Attention,
    attention_norm: LayerNorm,
    mlp: Mlp,
    mlp_norm: LayerNorm,
    pre_norm: bool,
}

impl Block {
    pub fn load(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let norm = |name| layer_norm(cfg.hidden_size, cfg.layer_norm_eps, vb.pp(name));
        Ok(Self {
            attention: Attention::load(&vb.pp("attention"), cfg)?,
            attention_norm: norm("layer_norm")?,
            mlp: Mlp::load(&vb.pp("feed_forward"), cfg)?,
            mlp_norm: norm("final_layer_norm")?,
            pre_norm: cfg.pre_norm,
        })
    }

    /// (b, t, hidden) -> (b, t, hidden)
    pub fn forward(&self, x: &Tensor, bias: &AttentionBias) -> Result<Tensor> {
        if self.pre_norm {
            let x = (x + self.attention.forward(&self.attention_norm.forward(x)?, bias)?)?;
            &x + self.mlp.forward(&self.mlp_norm.forward(&x)?)?
        } else {
            let x = self.attention_norm.forward(&(x + self.attention.forward(x, bias)?)?)?;
            self.mlp_norm.forward(&(&x + self.mlp.forward(&x)?)?)
        }
    }
}
