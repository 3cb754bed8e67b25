//! Attention whose values are the frames and whose keys are a tanh of their projection.

mod clip;
mod kernel;
mod tanh;

use candle_core::{D, DType, Result, Tensor, bail};

use super::{Frames, card, linear};
use crate::cpu::takes;
use crate::dropout::Dropout;
use crate::kernels;
use kernel::Attend;

/// How frames become keys: tanh(x W' + b).
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    /// (D, D), as PyTorch lays it out: outputs, inputs.
    pub weight: &'a Tensor,
    /// (D)
    pub bias: &'a Tensor,
}

/// What each of `queries` (b, n, D) finds in the frames (b, t, D): (b, n, D).
///
/// x = `dropout` of the frames at the rate `p`, key = tanh(x W' + b), weight = softmax over the frames of
/// `scale` * (key . query), result = the sum of weight * x. Source: equations 1 and 2 of the SDUMC paper.
///
/// # Errors
/// Shapes that do not fit each other, and a rate outside of [0, 1).
pub fn attend(
    frames: &Frames,
    keys: Keys,
    queries: &Tensor,
    scale: f64,
    dropout: Dropout,
    p: f64,
) -> Result<Tensor> {
    let (b, _, dim) = frames.tracked().dims3()?;
    if keys.weight.dims() != [dim, dim] || keys.bias.dims() != [dim] {
        let (weight, bias) = (keys.weight.dims(), keys.bias.dims());
        bail!("a projection of weight {weight:?} and bias {bias:?} for frames of width {dim}");
    }
    if !matches!(queries.dims(), &[batch, n, width] if batch == b && n > 0 && width == dim) {
        bail!("queries {:?} for frames {:?}", queries.dims(), frames.tracked().dims());
    }
    let all = [frames.tracked(), keys.weight, keys.bias, queries];
    let one_type = all.iter().all(|x| x.dtype() == queries.dtype());
    if all.into_iter().all(kernels::take) && one_type && queries.dim(1)? <= card::QUERIES {
        return card::attend(frames, keys, queries, scale, dropout.mask(p)?);
    }
    match all.into_iter().all(takes) {
        true => {
            let joined = Tensor::cat(&[keys.weight, &keys.bias.unsqueeze(1)?], 1)?; // (D, D + 1)
            let (joined, queries) = (joined.contiguous()?, queries.contiguous()?);
            Attend::new(frames, scale, dropout.mask(p)?).apply(frames, &joined, &queries)
        }
        false => composed(frames, keys, queries, scale, dropout, p),
    }
}

/// Of candle's operations.
fn composed(
    frames: &Frames,
    keys: Keys,
    queries: &Tensor,
    scale: f64,
    dropout: Dropout,
    p: f64,
) -> Result<Tensor> {
    let x = dropout.apply(frames.tracked(), p)?; // (b, t, D)
    let keys = linear(&x, keys.weight, keys.bias)?.tanh()?; // (b, t, D)
    let scores = queries.matmul(&keys.t()?)?; // (b, n, t)
    let wide = if scores.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let scores = (scores.to_dtype(wide)? * scale)?;
    let scores = match frames.score_bias()? {
        Some(bias) => scores.broadcast_add(&bias.to_dtype(wide)?)?,
        None => scores,
    };
    // The shift by the maximum cancels out, so none flows through it. At least in f32: hundreds of small weights would not
    // sum up to 1 in half precision.
    let exp = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
    let weights = exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)?.to_dtype(x.dtype())?; // (b, n, t)
    weights.matmul(&x) // (b, n, D)
}

#[cfg(test)]
mod tests;
