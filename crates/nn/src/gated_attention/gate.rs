//! How much of the position bias each query of each head takes.

use crate::vectorised::vectorised;
use candle_core::{DType, Result, Tensor, bail};
use rayon::prelude::*;

use crate::cpu::{Numbers, takes};
use crate::exp::exp;
use crate::kernels::{self, Arg, Grid, Kernel};

/// gate = a (b c - 1) + 2 with a, b = sigmoid(W x + w), x the head's part of the input, c a constant of the head.
#[derive(Clone, Debug)]
pub struct Gate {
    /// (2, d)
    weight: Tensor,
    /// (2)
    bias: Tensor,
    /// (h)
    constant: Tensor,
}

impl Gate {
    /// Takes W (2, d), w (2) and c (h).
    pub fn new(weight: &Tensor, bias: &Tensor, constant: &Tensor) -> Result<Self> {
        let (weight, bias, constant) = (weight.contiguous()?, bias.contiguous()?, constant.contiguous()?);
        if weight.dim(0)? != 2 || bias.dims() != [2] || constant.rank() != 1 {
            bail!("a gate of {:?}, {:?} and {:?}", weight.dims(), bias.dims(), constant.dims());
        }
        Ok(Self { weight, bias, constant })
    }

    /// (b, t, h * d) -> (b, t, h), on cards in f32 whatever the type of `x`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, frames, width) = x.dims3()?;
        let (_, head) = self.weight.dims2()?;
        let heads = self.constant.dim(0)?;
        if head * heads != width {
            bail!("a gate of {heads} heads, {head} wide, got {:?}", x.dims());
        }
        if kernels::take(x) {
            return self.on_card(&x.contiguous()?, (batch, frames, heads, head));
        }
        if !takes(x) {
            return self.composed(&x.reshape((batch, frames, heads, head))?);
        }
        let x = x.contiguous()?;
        let (numbers, weight) = (Numbers::of(&x)?, Numbers::of(&self.weight)?);
        let (bias, constant) = (Numbers::of(&self.bias)?, Numbers::of(&self.constant)?);
        let (update, reset) = weight.split_at(head);
        let gate = |x: &[f32], constant: f32| {
            let [a, b] = [(update, bias[0]), (reset, bias[1])].map(|(w, bias)| sigmoid(dot(w, x) + bias));
            a * (b * constant - 1.) + 2.
        };
        let mut gates = vec![0f32; batch * frames * heads];
        gates.par_chunks_mut(heads).zip(numbers.par_chunks(width)).with_min_len(16).for_each(|(gates, x)| {
            vectorised(
                #[inline(always)]
                || {
                    for ((to, x), constant) in gates.iter_mut().zip(x.chunks_exact(head)).zip(&*constant) {
                        *to = gate(x, *constant);
                    }
                },
            );
        });
        Tensor::from_vec(gates, (batch, frames, heads), x.device())
    }

    fn on_card(
        &self,
        x: &Tensor,
        (batch, frames, heads, head): (usize, usize, usize, usize),
    ) -> Result<Tensor> {
        kernels::of_type(x.dtype(), &[&self.weight, &self.bias, &self.constant])?;
        let gates = kernels::output((batch, frames, heads), DType::F32, x.device())?;
        let count = batch * frames * heads;
        let lanes = kernels::lanes(head, &[x, &self.weight]);
        let args = [
            Arg::Tensor(x),
            Arg::Tensor(&self.weight),
            Arg::Tensor(&self.bias),
            Arg::Tensor(&self.constant),
            Arg::Tensor(&gates),
            Arg::U64(count as u64),
            Arg::U32(heads as u32),
            Arg::U32(head as u32),
            Arg::U32(lanes as u32),
        ];
        let (kernel, grid) = (Kernel { file: "gated_attention", name: "gate" }, Grid::each(count * 8));
        // SAFETY: eight threads a gate, which read the numbers of one head and write one number.
        unsafe { kernel.run(x.dtype(), grid, &args)? };
        Ok(gates)
    }

    /// (b, t, h, d) -> (b, t, h)
    fn composed(&self, x: &Tensor) -> Result<Tensor> {
        let logits = x.contiguous()?.broadcast_matmul(&self.weight.t()?)?.broadcast_add(&self.bias)?;
        let gates = candle_nn::ops::sigmoid(&logits)?; // (b, t, h, 2)
        let gate = |at: usize| gates.narrow(3, at, 1)?.squeeze(3); // (b, t, h)
        let reset = (gate(1)?.broadcast_mul(&self.constant)? - 1.)?;
        (gate(0)? * reset)? + 2.
    }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1. / (1. + exp(-x))
}

/// In lanes, so that sums do not wait for each other.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    let (mut left, mut right) = (a.chunks_exact(16), b.chunks_exact(16));
    for (a, b) in (&mut left).zip(&mut right) {
        for lane in 0..16 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_testkit::assert_close;
    use candle_core::DType;

    #[test]
    fn the_kernel_is_what_candle_composes() {
        for (heads, width) in [(3, 64), (4, 8), (2, 19)] {
            let noise = |shape: &[usize]| affekt_testkit::noise(0.0, 1.0, shape);
            let (weight, bias, constant) = (noise(&[2, width]), noise(&[2]), noise(&[heads]));
            let x = noise(&[2, 21, heads * width]);
            let cast = |x: &Tensor, dtype| x.to_dtype(dtype).unwrap();
            let run = |dtype| {
                let gate =
                    Gate::new(&cast(&weight, dtype), &cast(&bias, dtype), &cast(&constant, dtype)).unwrap();
                cast(&gate.forward(&cast(&x, dtype)).unwrap(), DType::F32)
            };
            let want = run(DType::F64);
            assert_close("f32", &run(DType::F32), &want, 1e-6);
            assert_close("f16", &run(DType::F16), &want, 1e-2);
            assert_close("bf16", &run(DType::BF16), &want, 1e-1);
        }
    }
}
