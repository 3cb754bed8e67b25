//! Self-attention with a relative position bias that each query gates (Chen et al. 2022, section 3.1).
//!
//! On the CPU in f32, one task is one head of one clip, and its scores exist for some queries at a time only, in the
//! cache: scale, bias, gate, mask and softmax are one pass over them. On a card the products are cuBLAS's and all between
//! them is one pass over the scores. No backward pass.

mod card;
mod gate;
mod kernel;

pub use gate::Gate;

use candle_core::{DType, Result, Tensor, bail};
use candle_nn::ops::softmax_last_dim;

use crate::cpu::takes;
use crate::kernels;
use crate::lengths::Lengths;

/// Bounds the memory of long clips where scores are tensors: they grow with the square of the length. 128 MiB in f32.
const SCORES_AT_ONCE: usize = 1 << 25;

/// The position bias of a clip before any gate.
#[derive(Clone, Debug)]
pub struct PositionBias {
    /// For key - query = -(t - 1) to t - 1: (h, 2 t - 1).
    by_distance: Tensor,
    /// For each query and key, where a kernel of ours does not read the other form: (1, h, t, t).
    by_pair: Option<Tensor>,
}

impl PositionBias {
    /// Takes the bias of each head by distance, for key - query = -(t - 1) to t - 1: (h, 2 t - 1).
    pub fn new(by_distance: &Tensor) -> Result<Self> {
        let by_distance = by_distance.contiguous()?;
        let (heads, distances) = by_distance.dims2()?;
        if distances % 2 == 0 {
            bail!("{distances} distances between keys and queries: their number is odd");
        }
        let frames = distances.div_ceil(2) as u32;
        let by_pair = || -> Result<Tensor> {
            let rows = (0..frames).rev().flat_map(|first| first..first + frames);
            let rows = Tensor::from_iter(rows, by_distance.device())?; // (t * t)
            by_distance.index_select(&rows, 1)?.reshape((1, heads, frames as usize, ())) // (1, h, t, t)
        };
        let kernels = takes(&by_distance) || kernels::take(&by_distance);
        let by_pair = if kernels { None } else { Some(by_pair()?) };
        Ok(Self { by_distance, by_pair })
    }

    /// (h, t)
    fn dims(&self) -> Result<(usize, usize)> {
        let (heads, distances) = self.by_distance.dims2()?;
        Ok((heads, distances.div_ceil(2)))
    }
}

/// softmax(q k' + gate * bias) v for every head.
///
/// `qkv` (b, t, 3 * width) holds queries (already scaled), keys and values side by side, each with its heads side by
/// side; `qkv_bias` (3 * width), where there is one, is still to be added to each frame of it (see
/// [`Linear::forward_apart`](crate::linear::Linear::forward_apart)); `gates` is (b, t, h). Of clip i, the first `frames[i]`
/// frames are valid (all, where it is `None`): the others are no keys, whatever they hold, and their own outputs mean
/// nothing.
///
/// -> (b, t, width), heads side by side.
pub fn gated_attention(
    qkv: &Tensor,
    qkv_bias: Option<&Tensor>,
    gates: &Tensor,
    bias: &PositionBias,
    frames: Option<&Lengths>,
) -> Result<Tensor> {
    let (batch, length, columns) = qkv.dims3()?;
    let (heads, positions) = bias.dims()?;
    let fits = columns % (3 * heads) == 0
        && positions == length
        && gates.dims() == [batch, length, heads]
        && qkv_bias.is_none_or(|bias| bias.dims() == [columns]);
    let valid = frames.map(Lengths::of);
    if !fits || valid.is_some_and(|valid| valid.len() != batch || valid.iter().any(|&f| f > length)) {
        let (qkv, gates) = (qkv.dims(), gates.dims());
        bail!(
            "attention of {heads} heads over {positions} positions got {qkv:?}, gates {gates:?}, {valid:?}"
        );
    }
    if kernels::take(qkv) && bias.by_pair.is_none() {
        return card::attend(qkv, qkv_bias, gates, &bias.by_distance, frames, card::SCORES_AT_ONCE);
    }
    let qkv = &match qkv_bias {
        Some(bias) => qkv.broadcast_add(bias)?,
        None => qkv.clone(),
    };
    if takes(qkv) && takes(gates) && bias.by_pair.is_none() {
        let all = vec![length; batch];
        return kernel::attend(qkv, gates, &bias.by_distance, valid.unwrap_or(&all));
    }
    let rows = SCORES_AT_ONCE / (batch * heads * length).max(1);
    composed(qkv, gates, bias, frames, rows.max(1))
}

/// Of candle's operations, `rows` queries at a time.
fn composed(
    qkv: &Tensor,
    gates: &Tensor,
    bias: &PositionBias,
    frames: Option<&Lengths>,
    rows: usize,
) -> Result<Tensor> {
    let (batch, length, columns) = qkv.dims3()?;
    let (heads, _) = bias.dims()?;
    let qkv = qkv.reshape((batch, length, 3, heads, columns / (3 * heads)))?;
    let part = |at: usize| qkv.narrow(2, at, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous(); // (b, h, t, d)
    let (query, key, value) = (part(0)?, part(1)?.t()?, part(2)?);
    let gates = gates.transpose(1, 2)?.unsqueeze(3)?; // (b, h, t, 1)
    let Some(positions) = &bias.by_pair else {
        bail!("a position bias in f32 on the CPU for attention in {:?}", qkv.dtype());
    };
    let mask = frames.map(|frames| key_mask(frames, length, &qkv)).transpose()?;
    let part = |first: usize| {
        let take = |x: &Tensor| x.narrow(2, first, rows.min(length - first)); // t -> r
        let gated = take(positions)?.broadcast_mul(&take(&gates)?)?; // (b, h, r, t)
        let scores = (take(&query)?.matmul(&key)? + gated)?; // (b, h, r, t)
        let scores = match &mask {
            Some(mask) => scores.broadcast_add(mask)?,
            None => scores,
        };
        softmax(&scores)?.matmul(&value) // (b, h, r, d)
    };
    let parts = (0..length).step_by(rows).map(part).collect::<Result<Vec<_>>>()?;
    Tensor::cat(&parts, 2)?.transpose(1, 2)?.flatten_from(2) // (b, t, width)
}

/// At least in f32: candle adds up in the scores' own type, and a sum of hundreds in f16 is off by a tenth and more.
fn softmax(scores: &Tensor) -> Result<Tensor> {
    if scores.dtype() == DType::F64 {
        return softmax_last_dim(scores);
    }
    softmax_last_dim(&scores.to_dtype(DType::F32)?)?.to_dtype(scores.dtype())
}

/// Zero at valid keys, minus infinity at the others: (b, 1, 1, t), of the type of `like`.
fn key_mask(frames: &Lengths, length: usize, like: &Tensor) -> Result<Tensor> {
    let valid = frames.mask(length)?; // (b, t)
    let zero = Tensor::zeros((), like.dtype(), like.device())?;
    let mask = valid.where_cond(
        &zero.broadcast_as(valid.shape())?,
        &(zero + f64::NEG_INFINITY)?.broadcast_as(valid.shape())?,
    )?;
    mask.unsqueeze(1)?.unsqueeze(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_testkit::assert_close;
    use candle_core::Device;

    fn noise(shape: &[usize]) -> Tensor {
        affekt_testkit::noise(0.0, 1.0, shape)
    }

    fn cast(x: &Tensor, dtype: DType) -> Tensor {
        x.to_dtype(dtype).unwrap()
    }

    fn lengths(of: &[usize]) -> Lengths {
        Lengths::new(of, &Device::Cpu)
    }

    /// In f64 there is no kernel of ours.
    fn composed_f64(qkv: &Tensor, gates: &Tensor, bias: &Tensor, frames: Option<&Lengths>) -> Tensor {
        let bias = PositionBias::new(&cast(bias, DType::F64)).unwrap();
        let got =
            gated_attention(&cast(qkv, DType::F64), None, &cast(gates, DType::F64), &bias, frames).unwrap();
        cast(&got, DType::F32)
    }

    #[test]
    fn the_kernel_is_what_candle_composes() {
        for (batch, length, heads, width) in
            [(1, 1, 1, 2), (2, 20, 4, 8), (1, 700, 2, 64), (3, 33, 2, 5), (1, 1031, 1, 8)]
        {
            let qkv = (noise(&[batch, length, 3 * heads * width]) * (width as f64).powf(-0.25)).unwrap();
            let gates = (noise(&[batch, length, heads]) * 0.3).unwrap();
            let bias = noise(&[heads, 2 * length - 1]);
            let want = composed_f64(&qkv, &gates, &bias, None);
            let positions = PositionBias::new(&bias).unwrap();
            let got = gated_attention(&qkv, None, &gates, &positions, None).unwrap();
            // A mean over many values is small beside them.
            assert_close("f32", &got, &want, 3e-5);
            let shift = noise(&[3 * heads * width]);
            let without = qkv.broadcast_sub(&shift).unwrap();
            let got = gated_attention(&without, Some(&shift), &gates, &positions, None).unwrap();
            assert_close("with the bias of the product", &got, &want, 3e-5);
            for (dtype, tolerance) in [(DType::F16, 5e-2), (DType::BF16, 3e-1)] {
                let bias = PositionBias::new(&cast(&bias, dtype)).unwrap();
                let got = gated_attention(&cast(&qkv, dtype), None, &cast(&gates, dtype), &bias, None);
                let got = got.unwrap();
                assert_close(
                    &format!("{dtype:?}, {length} frames"),
                    &cast(&got, DType::F32),
                    &want,
                    tolerance,
                );
            }
        }
    }

    #[test]
    fn padded_keys_do_not_matter_even_if_they_are_nan() {
        let (qkv, gates, bias) = (noise(&[2, 20, 24]), noise(&[2, 20, 2]), noise(&[2, 39]));
        let frames = [20, 13];
        let want = composed_f64(&qkv, &gates, &bias, Some(&lengths(&frames)));
        let nan = Tensor::full(f32::NAN, (1, 7, 24), &Device::Cpu).unwrap();
        let second =
            Tensor::cat(&[&qkv.narrow(0, 1, 1).unwrap().narrow(1, 0, 13).unwrap(), &nan], 1).unwrap();
        let spoilt = Tensor::cat(&[&qkv.narrow(0, 0, 1).unwrap(), &second], 0).unwrap();
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F16, 2e-2), (DType::BF16, 1e-1)] {
            // Of candle's operations a sum with NaN stays NaN.
            if dtype != DType::F32 && !kernels::take(&cast(&qkv, dtype)) {
                continue;
            }
            let positions = PositionBias::new(&cast(&bias, dtype)).unwrap();
            let frames_of = lengths(&frames);
            let got = gated_attention(
                &cast(&spoilt, dtype),
                None,
                &cast(&gates, dtype),
                &positions,
                Some(&frames_of),
            );
            let got = cast(&got.unwrap(), DType::F32);
            for (clip, frames) in frames.into_iter().enumerate() {
                let valid = |x: &Tensor| x.narrow(0, clip, 1).unwrap().narrow(1, 0, frames).unwrap();
                assert_close(&format!("valid frames, {dtype:?}"), &valid(&got), &valid(&want), tolerance);
            }
        }
        let refused = |bias: &Tensor, of: Option<&[usize]>| {
            let (bias, of) = (PositionBias::new(bias).unwrap(), of.map(lengths));
            gated_attention(&qkv, None, &gates, &bias, of.as_ref()).is_err()
        };
        assert!(
            refused(&bias, Some(&[20, 21])) && refused(&bias, Some(&[20])) && refused(&noise(&[2, 37]), None)
        );
    }

    #[test]
    fn long_clips_in_parts_are_the_same() {
        let (qkv, gates, bias) = (noise(&[2, 20, 24]), noise(&[2, 20, 2]), noise(&[2, 39]));
        let frames = lengths(&[20, 3]);
        let (wide, wide_gates) = (cast(&qkv, DType::F64), cast(&gates, DType::F64));
        let positions = PositionBias::new(&cast(&bias, DType::F64)).unwrap();
        let whole = composed(&wide, &wide_gates, &positions, Some(&frames), 20).unwrap();
        for rows in [1, 7, 10, 21] {
            let parts = composed(&wide, &wide_gates, &positions, Some(&frames), rows).unwrap();
            let name = format!("{rows} queries at a time");
            assert_close(&name, &cast(&parts, DType::F32), &cast(&whole, DType::F32), 1e-6);
        }
        if kernels::take(&qkv) {
            let valid = |x: &Tensor| cast(&x.narrow(1, 0, 3).unwrap(), DType::F32);
            // Less than a row, seven rows, a head, three heads.
            for scores in [1, 7 * 24, 20 * 24, 3 * 20 * 24] {
                let parts = card::attend(&qkv, None, &gates, &bias, Some(&frames), scores).unwrap();
                assert_close(&format!("{scores} scores at a time"), &valid(&parts), &valid(&whole), 1e-5);
                let first = |x: &Tensor| cast(&x.narrow(0, 0, 1).unwrap(), DType::F32);
                assert_close(&format!("{scores} scores at a time"), &first(&parts), &first(&whole), 1e-5);
            }
        }
    }
}
