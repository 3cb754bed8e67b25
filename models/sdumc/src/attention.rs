//! The cross-attention of both stages (equations 1 and 2): the frames are the values, a tanh of them the keys.

use candle_core::{D, DType, Result, Tensor};
use candle_nn::{Init, Linear, Module, VarBuilder};

use crate::layers::linear;

/// 1 / tau of equation 2.
const SOFTMAX_SCALE: f64 = 0.3;

/// Frames of one modality after step 1, with what their padding adds to attention scores.
#[derive(Clone, Debug)]
pub struct Frames {
    /// (b, t, D)
    pub rows: Tensor,
    /// (b, 1, t): 0 or -inf; `None` where every frame takes part.
    pub score_bias: Option<Tensor>,
}

/// Stage 1: pools the frames by one learnt query.
#[derive(Clone, Debug)]
pub struct QueryAttention {
    input_proj: Linear,
    /// (1, D)
    context: Tensor,
}

impl QueryAttention {
    /// Reads `input_proj` and `attention_context_vector`.
    pub fn load(vb: &VarBuilder, dim: usize) -> Result<Self> {
        // Xavier normal of a (1, D) matrix.
        let gaussian = Init::Randn { mean: 0.0, stdev: (2.0 / (1 + dim) as f64).sqrt() };
        let context = vb.get_with_hints((1, dim), "attention_context_vector", gaussian)?;
        Ok(Self { input_proj: linear(dim, dim, &vb.pp("input_proj"))?, context })
    }

    /// The weighted sum of the frames, (b, D).
    pub fn forward(&self, frames: &Frames) -> Result<Tensor> {
        let (b, _, dim) = frames.rows.dims3()?;
        let query = self.context.broadcast_as((b, 1, dim))?.contiguous()?; // (b, 1, D)
        attend(frames, &self.input_proj, &query)?.squeeze(1) // (b, D)
    }
}

/// Stage 2: pools the frames by each query of a stack.
#[derive(Clone, Debug)]
pub struct CrossAttention {
    input_proj: Linear,
    query_proj: Linear,
}

impl CrossAttention {
    /// Reads `input_proj` and `query_proj`.
    pub fn load(vb: &VarBuilder, dim: usize) -> Result<Self> {
        let load = |name: &str| linear(dim, dim, &vb.pp(name));
        Ok(Self { input_proj: load("input_proj")?, query_proj: load("query_proj")? })
    }

    /// One weighted sum of the frames for each of `queries` (b, n, D): (b, n, D).
    pub fn forward(&self, queries: &Tensor, frames: &Frames) -> Result<Tensor> {
        attend(frames, &self.input_proj, &self.query_proj.forward(queries)?)
    }
}

/// `queries` (b, n, D) over the frames (b, t, D): (b, n, D).
fn attend(frames: &Frames, input_proj: &Linear, queries: &Tensor) -> Result<Tensor> {
    let keys = input_proj.forward(&frames.rows)?.tanh()?; // (b, t, D)
    let scores = (queries.matmul(&keys.t()?)? * SOFTMAX_SCALE)?; // (b, n, t)
    let scores = match &frames.score_bias {
        Some(bias) => scores.broadcast_add(bias)?,
        None => scores,
    };
    softmax(&scores)?.matmul(&frames.rows) // (b, n, D)
}

/// Softmax over the last dimension, of operations that all have a gradient. The shift by the maximum cancels out, so
/// none flows through it. In f32: hundreds of small weights would not sum up to 1 in half precision.
fn softmax(scores: &Tensor) -> Result<Tensor> {
    let x = scores.to_dtype(DType::F32)?;
    let exp = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?.exp()?;
    exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)?.to_dtype(scores.dtype())
}
