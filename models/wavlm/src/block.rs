//! Transformer block: attention and feed-forward network, each with a layer norm and a residual connection.

use affekt_nn::finite::Gate;
use affekt_nn::linear::Linear;
use affekt_nn::norm::LayerNorm;
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use crate::attention::{Attention, Context};
use crate::config::Config;

struct Mlp {
    up: Linear,
    down: Linear,
}

impl Mlp {
    fn load(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let (width, inner) = (cfg.hidden_size, cfg.intermediate_size);
        let up = Linear::load(&vb.pp("intermediate_dense"), width, inner, true)?;
        let down = Linear::load(&vb.pp("output_dense"), inner, width, true)?;
        Ok(Self { up, down })
    }

    /// mlp(x) + residual: (b, t, hidden), (b, t, hidden) -> (b, t, hidden)
    fn forward_add(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        let x = self.up.forward_gelu(x)?; // (b, t, intermediate)
        self.down.forward_add(&x, residual)
    }

    /// mlp(x) + x, and its norm: (b, t, hidden) -> twice (b, t, hidden)
    fn forward_add_norm(&self, x: &Tensor, norm: &LayerNorm) -> Result<(Tensor, Tensor)> {
        self.down.forward_add_norm(&self.up.forward_gelu(x)?, x, norm)
    }
}

pub(crate) struct Block {
    attention: Attention,
    attention_norm: LayerNorm,
    mlp: Mlp,
    mlp_norm: LayerNorm,
    pre_norm: bool,
    /// In the checkpoint.
    name: String,
}

impl Block {
    pub fn load(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let norm = |name| LayerNorm::load(&vb.pp(name), cfg.hidden_size, cfg.layer_norm_eps);
        Ok(Self {
            attention: Attention::load(&vb.pp("attention"), cfg)?,
            attention_norm: norm("layer_norm")?,
            mlp: Mlp::load(&vb.pp("feed_forward"), cfg)?,
            mlp_norm: norm("final_layer_norm")?,
            pre_norm: cfg.pre_norm,
            name: vb.prefix(),
        })
    }

    /// (b, t, hidden) -> (b, t, hidden)
    pub fn forward(&self, x: &Tensor, context: &Context, gate: Gate) -> Result<Tensor> {
        let name = |part: &'static str| move || format!("{}.{part}", self.name);
        if self.pre_norm {
            let normed = gate.pass(name("layer_norm"), self.attention_norm.forward(x)?)?;
            let (x, normed) = self.attention.forward_add_norm(&normed, x, &self.mlp_norm, context)?;
            gate.check(name("attention"), &x)?;
            let normed = gate.pass(name("final_layer_norm"), normed)?;
            gate.pass(name("feed_forward"), self.mlp.forward_add(&normed, &x)?)
        } else {
            let (sum, x) = self.attention.forward_add_norm(x, x, &self.attention_norm, context)?;
            gate.check(name("attention"), &sum)?;
            let x = gate.pass(name("layer_norm"), x)?;
            let (sum, x) = self.mlp.forward_add_norm(&x, &self.mlp_norm)?;
            gate.check(name("feed_forward"), &sum)?;
            gate.pass(name("final_layer_norm"), x)
        }
    }
}
