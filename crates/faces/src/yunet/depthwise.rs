//! Depthwise 3 x 3 convolution with the channels last.
//!
//! Candle's convolution makes one matrix product for each group of channels; here every channel is a group. With the
//! channels last, 16 of them are one or two vectors, and the nine taps of a pixel are summed up in registers.

use affekt_nn::maps;
use affekt_nn::relu::relu;
use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// Channels that are summed up together; the network has multiples of it everywhere.
const LANES: usize = 16;

/// (b, h, w, c) -> (b, h, w, c), zero padded.
#[derive(Clone, Debug)]
pub struct Depthwise {
    /// (9, c): the taps row by row.
    weight: Tensor,
    /// (c)
    bias: Tensor,
    relu: bool,
}

impl Depthwise {
    /// Takes a weight as PyTorch lays it out, (c, 1, 3, 3), and a bias (c); c is a multiple of 16. With `relu`, what is
    /// negative becomes zero.
    pub fn new(weight: &Tensor, bias: Tensor, relu: bool) -> Result<Self> {
        let (channels, _, _, _) = weight.dims4()?;
        if !channels.is_multiple_of(LANES) {
            bail!("{channels} channels are no multiple of {LANES}");
        }
        Ok(Self { weight: weight.reshape((channels, 9))?.t()?.contiguous()?, bias, relu })
    }

    /// (b, h, w, c) -> (b, h, w, c).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let channels = self.bias.dim(0)?;
        if x.rank() != 4 || x.dim(D::Minus1)? != channels {
            bail!("a depthwise convolution of {channels} channels cannot take {:?}", x.dims());
        }
        if let Some(y) = maps::depthwise(x, &self.weight, &self.bias, self.relu)? {
            return Ok(y);
        }
        if x.device().is_cpu() && x.dtype() == candle_core::DType::F32 {
            return x.contiguous()?.apply_op3_no_bwd(&self.weight, &self.bias, &Taps { relu: self.relu });
        }
        self.composed(x)
    }

    /// The same by candle's own operations, for every device.
    fn composed(&self, x: &Tensor) -> Result<Tensor> {
        let (_, height, width, _) = x.dims4()?;
        let padded = x.pad_with_zeros(1, 1, 1)?.pad_with_zeros(2, 1, 1)?; // (b, h + 2, w + 2, c)
        let mut sum = self.bias.broadcast_as(x.shape())?.contiguous()?;
        for tap in 0..9 {
            let seen = padded.narrow(1, tap / 3, height)?.narrow(2, tap % 3, width)?; // (b, h, w, c)
            sum = (sum + seen.broadcast_mul(&self.weight.get(tap)?)?)?;
        }
        if self.relu { relu(&sum) } else { Ok(sum) }
    }
}

/// The kernel: x (b, h, w, c), weight (9, c), bias (c), all f32 and contiguous.
struct Taps {
    relu: bool,
}

impl CustomOp3 for Taps {
    fn name(&self) -> &'static str {
        "depthwise-3x3"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = contiguous(x, x_layout)?;
        let (_, height, width, channels) = x_layout.shape().dims4()?;
        let (weight, bias) = (contiguous(weight, weight_layout)?, contiguous(bias, bias_layout)?);
        let taps = Plane { height, width, channels, weight, bias, relu: self.relu };
        let mut y = vec![0f32; x.len()];
        let (image, row) = (height * width * channels, width * channels);
        if row > 0 {
            let arch = pulp::Arch::new();
            let rows = y.par_chunks_mut(row).with_min_len(8).enumerate();
            rows.for_each(|(index, y)| {
                let image = &x[index / height * image..][..image];
                arch.dispatch(|| taps.row(image, index % height, y));
            });
        }
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }
}

fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&storage.as_slice::<f32>()?[from..to]),
        None => bail!("a depthwise convolution needs contiguous tensors"),
    }
}

struct Plane<'a> {
    height: usize,
    width: usize,
    channels: usize,
    weight: &'a [f32],
    bias: &'a [f32],
    relu: bool,
}

impl Plane<'_> {
    /// Row `y` of the output, from the whole image (h, w, c).
    #[inline(always)]
    fn row(&self, image: &[f32], y: usize, out: &mut [f32]) {
        let Self { width, channels, .. } = *self;
        let stride = width * channels;
        // The rows of the input that the taps see, where they lie in the image.
        let rows = [y.checked_sub(1), Some(y), Some(y + 1).filter(|&y| y < self.height)];
        let rows = rows.map(|row| row.map(|row| &image[row * stride..][..stride]));
        for block in (0..channels).step_by(LANES) {
            let taps: [[f32; LANES]; 9] =
                std::array::from_fn(|tap| lanes(self.weight, tap * channels + block));
            let bias = lanes(self.bias, block);
            for x in 0..width {
                let mut sum = bias;
                for (row, taps) in rows.iter().zip(taps.as_chunks::<3>().0) {
                    let Some(row) = row else { continue };
                    let at = x * channels + block;
                    if x > 0 {
                        add(&mut sum, &lanes(row, at - channels), &taps[0]);
                    }
                    add(&mut sum, &lanes(row, at), &taps[1]);
                    if x + 1 < width {
                        add(&mut sum, &lanes(row, at + channels), &taps[2]);
                    }
                }
                if self.relu {
                    // Unlike `max`, this lets NaN through to the gate behind the network.
                    sum = sum.map(|value| if value < 0.0 { 0.0 } else { value });
                }
                out[x * channels + block..][..LANES].copy_from_slice(&sum);
            }
        }
    }
}

#[inline(always)]
fn lanes(values: &[f32], at: usize) -> [f32; LANES] {
    *values[at..].first_chunk().expect("channels are a multiple of the lanes")
}

#[inline(always)]
fn add(sum: &mut [f32; LANES], values: &[f32; LANES], weights: &[f32; LANES]) {
    for lane in 0..LANES {
        sum[lane] += values[lane] * weights[lane];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_testkit::assert_close;

    fn noise(shape: &[usize]) -> Tensor {
        affekt_testkit::noise(0.0, 1.0, shape)
    }

    #[test]
    fn the_kernel_is_candles_convolution() {
        for (shape, relu) in
            [([1, 5, 7, 16], true), ([2, 1, 1, 32], false), ([3, 2, 9, 64], true), ([1, 4, 1, 16], false)]
        {
            let (x, weight, bias) = (noise(&shape), noise(&[shape[3], 1, 3, 3]), noise(&[shape[3]]));
            let conv = Depthwise::new(&weight, bias.clone(), relu).unwrap();
            let channels_first = x.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
            let want =
                channels_first.conv2d(&weight, 1, 1, 1, shape[3]).unwrap().permute((0, 2, 3, 1)).unwrap();
            let want = want.broadcast_add(&bias).unwrap();
            let want = if relu { want.relu().unwrap() } else { want };
            assert_close("kernel", &conv.forward(&x).unwrap(), &want, 1e-5);
            assert_close("composed", &conv.composed(&x).unwrap(), &want, 1e-5);
        }
    }

    #[test]
    fn views_are_taken_and_other_shapes_refused() {
        let conv = Depthwise::new(&noise(&[16, 1, 3, 3]), noise(&[16]), true).unwrap();
        let view = noise(&[1, 16, 4, 6]).permute((0, 2, 3, 1)).unwrap();
        let copy = view.contiguous().unwrap();
        assert_close("view", &conv.forward(&view).unwrap(), &conv.forward(&copy).unwrap(), 0.0);
        assert!(conv.forward(&noise(&[1, 4, 6, 32])).is_err());
        assert!(conv.forward(&noise(&[4, 6, 16])).is_err());
        assert_eq!(conv.forward(&noise(&[1, 0, 6, 16])).unwrap().dims(), [1, 0, 6, 16]);
        assert!(Depthwise::new(&noise(&[10, 1, 3, 3]), noise(&[10]), true).is_err());
    }
}
