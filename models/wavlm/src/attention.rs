//! Multi-head self-attention with a gated relative position bias (Chen et al. 2022, section 3.1).

use affekt_nn::gated_attention::{Gate, PositionBias, gated_attention};
use affekt_nn::lengths::Lengths;
use affekt_nn::linear::Linear;
use affekt_nn::norm::LayerNorm;
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use crate::config::Config;

/// What attention needs to know of a batch, in every layer.
pub(crate) struct Context {
    /// By relative position, before the gate.
    pub bias: PositionBias,
    /// Valid frames of each clip, where some are padding.
    pub frames: Option<Lengths>,
}

pub(crate) struct Attention {
    /// Queries (with the scores' factor), keys and values, side by side.
    input: Linear,
    output: Linear,
    gate: Gate,
}

impl Attention {
    pub fn load(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let width = cfg.hidden_size;
        let load = |name: &str| -> Result<(Tensor, Tensor)> {
            let vb = vb.pp(name);
            Ok((vb.get((width, width), "weight")?, vb.get(width, "bias")?))
        };
        let (query, key, value) = (load("q_proj")?, load("k_proj")?, load("v_proj")?);
        let factor = ((width / cfg.heads) as f64).powf(-0.5);
        let weight = Tensor::cat(&[&(query.0 * factor)?, &key.0, &value.0], 0)?; // (3 hidden, hidden)
        let bias = Tensor::cat(&[&(query.1 * factor)?, &key.1, &value.1], 0)?; // (3 hidden)
        Ok(Self {
            input: Linear::new(&weight, Some(bias))?,
            output: Linear::load(&vb.pp("out_proj"), width, width, true)?,
            gate: load_gate(vb, cfg)?,
        })
    }

    /// attention(x) + residual, and its norm: (b, t, hidden), (b, t, hidden) -> twice (b, t, hidden)
    pub fn forward_add_norm(
        &self,
        x: &Tensor,
        residual: &Tensor,
        norm: &LayerNorm,
        context: &Context,
    ) -> Result<(Tensor, Tensor)> {
        let (qkv, bias) = self.input.forward_apart(x)?; // (b, t, 3 hidden)
        let gates = self.gate.forward(x)?; // (b, t, h)
        let mixed = gated_attention(&qkv, bias, &gates, &context.bias, context.frames.as_ref())?; // (b, t, hidden)
        self.output.forward_add_norm(&mixed, residual, norm)
    }
}

fn load_gate(vb: &VarBuilder, cfg: &Config) -> Result<Gate> {
    let width = cfg.hidden_size / cfg.heads;
    let linear = vb.pp("gru_rel_pos_linear");
    // The eight outputs are two sums of four: the sum of the rows gives the same with two outputs.
    let weight = linear.get((8, width), "weight")?.reshape((2, 4, width))?.sum(1)?; // (2, d)
    let bias = linear.get(8, "bias")?.reshape((2, 4))?.sum(1)?; // (2)
    let constant = vb.get((1, cfg.heads, 1, 1), "gru_rel_pos_const")?.flatten_all()?; // (h)
    Gate::new(&weight, &bias, &constant)
}
