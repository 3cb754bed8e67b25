//! Layer norm.

use crate::vectorised::vectorised;
use candle_core::{D, DType, Result, Tensor, bail};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use crate::cpu::{Numbers, takes};
use crate::gelu::{gelu, gelu_erf};
use crate::kernels::{self, Arg, Grid, Kernel as CardKernel};
use crate::maps::{Filled, filled};

/// Numbers side by side in a vector loop: sums of several lanes do not wait for each other, and lose fewer digits.
const LANES: usize = 16;

/// Numbers that are worth a task of their own.
const TASK: usize = 1 << 14;

/// Widest row that the kernel for cards holds in a warp's registers.
const WIDEST_ON_CARD: usize = 1024;

/// Layer norm over the last dimension (Ba et al. 2016), with weight and bias; without a backward pass.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// Reads `weight` and `bias`, (width).
    pub fn load(vb: &VarBuilder, width: usize, eps: f64) -> Result<Self> {
        let contiguous = |name| vb.get(width, name)?.contiguous();
        Ok(Self { weight: contiguous("weight")?, bias: contiguous("bias")?, eps })
    }

    /// (.., width) -> (.., width)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match takes(x) {
            true => self.rows(x, |y| y),
            false if self.runs_on_card(x) => self.on_card(x, false),
            false => self.composed(x),
        }
    }

    /// `gelu(norm(x))`, exact GELU: (.., width) -> (.., width)
    pub fn forward_gelu(&self, x: &Tensor) -> Result<Tensor> {
        match takes(x) {
            true => self.rows(x, gelu),
            false if self.runs_on_card(x) => self.on_card(x, true),
            false => gelu_erf(&self.composed(x)?),
        }
    }

    fn runs_on_card(&self, x: &Tensor) -> bool {
        kernels::take(x) && (1..=WIDEST_ON_CARD).contains(&self.weight.elem_count())
    }

    fn on_card(&self, x: &Tensor, then_gelu: bool) -> Result<Tensor> {
        let x = x.contiguous()?;
        let y = kernels::output(x.shape(), x.dtype(), x.device())?;
        self.write_on_card(&x, &y, then_gelu)?;
        Ok(y)
    }

    /// `gelu(norm(x))` in place, of a contiguous tensor on a card that nobody else holds.
    pub(crate) fn norm_gelu_in_place(&self, x: &Tensor) -> Result<Tensor> {
        match self.runs_on_card(x) {
            true => self.write_on_card(x, x, true).map(|()| x.clone()),
            false => self.forward_gelu(x),
        }
    }

    /// Weight and bias in the type of `x`, whose width they have.
    pub(crate) fn parameters(&self, x: &Tensor) -> Result<(Tensor, Tensor, f32)> {
        let width = self.weight.elem_count();
        if x.dim(D::Minus1)? != width {
            bail!("a layer norm over {width} channels got {:?}", x.dims());
        }
        Ok((self.weight.to_dtype(x.dtype())?, self.bias.to_dtype(x.dtype())?, self.eps as f32))
    }

    fn write_on_card(&self, x: &Tensor, y: &Tensor, then_gelu: bool) -> Result<()> {
        let (weight, bias, eps) = self.parameters(x)?;
        let (rows, width) = (x.elem_count() / weight.elem_count(), weight.elem_count());
        let args = [
            Arg::Tensor(x),
            Arg::Tensor(&weight),
            Arg::Tensor(&bias),
            Arg::Tensor(y),
            Arg::U32(rows as u32),
            Arg::U32(width as u32),
            Arg::F32(eps),
            Arg::U32(then_gelu.into()),
            Arg::U32(kernels::lanes(width, &[x, &weight, &bias, y]) as u32),
        ];
        let kernel = CardKernel { file: "norm", name: "layer_norm" };
        // SAFETY: a warp a row, eight a block; each reads `width` numbers of a row before it writes them.
        unsafe { kernel.run(x.dtype(), Grid::rows(rows.div_ceil(8), 256), &args) }
    }

    /// The sum `y + shift + residual`, in place of `y`, which nobody else holds, and its norm; `None` where the kernel for
    /// cards does not take them. `shift` is (width), the others (.., width).
    pub(crate) fn add_on_card(
        &self,
        y: &Tensor,
        shift: Option<&Tensor>,
        residual: &Tensor,
    ) -> Result<Option<Tensor>> {
        let width = self.weight.elem_count();
        let fits = residual.dims() == y.dims() && shift.is_none_or(|shift| shift.dims() == [width]);
        if !self.runs_on_card(y) || !fits {
            return Ok(None);
        }
        let (weight, bias, eps) = self.parameters(y)?;
        let (residual, rows) = (residual.contiguous()?, y.elem_count() / width);
        let normed = kernels::output(y.shape(), y.dtype(), y.device())?;
        let tensors = [Some(y), shift, Some(&residual), Some(&weight), Some(&bias), Some(&normed)];
        let tensors: Vec<&Tensor> = tensors.into_iter().flatten().collect();
        kernels::of_type(y.dtype(), &tensors)?;
        let args = [
            Arg::Tensor(y),
            shift.into(),
            Arg::Tensor(&residual),
            Arg::Tensor(&weight),
            Arg::Tensor(&bias),
            Arg::Tensor(&normed),
            Arg::U32(rows as u32),
            Arg::U32(width as u32),
            Arg::F32(eps),
            Arg::U32(kernels::lanes(width, &tensors) as u32),
        ];
        let kernel = CardKernel { file: "norm", name: "add_layer_norm" };
        // SAFETY: as above; all have `width` numbers, or as many in every row.
        unsafe { kernel.run(y.dtype(), Grid::rows(rows.div_ceil(8), 256), &args)? };
        Ok(Some(normed))
    }

    /// The norm of every row, and `then` of every number.
    fn rows(&self, x: &Tensor, then: impl Fn(f32) -> f32 + Sync) -> Result<Tensor> {
        let x = x.contiguous()?;
        let numbers = Numbers::of(&x)?;
        let kernel = self.kernel()?;
        let width = kernel.weight.len();
        if x.dim(D::Minus1)? != width {
            bail!("a layer norm over {width} channels got {:?}", x.dims());
        }
        let task = TASK.next_multiple_of(width);
        let fill = |out: &mut Filled| {
            out.par_chunks_mut(task).zip(numbers.par_chunks(task)).for_each(|(out, x)| {
                vectorised(
                    #[inline(always)]
                    || {
                        for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                            kernel.write(x, out, &then);
                        }
                    },
                );
            });
        };
        // SAFETY: the rows cover all numbers.
        let y = unsafe { filled(numbers.len(), fill) };
        Tensor::from_vec(y, x.shape(), x.device())
    }

    /// For kernels that norm what they have just computed.
    pub(crate) fn kernel(&self) -> Result<Kernel<'_>> {
        Ok(Kernel {
            weight: Numbers::of(&self.weight)?,
            bias: Numbers::of(&self.bias)?,
            eps: self.eps as f32,
        })
    }

    /// At least in f32: sums of squares leave the range of f16.
    fn composed(&self, x: &Tensor) -> Result<Tensor> {
        let dtype = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let wide = x.to_dtype(dtype)?;
        let centred = wide.broadcast_sub(&wide.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let unit = centred.broadcast_div(&(variance + self.eps)?.sqrt()?)?;
        let y = unit.broadcast_mul(&self.weight.to_dtype(dtype)?)?;
        y.broadcast_add(&self.bias.to_dtype(dtype)?)?.to_dtype(x.dtype())
    }
}

/// A layer norm for vector loops over f32.
pub(crate) struct Kernel<'n> {
    weight: Numbers<'n>,
    bias: Numbers<'n>,
    eps: f32,
}

impl Kernel<'_> {
    pub fn width(&self) -> usize {
        self.weight.len()
    }

    /// `gelu(norm(row))` in place.
    #[inline(always)]
    pub fn norm_gelu(&self, row: &mut [f32]) {
        let (mean, scale) = moments(row, self.eps);
        for ((x, weight), bias) in row.iter_mut().zip(&*self.weight).zip(&*self.bias) {
            *x = gelu((*x - mean) * scale * weight + bias);
        }
    }

    #[inline(always)]
    fn write(&self, row: &[f32], out: &mut Filled, then: impl Fn(f32) -> f32) {
        let (mean, scale) = moments(row, self.eps);
        for (((x, y), weight), bias) in row.iter().zip(out).zip(&*self.weight).zip(&*self.bias) {
            y.write(then((x - mean) * scale * weight + bias));
        }
    }
}

/// Mean and 1 / sqrt(variance + eps). In two passes: the row is in the cache, and no digits are lost.
#[inline(always)]
fn moments(row: &[f32], eps: f32) -> (f32, f32) {
    let count = row.len() as f32;
    let mean = sum(row, |x| x) / count;
    let variance = sum(row, |x| (x - mean) * (x - mean)) / count;
    (mean, 1.0 / (variance + eps).sqrt())
}

#[inline(always)]
fn sum(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0f32; LANES];
    let blocks = row.chunks_exact(LANES);
    let rest: f32 = blocks.remainder().iter().map(|x| of(*x)).sum();
    for block in blocks {
        for lane in 0..LANES {
            sums[lane] += of(block[lane]);
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_testkit::assert_close;
    use candle_core::Device;

    fn norm(width: usize, dtype: DType) -> LayerNorm {
        let noise = || affekt_testkit::noise(1.0, 1.0, width).to_dtype(dtype).unwrap();
        LayerNorm { weight: noise(), bias: noise(), eps: 1e-5 }
    }

    #[test]
    fn it_is_candles_in_every_type_and_layout() {
        for (width, dtype, tolerance) in [
            (1, DType::F32, 1e-6),
            (37, DType::F32, 3e-6),
            (512, DType::F32, 3e-6),
            (1023, DType::F32, 3e-6),
            (1030, DType::F32, 1e-5),
            (512, DType::F16, 5e-3),
            (37, DType::F16, 5e-3),
            (48, DType::BF16, 4e-2),
            (1024, DType::BF16, 4e-2),
        ] {
            let norm = norm(width, dtype);
            let x = affekt_testkit::noise(3.0, 2.0, (2, width, 45)).to_dtype(dtype).unwrap();
            let x = x.transpose(1, 2).unwrap();
            let cast = |x: &Tensor, dtype| x.to_dtype(dtype).unwrap();
            let (double, wide) = (|x: &Tensor| cast(x, DType::F64), |x: &Tensor| cast(x, DType::F32));
            let exact = LayerNorm { weight: double(&norm.weight), bias: double(&norm.bias), eps: 1e-5 };
            let want = exact.forward(&double(&x)).unwrap();
            let candle = candle_nn::LayerNorm::new(wide(&norm.weight), wide(&norm.bias), 1e-5);
            let candles = candle_nn::Module::forward(&candle, &wide(&x).contiguous().unwrap()).unwrap();
            assert_close("candle's", &candles, &wide(&want), 3e-5);
            let (got, gelu) = (norm.forward(&x).unwrap(), norm.forward_gelu(&x).unwrap());
            assert_eq!(got.dtype(), dtype);
            let close = |name: &str, got, want| {
                assert_close(name, &wide(got), &wide(want), tolerance);
            };
            close(&format!("layer norm over {width}"), &got, &want);
            close("layer norm, gelu", &gelu, &want.gelu_erf().unwrap());
        }
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            let hole = Tensor::new(&[[1f32, 2., 3.], [1., f32::NAN, 3.]], &Device::Cpu).unwrap();
            let norm = norm(3, dtype);
            let got = norm.forward(&hole.to_dtype(dtype).unwrap()).unwrap().to_dtype(DType::F32).unwrap();
            let got = got.to_vec2::<f32>().unwrap();
            assert!(got[0].iter().all(|x| x.is_finite()) && got[1].iter().all(|x| x.is_nan()), "{got:?}");
            let none = Tensor::zeros((0, 3), dtype, &Device::Cpu).unwrap();
            assert_eq!(norm.forward_gelu(&none).unwrap().dims(), [0, 3]);
        }
        assert!(
            norm(4, DType::F32).forward(&Tensor::ones((2, 3), DType::F32, &Device::Cpu).unwrap()).is_err()
        );
    }
}
