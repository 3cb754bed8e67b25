//! RMSNorm.

use crate::vectorised::vectorised;
use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

use crate::cpu::{Numbers, takes};
use crate::kernels::{self, Arg, Grid, Kernel};

/// Numbers side by side in a vector loop: sums of several lanes do not wait for each other.
const LANES: usize = 16;

/// RMSNorm over the last dimension (Zhang and Sennrich 2019); without a backward pass.
#[derive(Clone, Debug)]
pub struct RmsNorm {
    weight: Tensor,
    eps: f64,
}

impl RmsNorm {
    /// Takes a weight (width), and what is added to the mean square.
    pub fn new(weight: Tensor, eps: f64) -> Self {
        Self { weight, eps }
    }

    /// (.., width) -> (.., width)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if kernels::take(x) && self.weight.dtype() == x.dtype() {
            return Ok(self.on_card(&x.contiguous()?, None)?.1);
        }
        if !takes(x) || !takes(&self.weight) {
            return candle_nn::ops::rms_norm(&x.contiguous()?, &self.weight, self.eps as f32);
        }
        let x = x.contiguous()?;
        let (numbers, weight) = (Numbers::of(&x)?, Numbers::of(&self.weight)?);
        let width = weight.len();
        if x.dims().last() != Some(&width) {
            candle_core::bail!("rows of {:?} for a norm of width {width}", x.dims());
        }
        let mut normed = vec![0f32; numbers.len()];
        let eps = self.eps as f32;
        normed.par_chunks_exact_mut(width).zip(numbers.par_chunks_exact(width)).with_min_len(8).for_each(
            |(normed, row)| {
                vectorised(
                    #[inline(always)]
                    || normalise(row, &weight, eps, normed),
                );
            },
        );
        Tensor::from_vec(normed, x.dims(), &Device::Cpu)
    }

    /// x + other, and its norm: (.., width) each. On a card both in one pass.
    pub fn forward_add(&self, x: &Tensor, other: &Tensor) -> Result<(Tensor, Tensor)> {
        if kernels::take(x) && self.weight.dtype() == x.dtype() && other.dtype() == x.dtype() {
            return self.on_card(&x.contiguous()?, Some(&other.contiguous()?));
        }
        let sum = (x + other)?;
        let normed = self.forward(&sum)?;
        Ok((sum, normed))
    }

    /// The sum, or `x` where there is nothing to add, and the norm.
    fn on_card(&self, x: &Tensor, other: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let width = self.weight.elem_count();
        if x.dims().last() != Some(&width) {
            candle_core::bail!("rows of {:?} for a norm of width {width}", x.dims());
        }
        if other.is_some_and(|other| other.dims() != x.dims()) {
            candle_core::bail!("{:?} and {:?} to add", x.dims(), other.map(Tensor::dims));
        }
        let output = || kernels::output(x.shape(), x.dtype(), x.device());
        let (y, sum) = (output()?, other.map(|_| output()).transpose()?);
        let weight = self.weight.contiguous()?;
        let wide = [x, &weight].into_iter().chain(other).all(|x| kernels::wide(x, width));
        // A row of 4096 in bf16 is one read by 16 bytes for each of 512 threads.
        let threads = (width / 8).next_multiple_of(32).clamp(32, 512) as u32;
        let args = [
            Arg::Tensor(x),
            other.into(),
            Arg::Tensor(&weight),
            sum.as_ref().into(),
            Arg::Tensor(&y),
            Arg::U32(width as u32),
            Arg::U32(wide.into()),
            Arg::F32(self.eps as f32),
        ];
        let grid = Grid::rows(x.elem_count() / width.max(1), threads);
        // SAFETY: a block a row, which reads and writes `width` numbers of it.
        unsafe { Kernel { file: "rms_norm", name: "rms_norm" }.run(x.dtype(), grid, &args)? };
        Ok((sum.unwrap_or_else(|| x.clone()), y))
    }
}

#[inline(always)]
fn normalise(row: &[f32], weight: &[f32], eps: f32, normed: &mut [f32]) {
    let mut sums = [0f32; LANES];
    let mut blocks = row.chunks_exact(LANES);
    for block in &mut blocks {
        for lane in 0..LANES {
            sums[lane] += block[lane] * block[lane];
        }
    }
    let rest: f32 = blocks.remainder().iter().map(|x| x * x).sum();
    let mean = (sums.iter().sum::<f32>() + rest) / row.len() as f32;
    let scale = 1.0 / (mean + eps).sqrt();
    for ((normed, x), weight) in normed.iter_mut().zip(row).zip(weight) {
        *normed = x * scale * weight;
    }
}

#[cfg(test)]
mod tests {
    use affekt_testkit::assert_close;
    use candle_core::DType;

    use super::*;

    #[test]
    fn it_is_candles() {
        for width in [7, 64, 770] {
            let weight = affekt_testkit::noise(1.0, 0.2, width);
            let x = affekt_testkit::noise(0.0, 3.0, (3, 40, width));
            let want = candle_nn::ops::rms_norm(&x, &weight, 1e-5).unwrap();
            let norm = RmsNorm::new(weight, 1e-5);
            assert_close("norm", &norm.forward(&x).unwrap(), &want, 1e-5);
            let (part, want) = (x.narrow(1, 3, 2).unwrap(), want.narrow(1, 3, 2).unwrap());
            assert_close("view", &norm.forward(&part).unwrap(), &want, 1e-5);
            assert!(norm.forward(&Tensor::zeros((2, width + 1), DType::F32, &Device::Cpu).unwrap()).is_err());
        }
    }

    #[test]
    fn sum_and_norm_are_those_of_two_steps_in_every_type() {
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F16, 1e-2), (DType::BF16, 5e-2)] {
            for (rows, width) in [(1, 4096), (3, 7), (5, 520), (2, 8)] {
                let weight = affekt_testkit::noise(1.0, 0.2, width).to_dtype(dtype).unwrap();
                let noise = || affekt_testkit::noise(0.0, 2.0, (1, rows, width)).to_dtype(dtype).unwrap();
                let (x, other) = (noise(), noise());
                let wide = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
                let want_sum = (wide(&x) + wide(&other)).unwrap();
                let want = candle_nn::ops::rms_norm(&want_sum, &wide(&weight), 1e-5).unwrap();
                let norm = RmsNorm::new(weight, 1e-5);
                let (sum, normed) = norm.forward_add(&x, &other).unwrap();
                assert_eq!((sum.dtype(), normed.dims()), (dtype, x.dims()));
                assert_close("sum", &wide(&sum), &want_sum, tolerance);
                assert_close("norm", &wide(&normed), &want, tolerance);
                // A row's norm is that of the sum as it is handed on.
                assert_close("again", &wide(&norm.forward(&sum).unwrap()), &wide(&normed), 1e-6);
                assert!(norm.forward_add(&x, &other.narrow(1, 0, 1).unwrap()).is_err() || rows == 1);
            }
        }
        let nan = Tensor::new(&[[f32::NAN, 1.0], [1.0, 1.0]], &Device::Cpu).unwrap();
        let norm = RmsNorm::new(Tensor::ones(2, DType::F32, &Device::Cpu).unwrap(), 1e-5);
        let rows = norm.forward_add(&nan, &nan.ones_like().unwrap()).unwrap().1.to_vec2::<f32>().unwrap();
        assert!(rows[0].iter().all(|x| x.is_nan()) && rows[1].iter().all(|x| x.is_finite()), "{rows:?}");
    }
}
