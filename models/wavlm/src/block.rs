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

    /// mlp(x) + residual, and its norm: (b, t, hidden), (b, t, hidden) -> twice (b, t, hidden)
    fn forward_add_norm(&self, x: &Tensor, residual: &Tensor, norm: &LayerNorm) -> Result<(Tensor, Tensor)> {
        let x = self.up.forward_gelu(x)?; // (b, t, intermediate)
        self.down.forward_add_norm(&x, residual, norm)
    }
}

/// What passes from block to block.
pub(crate) struct Stream {
    /// The hidden state: (b, t, hidden)
    pub state: Tensor,
    /// What comes next reads: in a pre-norm network its norm, else the same.
    pub input: Tensor,
}

/// The norm behind a block of a pre-norm network, the next block's or the last one: computed with the sum before it.
#[derive(Clone, Copy)]
pub(crate) struct Next<'a> {
    pub norm: &'a LayerNorm,
    /// What it belongs to, in the checkpoint.
    pub of: &'a str,
}

impl Next<'_> {
    pub fn name(&self) -> String {
        format!("{}.layer_norm", self.of)
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

    /// The norm that a pre-norm network takes before this block.
    pub fn before(&self) -> Next<'_> {
        Next { norm: &self.attention_norm, of: &self.name }
    }

    /// One block further; `next` is the norm behind it.
    pub fn forward(&self, stream: &Stream, next: Next, context: &Context, gate: Gate) -> Result<Stream> {
        let name = |part: &'static str| move || format!("{}.{part}", self.name);
        let Stream { state, input } = stream;
        if self.pre_norm {
            let (state, normed) = self.attention.forward_add_norm(input, state, &self.mlp_norm, context)?;
            gate.check(name("attention"), &state)?;
            let normed = gate.pass(name("final_layer_norm"), normed)?;
            let (state, input) = self.mlp.forward_add_norm(&normed, &state, next.norm)?;
            let state = gate.pass(name("feed_forward"), state)?;
            Ok(Stream { state, input: gate.pass(|| next.name(), input)? })
        } else {
            let (sum, x) = self.attention.forward_add_norm(input, state, &self.attention_norm, context)?;
            gate.check(name("attention"), &sum)?;
            let x = gate.pass(name("layer_norm"), x)?;
            let (sum, state) = self.mlp.forward_add_norm(&x, &x, &self.mlp_norm)?;
            gate.check(name("feed_forward"), &sum)?;
            let state = gate.pass(name("final_layer_norm"), state)?;
            Ok(Stream { input: state.clone(), state })
        }
    }
}
