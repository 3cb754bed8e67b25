//! The cross-attention of both stages (equations 1 and 2): the frames are the values, a tanh of them the keys.

use affekt_nn::dropout::Dropout;
use affekt_nn::trainable::{Frames, attend};
use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::layers::Linear;

/// 1 / tau of equation 2.
const SOFTMAX_SCALE: f64 = 0.3;

/// Stage 1: pools the frames by one learnt query.
#[derive(Clone, Debug)]
pub struct QueryAttention {
    input_proj: Linear,
    /// (1, D)
    context: Tensor,
    dropout: f64,
}

impl QueryAttention {
    /// Reads `input_proj` and `attention_context_vector`. `dropout`: how likely training drops a number, of the frames
    /// and of what they are pooled to.
    pub fn load(vb: &VarBuilder, dim: usize, dropout: f64) -> Result<Self> {
        // Xavier normal of a (1, D) matrix.
        let gaussian = Init::Randn { mean: 0.0, stdev: (2.0 / (1 + dim) as f64).sqrt() };
        let context = vb.get_with_hints((1, dim), "attention_context_vector", gaussian)?;
        Ok(Self { input_proj: Linear::load(dim, dim, &vb.pp("input_proj"))?, context, dropout })
    }

    /// The weighted sum of the frames (b, t, D), (b, D).
    pub fn forward(&self, frames: &Frames, dropout: Dropout) -> Result<Tensor> {
        let (b, dim) = (frames.rows().dim(0)?, self.context.dim(1)?);
        let query = self.context.broadcast_as((b, 1, dim))?.contiguous()?; // (b, 1, D)
        found(frames, &self.input_proj, &query, dropout, self.dropout)?.squeeze(1) // (b, D)
    }
}

/// Stage 2: pools the frames by each query of a stack.
#[derive(Clone, Debug)]
pub struct CrossAttention {
    input_proj: Linear,
    query_proj: Linear,
    dropout: f64,
}

impl CrossAttention {
    /// Reads `input_proj` and `query_proj`. `dropout` as in [`QueryAttention::load`].
    pub fn load(vb: &VarBuilder, dim: usize, dropout: f64) -> Result<Self> {
        let load = |name: &str| Linear::load(dim, dim, &vb.pp(name));
        Ok(Self { input_proj: load("input_proj")?, query_proj: load("query_proj")?, dropout })
    }

    /// One weighted sum of the frames (b, t, D) for each of `queries` (b, n, D): (b, n, D).
    pub fn forward(&self, queries: &Tensor, frames: &Frames, dropout: Dropout) -> Result<Tensor> {
        let queries = self.query_proj.forward(queries)?; // (b, n, D)
        found(frames, &self.input_proj, &queries, dropout, self.dropout)
    }
}

/// What `queries` (b, n, D) find in the frames, (b, n, D), with a dropout before and one after.
fn found(
    frames: &Frames,
    input_proj: &Linear,
    queries: &Tensor,
    dropout: Dropout,
    rate: f64,
) -> Result<Tensor> {
    let found = attend(frames, input_proj.keys(), queries, SOFTMAX_SCALE, dropout.at("frames"), rate)?;
    dropout.at("found").apply(&found, rate)
}
