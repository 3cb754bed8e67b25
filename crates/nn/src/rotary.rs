//! Rotary position embedding (Su et al. 2021) of heads that lie by position.

mod joined;

use candle_core::{DType, Device, Result, Tensor, bail};
use rayon::prelude::*;

use crate::cpu::{Numbers, takes};
use crate::kernels::{self, Arg, Grid, Kernel};

pub(crate) use joined::Slots;
pub use joined::{Joined, joins};

/// Which numbers of a head are rotated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// Number i with number i + head_dim / 2, as published safetensors files have them.
    Halves,
    /// Number 2 i with number 2 i + 1, as GGUF files have them: the same numbers in another order.
    Neighbours,
}

/// Cosines and sines of the angles by which the heads of some positions turn.
#[derive(Clone, Debug)]
pub struct Rotation {
    cos: Tensor, // (t, head_dim / 2)
    sin: Tensor, // (t, head_dim / 2)
    pairs: Pairs,
}

impl Rotation {
    /// Angles of `positions` (t), u32, times `frequencies` (1, head_dim / 2), f32. They are made in f32, and stay so on a
    /// card; elsewhere they get the type of the heads, `dtype`.
    pub fn new(frequencies: &Tensor, positions: &Tensor, dtype: DType, pairs: Pairs) -> Result<Self> {
        let half = frequencies.elem_count();
        if kernels::take(frequencies) && positions.dtype() == DType::U32 {
            let (frequencies, positions) = (frequencies.contiguous()?, positions.contiguous()?);
            let t = positions.elem_count();
            let table = || kernels::output((t, half), DType::F32, frequencies.device());
            let (cos, sin) = (table()?, table()?);
            let args = [
                Arg::Tensor(&frequencies),
                Arg::Tensor(&positions),
                Arg::Tensor(&cos),
                Arg::Tensor(&sin),
                Arg::U32(t as u32),
                Arg::U32(half as u32),
            ];
            let kernel = Kernel { file: "rotary", name: "rotary_angles" };
            // SAFETY: a thread a number of each table, and none behind them.
            unsafe { kernel.run(DType::F32, Grid::each(t * half), &args)? };
            return Ok(Self { cos, sin, pairs });
        }
        let positions = positions.to_dtype(DType::F32)?.unsqueeze(1)?; // (t, 1)
        let angles = positions.broadcast_mul(frequencies)?; // (t, head_dim / 2)
        Ok(Self { cos: angles.cos()?.to_dtype(dtype)?, sin: angles.sin()?.to_dtype(dtype)?, pairs })
    }

    /// Rotates heads (b, t, heads, head_dim).
    pub fn apply(&self, heads: &Tensor) -> Result<Tensor> {
        rotate(heads, &self.cos.to_dtype(heads.dtype())?, &self.sin.to_dtype(heads.dtype())?, self.pairs)
    }
}

/// Rotates `heads` (b, t, heads, head_dim) by the angles with these cosines and sines, (t, head_dim / 2) each. The
/// result has its pairs as halves, whichever way they came. Without a backward pass.
pub fn rotate(heads: &Tensor, cos: &Tensor, sin: &Tensor, pairs: Pairs) -> Result<Tensor> {
    let (b, t, count, head_dim) = heads.dims4()?;
    if cos.dims() != [t, head_dim / 2] || sin.dims() != cos.dims() || head_dim % 2 != 0 {
        bail!("angles {:?} and {:?} for heads {:?}", cos.dims(), sin.dims(), heads.dims());
    }
    let heads = heads.contiguous()?;
    if !takes(&heads) || !takes(cos) || !takes(sin) {
        let heads = match pairs {
            Pairs::Halves => heads,
            Pairs::Neighbours => {
                let split = heads.reshape((b, t, count, head_dim / 2, 2))?;
                split.transpose(3, 4)?.contiguous()?.reshape((b, t, count, head_dim))?
            }
        };
        return candle_nn::rotary_emb::rope_thd(&heads, cos, sin);
    }
    let (numbers, cos, sin) = (Numbers::of(&heads)?, Numbers::of(cos)?, Numbers::of(sin)?);
    let mut rotated = vec![0f32; numbers.len()];
    let (row, half) = (count * head_dim, head_dim / 2);
    rotated
        .par_chunks_exact_mut(row)
        .zip(numbers.par_chunks_exact(row))
        .enumerate()
        .with_min_len(8)
        .for_each(|(at, (rotated, heads))| {
            let angles = at % t * half..(at % t + 1) * half;
            let (cos, sin) = (&cos[angles.clone()], &sin[angles]);
            for (rotated, head) in rotated.chunks_exact_mut(head_dim).zip(heads.chunks_exact(head_dim)) {
                let rotated = rotated.split_at_mut(half);
                match pairs {
                    Pairs::Halves => turn(rotated, head[..half].iter().zip(&head[half..]), cos, sin),
                    Pairs::Neighbours => {
                        turn(rotated, head.iter().step_by(2).zip(head.iter().skip(1).step_by(2)), cos, sin);
                    }
                }
            }
        });
    Tensor::from_vec(rotated, (b, t, count, head_dim), &Device::Cpu)
}

#[inline(always)]
fn turn<'h>(
    (first, second): (&mut [f32], &mut [f32]),
    pairs: impl Iterator<Item = (&'h f32, &'h f32)>,
    cos: &[f32],
    sin: &[f32],
) {
    for ((((first, second), (x, y)), cos), sin) in first.iter_mut().zip(second).zip(pairs).zip(cos).zip(sin) {
        (*first, *second) = (x * cos - y * sin, x * sin + y * cos);
    }
}

#[cfg(test)]
mod tests {
    use affekt_testkit::assert_close;
    use candle_core::DType;

    use super::*;

    #[test]
    fn it_is_candles_however_the_pairs_lie() {
        let noise = |shape: &[usize]| affekt_testkit::noise(0.0, 1.0, shape);
        let (heads, angles) = (noise(&[2, 11, 3, 24]), noise(&[11, 12]));
        let (cos, sin) = (angles.cos().unwrap(), angles.sin().unwrap());
        let want = candle_nn::rotary_emb::rope_thd(&heads, &cos, &sin).unwrap();
        assert_close("halves", &rotate(&heads, &cos, &sin, Pairs::Halves).unwrap(), &want, 1e-6);
        let halves = heads.reshape((2, 11, 3, 2, 12)).unwrap();
        let neighbours = halves.transpose(3, 4).unwrap().reshape((2, 11, 3, 24)).unwrap();
        assert_close("neighbours", &rotate(&neighbours, &cos, &sin, Pairs::Neighbours).unwrap(), &want, 1e-6);
        let half = |x: &Tensor| x.to_dtype(DType::F16).unwrap();
        let composed = rotate(&half(&neighbours), &half(&cos), &half(&sin), Pairs::Neighbours).unwrap();
        assert_close("composed", &composed, &want, 1e-2);
        assert!(rotate(&heads, &noise(&[10, 12]), &sin, Pairs::Halves).is_err());
    }
}
