//! 2-d convolutions over feature maps with the channels last, (b, h, w, c), with what follows them in one pass.
//!
//! On the CPU a convolution is a product of windows and weights. Blocks of windows are copied side by side into a
//! buffer that stays in a core's cache, a few taps at a time; the weights lie in panels as the matrix kernels read
//! them; bias, residual and ReLU are added on the way out. Whatever the type of the maps, it computes in f32. Every
//! place is summed in the same order in every batch and on every number of threads: equal inputs give equal bits.
//! Elsewhere it is candle's `conv2d`. There is no backward pass.

mod blocked;
mod packed;
pub(crate) mod product;

use std::sync::Arc;

use candle_core::{DType, Result, Tensor, bail};

use crate::maps::{channels_last, on_cpu};
use packed::Packed;

/// A square convolution whose padding keeps the size at stride 1.
#[derive(Clone, Debug)]
pub struct Conv2d {
    weight: Weight,
    /// (c_out)
    bias: Tensor,
    size: Size,
}

#[derive(Clone, Debug)]
enum Weight {
    Packed(Arc<Packed>),
    /// (c_out, c_in, kernel, kernel)
    Plain(Tensor),
}

#[derive(Clone, Copy, Debug)]
struct Size {
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
}

/// What happens to the output of a convolution before it is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finish<'a> {
    /// A map of the output's shape that is added.
    pub residual: Option<&'a Tensor>,
    /// Whether a ReLU comes last.
    pub relu: bool,
}

impl Finish<'_> {
    /// Only a ReLU.
    pub const RELU: Finish<'static> = Finish { residual: None, relu: true };
}

impl Conv2d {
    /// Takes a weight as PyTorch lays it out, (c_out, c_in, kernel, kernel) with an odd kernel, and a bias (c_out).
    pub fn new(weight: &Tensor, bias: Tensor, stride: usize) -> Result<Self> {
        let (outputs, inputs, kernel, width) = weight.dims4()?;
        if kernel != width || kernel % 2 == 0 || stride == 0 || weight.elem_count() == 0 {
            bail!("a convolution of shape {:?} and stride {stride}", weight.dims());
        }
        if bias.dims() != [outputs] {
            bail!("a bias of shape {:?} for {outputs} channels", bias.dims());
        }
        let size = Size { inputs, outputs, kernel, stride };
        if !on_cpu(weight) {
            return Ok(Self { weight: Weight::Plain(weight.clone()), bias, size });
        }
        let packed = Packed::new(weight, kernel * kernel)?;
        Ok(Self { weight: Weight::Packed(Arc::new(packed)), bias: bias.to_dtype(DType::F32)?, size })
    }

    /// (b, h, w, c_in) -> (b, h / stride, w / stride, c_out), rounded up. `x` may be a view: some of the channels,
    /// rows and columns of larger maps.
    pub fn forward(&self, x: &Tensor, finish: Finish) -> Result<Tensor> {
        let (_, _, _, channels) = x.dims4()?;
        if channels != self.size.inputs {
            bail!("a convolution over {} channels was given {channels}", self.size.inputs);
        }
        match &self.weight {
            Weight::Packed(weight) => blocked::forward(weight, &self.bias, self.size, x, finish),
            Weight::Plain(weight) => self.composed(weight, x, finish),
        }
    }

    fn composed(&self, weight: &Tensor, x: &Tensor, finish: Finish) -> Result<Tensor> {
        let x = x.permute((0, 3, 1, 2))?.contiguous()?; // (b, c_in, h, w)
        let y = x.conv2d(weight, self.size.kernel / 2, self.size.stride, 1, 1)?; // (b, c_out, h / s, w / s)
        let y = channels_last(&y)?.broadcast_add(&self.bias)?; // (b, h / s, w / s, c_out)
        let y = match finish.residual {
            Some(residual) => (y + residual)?,
            None => y,
        };
        if finish.relu { crate::relu::relu(&y) } else { Ok(y) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_testkit::assert_close;
    use candle_core::Device;

    fn noise(shape: &[usize]) -> Tensor {
        affekt_testkit::noise(0.0, 1.0, shape)
    }

    fn numbers(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// (c_in, c_out, kernel, stride, h, w)
    const SHAPES: [(usize, usize, usize, usize, usize, usize); 11] = [
        (3, 64, 7, 2, 30, 22),
        (64, 64, 3, 1, 14, 15),
        (64, 128, 3, 2, 9, 8),
        (128, 96, 1, 2, 7, 7),
        (512, 48, 3, 1, 7, 7),
        (256, 80, 3, 1, 2, 1),
        (2, 1, 7, 1, 7, 7),
        (5, 4, 3, 1, 1, 1),
        (6, 20, 5, 3, 4, 11),
        (8, 16, 1, 1, 5, 3),
        (4, 8, 7, 2, 2, 2),
    ];

    #[test]
    fn conv2d_is_candles_with_the_channels_last() {
        for (c_in, c_out, kernel, stride, h, w) in SHAPES {
            let (weight, bias) = (noise(&[c_out, c_in, kernel, kernel]), noise(&[c_out]));
            let x = noise(&[3, h, w, c_in]);
            let conv = Conv2d::new(&weight, bias, stride).unwrap();
            let plain = conv.composed(&weight, &x, Finish::default()).unwrap();
            let name = format!("{c_in} to {c_out} by {kernel}, stride {stride}");
            assert_close(&name, &conv.forward(&x, Finish::default()).unwrap(), &plain, 1e-5);
            let residual = noise(plain.dims());
            for relu in [false, true] {
                let finish = Finish { residual: Some(&residual), relu };
                let want = conv.composed(&weight, &x, finish).unwrap();
                assert_close(&name, &conv.forward(&x, finish).unwrap(), &want, 1e-5);
            }
        }
    }

    #[test]
    fn batches_are_bit_equal_to_single_maps() {
        for (c_in, c_out, kernel, stride, h, w) in SHAPES {
            let conv = Conv2d::new(&noise(&[c_out, c_in, kernel, kernel]), noise(&[c_out]), stride).unwrap();
            let x = noise(&[9, h, w, c_in]);
            let together = conv.forward(&x, Finish::RELU).unwrap();
            for map in 0..9 {
                let alone = conv.forward(&x.narrow(0, map, 1).unwrap(), Finish::RELU).unwrap();
                assert_eq!(
                    numbers(&alone),
                    numbers(&together.narrow(0, map, 1).unwrap()),
                    "{c_in} to {c_out}"
                );
            }
        }
    }

    #[test]
    fn views_are_read_where_they_lie() {
        let conv = Conv2d::new(&noise(&[20, 6, 3, 3]), noise(&[20]), 1).unwrap();
        let whole = noise(&[2, 10, 12, 18]);
        let part = whole.narrow(1, 5, 5).unwrap().narrow(2, 3, 6).unwrap().narrow(3, 6, 6).unwrap();
        let residual = noise(&[2, 20, 5, 6]).permute((0, 2, 3, 1)).unwrap();
        let finish = Finish { residual: Some(&residual), relu: false };
        let want = conv.forward(&part.contiguous().unwrap(), finish).unwrap();
        assert_eq!(numbers(&conv.forward(&part, finish).unwrap()), numbers(&want));
    }

    #[test]
    fn half_precision_is_computed_in_f32() {
        for dtype in [DType::F16, DType::BF16] {
            let read = |x: Tensor| x.to_dtype(dtype).unwrap();
            let (weight, bias) = (read(noise(&[16, 8, 3, 3])), read(noise(&[16])));
            let (x, residual) = (read(noise(&[1, 6, 6, 8])), read(noise(&[1, 6, 6, 16])));
            let whole = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
            let finish = Finish { residual: Some(&residual), relu: true };
            let got = Conv2d::new(&weight, bias.clone(), 1).unwrap().forward(&x, finish).unwrap();
            let conv = Conv2d::new(&whole(&weight), whole(&bias), 1).unwrap();
            let want = conv.forward(&whole(&x), Finish { residual: Some(&whole(&residual)), relu: true });
            let want = want.unwrap().to_dtype(dtype).unwrap();
            assert_eq!(got.dtype(), dtype);
            assert_eq!(numbers(&whole(&got)), numbers(&whole(&want)));
        }
    }

    #[test]
    fn nan_is_not_lost() {
        let conv = Conv2d::new(&noise(&[16, 4, 3, 3]), noise(&[16]), 1).unwrap();
        let mut x = numbers(&noise(&[1, 8, 8, 4]));
        x[4 * 8 * 2 + 4 * 3] = f32::NAN;
        let x = Tensor::from_vec(x, (1, 8, 8, 4), &Device::Cpu).unwrap();
        let y = numbers(&conv.forward(&x, Finish::RELU).unwrap());
        assert_eq!(y.iter().filter(|y| y.is_nan()).count(), 9 * 16);
    }

    #[test]
    fn what_cannot_be_computed_is_an_error() {
        let (weight, bias) = (noise(&[4, 3, 3, 3]), noise(&[4]));
        assert!(Conv2d::new(&noise(&[4, 3, 2, 2]), bias.clone(), 1).is_err());
        assert!(Conv2d::new(&noise(&[4, 3, 3, 1]), bias.clone(), 1).is_err());
        assert!(Conv2d::new(&weight, noise(&[3]), 1).is_err());
        assert!(Conv2d::new(&weight, bias.clone(), 0).is_err());
        let conv = Conv2d::new(&weight, bias, 1).unwrap();
        assert!(conv.forward(&noise(&[1, 5, 5, 4]), Finish::RELU).is_err());
        assert!(conv.forward(&noise(&[5, 5, 3]), Finish::RELU).is_err());
        assert!(conv.forward(&noise(&[0, 5, 5, 3]), Finish::RELU).is_err());
        let residual = noise(&[1, 5, 4, 4]);
        let finish = Finish { residual: Some(&residual), relu: true };
        assert!(conv.forward(&noise(&[1, 5, 5, 3]), finish).is_err());
    }
}
