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
            return self.on_card(&x.contiguous()?);
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

    fn on_card(&self, x: &Tensor) -> Result<Tensor> {
        let width = self.weight.elem_count();
        if x.dims().last() != Some(&width) {
            candle_core::bail!("rows of {:?} for a norm of width {width}", x.dims());
        }
        let y = kernels::output(x.shape(), x.dtype(), x.device())?;
        let grid = Grid::rows(x.elem_count() / width, 256);
        let args = [
            Arg::Tensor(x),
            Arg::Tensor(&self.weight),
            Arg::Tensor(&y),
            Arg::U32(width as u32),
            Arg::F32(self.eps as f32),
        ];
        // SAFETY: a block a row, which reads and writes `width` numbers of it.
        unsafe { Kernel { file: "rms_norm", name: "rms_norm" }.run(x.dtype(), grid, &args)? };
        Ok(y)
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
}
