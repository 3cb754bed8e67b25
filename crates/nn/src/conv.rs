//! Convolutions over time with the channels last, each as one matrix product (or one a clip).
//!
//! With channels last, the inputs of one output lie side by side in memory: the windows of a sequence are a view of it
//! (stride `stride * c` between windows of `kernel * c` numbers), and a convolution is that view times a matrix. On the
//! CPU in f32, what follows is done to each tile of the product while it is in the cache. On a card windows that overlap
//! are read by several products, each of windows that do not. No backward pass.

mod card;

use crate::vectorised::vectorised;
use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use crate::cpu::{Numbers, Shared, takes};
use crate::gelu::{gelu, gelu_erf};
use crate::kernels;
use crate::maps::{Filled, filled};
use crate::norm::LayerNorm;
use crate::product::{Matrix, Rows, multiply, product_by_rows};

/// Outputs that share a row of a grouped convolution's product on a card. The frames that they see are copied: all frames
/// (8 + kernel - 1) / 8 times, where a row for each output would copy them `kernel` times. The price are products with
/// zeros: the work is that of 8 + kernel - 1 taps, 1.05 times as much for 128.
const PER_ROW: usize = 8;

/// Outputs of one tile: with 512 channels they take half of a common second-level cache.
const ROWS: usize = 256;

/// Whether several convolutions over `x` are worth computing in tiles of time, so that what lies between them stays in a
/// cache: on the CPU, in whose place no card stands.
pub fn tiles_pay(x: &Tensor) -> bool {
    x.device().is_cpu() && !kernels::take(x)
}

/// 1-d convolution without padding: (b, t, c_in) -> (b, t', c_out), t' = (t - kernel) / stride + 1.
#[derive(Clone, Debug)]
pub struct Conv1d {
    /// (kernel * c_in, c_out)
    weight: Tensor,
    bias: Option<Tensor>,
    kernel: usize,
    stride: usize,
}

impl Conv1d {
    /// Takes a weight as PyTorch lays it out, (c_out, c_in, kernel), and a bias (c_out).
    pub fn new(weight: &Tensor, bias: Option<Tensor>, stride: usize) -> Result<Self> {
        let (c_out, c_in, kernel) = weight.dims3()?;
        let weight = weight.permute((2, 1, 0))?.reshape((kernel * c_in, c_out))?;
        let bias = bias.map(|bias| bias.contiguous()).transpose()?;
        Ok(Self { weight, bias, kernel, stride })
    }

    /// Reads `weight` (c_out, c_in, kernel) and, with `bias`, `bias` (c_out).
    pub fn load(
        vb: &VarBuilder,
        (c_out, c_in, kernel): (usize, usize, usize),
        stride: usize,
        bias: bool,
    ) -> Result<Self> {
        let weight = vb.get((c_out, c_in, kernel), "weight")?;
        let bias = bias.then(|| vb.get(c_out, "bias")).transpose()?;
        Self::new(&weight, bias, stride)
    }

    /// (b, t, c_in) -> (b, t', c_out). Fewer frames than the kernel has taps are an error.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if self.runs_on_card(x) {
            return self.on_card(x, false);
        }
        if !takes(x) {
            return self.composed(x);
        }
        let bias = self.bias.as_ref().map(Numbers::of).transpose()?;
        self.kernel(x, |row| {
            if let Some(bias) = &bias {
                row.iter_mut().zip(&**bias).for_each(|(y, bias)| *y += bias);
            }
        })
    }

    /// `gelu(conv(x))`, exact GELU: (b, t, c_in) -> (b, t', c_out).
    pub fn forward_gelu(&self, x: &Tensor) -> Result<Tensor> {
        if self.runs_on_card(x) { self.on_card(x, true) } else { gelu_erf(&self.forward(x)?) }
    }

    /// `gelu(norm(conv(x)))`, the norm over channels, exact GELU: (b, t, c_in) -> (b, t', c_out).
    pub fn forward_norm_gelu(&self, x: &Tensor, norm: &LayerNorm) -> Result<Tensor> {
        if self.runs_on_card(x) {
            return self.norm_gelu_on_card(x, norm);
        }
        if !takes(x) {
            return norm.forward_gelu(&self.composed(x)?);
        }
        let kernel = norm.kernel()?;
        let channels = self.weight.dim(1)?;
        if kernel.width() != channels {
            bail!("a norm over {} channels behind a convolution with {channels}", kernel.width());
        }
        let bias = self.bias.as_ref().map(Numbers::of).transpose()?;
        self.kernel(x, |row| {
            if let Some(bias) = &bias {
                row.iter_mut().zip(&**bias).for_each(|(y, bias)| *y += bias);
            }
            kernel.norm_gelu(row);
        })
    }

    /// The product by tiles of whole rows; `finish` gets each row.
    fn kernel(&self, x: &Tensor, finish: impl Fn(&mut [f32]) + Sync) -> Result<Tensor> {
        let (batch, length, c_in) = x.dims3()?;
        let (taps, c_out) = self.weight.dims2()?;
        if taps != self.kernel * c_in {
            bail!("a convolution over {} channels got {c_in}", taps / self.kernel);
        }
        let count = windows_of(length, self.kernel, self.stride)?;
        let x = x.contiguous()?;
        let (numbers, weight) = (Numbers::of(&x)?, Numbers::of(&self.weight)?);
        let weight = Matrix::new(&weight, taps, c_out);
        let clip = |clip: &[f32]| {
            let windows = Rows::new(clip, count, taps, self.stride * c_in);
            let y = product_by_rows(windows, weight, ROWS, |_, _, row| finish(row));
            Tensor::from_vec(y, (1, count, c_out), x.device())
        };
        let mut clips = numbers.chunks_exact(length * c_in).map(clip).collect::<Result<Vec<_>>>()?;
        if batch == 1 { Ok(clips.remove(0)) } else { Tensor::cat(&clips, 0) }
    }

    fn composed(&self, x: &Tensor) -> Result<Tensor> {
        // cuBLAS cannot read windows that overlap, and neither can candle those of several clips in one product.
        let windows = windows(x, self.kernel, self.stride)?; // (b, t', kernel * c_in)
        let (batch, frames, taps) = windows.dims3()?;
        let y = windows.reshape((batch * frames, taps))?.matmul(&self.weight)?; // (b * t', c_out)
        let y = match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        };
        y.reshape((batch, frames, ())) // (b, t', c_out)
    }
}

/// 1-d convolution of stride 1 in groups of channels: (b, t, c_in) -> (b, t', c_out), zero padded in time. All groups
/// of a clip are one batched product.
#[derive(Clone, Debug)]
pub struct GroupedConv1d {
    /// (groups, (per_row + kernel - 1) * inputs, per_row * outputs): for each of `per_row` outputs side by side the weight,
    /// and zero for the frames that it does not see.
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    kernel: usize,
    /// Channels of a group.
    inputs: usize,
    outputs: usize,
    /// [`PER_ROW`] on a card, else 1.
    per_row: usize,
    /// Zeros before the first frame and after the last.
    padding: (usize, usize),
}

impl GroupedConv1d {
    /// Takes a weight as PyTorch lays it out, (c_out, c_in / groups, kernel), a bias (c_out), and how many zeros stand
    /// before and after the sequence: t' = t + before + after - kernel + 1.
    pub fn new(weight: &Tensor, bias: &Tensor, groups: usize, padding: (usize, usize)) -> Result<Self> {
        let (c_out, inputs, kernel) = weight.dims3()?;
        if groups == 0 || !c_out.is_multiple_of(groups) {
            bail!("{c_out} channels cannot be split into {groups} groups");
        }
        let outputs = c_out / groups;
        let weight = weight.reshape((groups, outputs, inputs, kernel))?.permute((0, 3, 2, 1))?;
        let per_row = if kernels::take(&weight) { PER_ROW } else { 1 };
        let column = |at: usize| weight.pad_with_zeros(1, at, per_row - 1 - at);
        let columns = (0..per_row).map(column).collect::<Result<Vec<_>>>()?;
        let weight = Tensor::stack(&columns, 3)?; // (groups, per_row + kernel - 1, inputs, per_row, outputs)
        let weight = weight.reshape((groups, (per_row + kernel - 1) * inputs, per_row * outputs))?;
        Ok(Self { weight, bias: bias.contiguous()?, groups, kernel, inputs, outputs, per_row, padding })
    }

    /// `x + gelu(conv(x))`, exact GELU, for convolutions that keep shapes: (b, t, c) -> (b, t, c).
    pub fn forward_gelu_add(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, length, channels) = x.dims3()?;
        let (before, after) = self.padding;
        let keeps = [self.inputs, self.outputs].iter().all(|part| part * self.groups == channels);
        if !keeps || before + after + 1 != self.kernel {
            bail!("a convolution that changes shapes cannot be added to its input {:?}", x.dims());
        }
        if kernels::take(x) && self.per_row > 1 {
            return self.gelu_add_on_card(&x.contiguous()?);
        }
        if self.per_row > 1 {
            bail!("a grouped convolution on a card got {:?} on {:?}", x.dtype(), x.device().location());
        }
        if takes(x) {
            let x = x.contiguous()?;
            let numbers = Numbers::of(&x)?;
            let clips = numbers.chunks_exact((length * channels).max(1)).map(|clip| self.kernel(clip));
            let clips = clips.collect::<Result<Vec<_>>>()?.concat();
            return Tensor::from_vec(clips, (batch, length, channels), x.device());
        }
        let clips = (0..batch).map(|clip| self.clip(&x.get(clip)?)).collect::<Result<Vec<_>>>()?;
        let y = Tensor::stack(&clips, 0)?.broadcast_add(&self.bias)?; // (b, t, c)
        x + gelu_erf(&y)?
    }

    /// One clip, row after row: (t, c) -> (t, c).
    fn kernel(&self, x: &[f32]) -> Result<Vec<f32>> {
        let (groups, taps, width) = self.weight.dims3()?;
        let channels = groups * width;
        let length = x.len() / channels;
        let (weight, bias) = (Numbers::of(&self.weight)?, Numbers::of(&self.bias)?);
        let group = |group: usize, out: Shared| {
            let padded = self.padded(x, group, width);
            let windows = Rows::new(&padded, length, taps, width);
            let weight = Matrix::new(&weight[group * taps * width..][..taps * width], taps, width);
            let first = group * width;
            // SAFETY: the columns of a group lie inside of the output, and no other group has them.
            unsafe { multiply(windows, weight, out.at(0, first), channels) };
            vectorised(
                #[inline(always)]
                || {
                    for (row, x) in x.chunks_exact(channels).enumerate() {
                        // SAFETY: as above, and the product has been written.
                        let y = unsafe { out.piece(row, first, width) };
                        for ((y, bias), x) in y.iter_mut().zip(&bias[first..]).zip(&x[first..]) {
                            *y = x + gelu(*y + bias);
                        }
                    }
                },
            );
        };
        let fill = |out: &mut Filled| {
            let out = Shared::new(out.as_mut_ptr().cast(), channels);
            (0..groups).into_par_iter().with_max_len(1).for_each(|at| group(at, out));
        };
        // SAFETY: the groups cover all columns.
        Ok(unsafe { filled(x.len(), fill) })
    }

    /// The channels of one group side by side, between the zeros: (before + t + after, width), row after row.
    fn padded(&self, x: &[f32], group: usize, width: usize) -> Vec<f32> {
        let (before, after) = self.padding;
        let rows = x.chunks_exact(self.groups * width);
        let mut padded = vec![0.; (before + rows.len() + after) * width];
        for (to, row) in padded[before * width..].chunks_exact_mut(width).zip(rows) {
            to.copy_from_slice(&row[group * width..][..width]);
        }
        padded
    }

    /// One clip: (t, c_in) -> (t', c_out). The windows of a batch together could be too large to copy.
    fn clip(&self, x: &Tensor) -> Result<Tensor> {
        let (frames, channels) = x.dims2()?;
        let x = x.reshape((frames, self.groups, channels / self.groups))?; // (t, g, c_in / g)
        let (before, after) = self.padding;
        let x = x.transpose(0, 1)?.pad_with_zeros(1, before, after)?; // (g, before + t + after, c_in / g)
        let windows = windows(&x, self.kernel, 1)?.contiguous()?; // (g, t', kernel * c_in / g)
        let y = windows.matmul(&self.weight)?; // (g, t', c_out / g)
        y.transpose(0, 1)?.flatten_from(1) // (t', c_out)
    }
}

/// How many windows a sequence has.
fn windows_of(length: usize, kernel: usize, stride: usize) -> Result<usize> {
    if length < kernel {
        bail!("a convolution over {kernel} frames needs as many, got {length}");
    }
    Ok((length - kernel) / stride + 1)
}

/// The windows of a sequence, as a view: (b, t, c) -> (b, t', kernel * c).
fn windows(x: &Tensor, kernel: usize, stride: usize) -> Result<Tensor> {
    let (batch, length, channels) = x.dims3()?;
    let count = windows_of(length, kernel, stride)?;
    let flat = x.contiguous()?.reshape((batch, length * channels))?; // (b, t * c)
    let windows = flat.unfold(1, kernel * channels, stride * channels)?; // (b, t', kernel * c)
    // `unfold` counts windows in f32, which is exact up to 2^24.
    if windows.dim(1)? != count {
        bail!("a sequence of {length} frames is too long for a convolution");
    }
    Ok(windows)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use affekt_testkit::assert_close;
    use candle_core::{DType, Device, Tensor};
    use candle_nn::VarMap;

    const TYPES: [(DType, f64); 3] = [(DType::F32, 1e-5), (DType::F16, 2e-2), (DType::BF16, 2e-1)];

    fn noise(shape: &[usize]) -> Tensor {
        affekt_testkit::noise(0.0, 1.0, shape)
    }

    fn wide(x: &Tensor) -> Tensor {
        x.to_dtype(DType::F32).unwrap()
    }

    #[test]
    fn conv1d_is_candles_with_the_channels_last() {
        for (batch, length, c_in, kernel, stride) in [
            (1, 57, 1, 10, 5),
            (3, 402, 1, 10, 5),
            (2, 40, 1, 7, 9),
            (2, 30, 3, 7, 2),
            (2, 11, 2, 3, 5),
            (1, 31, 6, 3, 2),
            (3, 30, 6, 2, 2),
            (2, 6, 4, 3, 2),
            (2, 3, 5, 3, 2),
            (1, 1100, 2, 3, 2),
        ] {
            let (x, weight, bias) = (noise(&[batch, length, c_in]), noise(&[8, c_in, kernel]), noise(&[8]));
            let want = x.transpose(1, 2).unwrap().conv1d(&weight, 0, stride, 1, 1).unwrap();
            let want = want.transpose(1, 2).unwrap().broadcast_add(&bias).unwrap().contiguous().unwrap();
            let norm =
                LayerNorm::load(&VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu), 8, 1e-5)
                    .unwrap();
            let normed = norm.forward(&want).unwrap().gelu_erf().unwrap();
            for (dtype, tolerance) in TYPES {
                let cast = |x: &Tensor| x.to_dtype(dtype).unwrap();
                let conv = Conv1d::new(&cast(&weight), Some(cast(&bias)), stride).unwrap();
                assert_close("conv1d", &wide(&conv.forward(&cast(&x)).unwrap()), &want, tolerance);
                let got = conv.forward_norm_gelu(&cast(&x), &norm).unwrap();
                assert_close("norm and gelu", &wide(&got), &normed, 10. * tolerance);
                let got = conv.forward_gelu(&cast(&x)).unwrap();
                assert_close("gelu", &wide(&got), &want.gelu_erf().unwrap(), tolerance);
            }
        }
    }

    /// As many channels as the kernel for cards has lanes for, and others; several frames a block; batch against single.
    #[test]
    fn the_first_layer_of_speech_encoders_is_what_it_is_in_f64() {
        for (batch, length, channels, bias) in [(2, 400, 512, false), (1, 15, 512, true), (3, 173, 500, true)]
        {
            let (weight, shift) = (noise(&[channels, 1, 10]), noise(&[channels]));
            let x = noise(&[batch, length, 1]);
            let run = |x: &Tensor, dtype| {
                let cast = |x: &Tensor| x.to_dtype(dtype).unwrap();
                let named =
                    HashMap::from([("weight".to_owned(), cast(&shift)), ("bias".to_owned(), cast(&shift))]);
                let vb = VarBuilder::from_tensors(named, dtype, &Device::Cpu);
                let norm = LayerNorm::load(&vb, channels, 1e-5).unwrap();
                let conv = Conv1d::new(&cast(&weight), bias.then(|| cast(&shift)), 5).unwrap();
                wide(&conv.forward_norm_gelu(&cast(x), &norm).unwrap())
            };
            for (dtype, tolerance) in [(DType::F32, 2e-5), (DType::F16, 3e-2), (DType::BF16, 2e-1)] {
                let rounded = |x: &Tensor| wide(&x.to_dtype(dtype).unwrap());
                let got = run(&x, dtype);
                assert_close(&format!("{dtype:?}"), &got, &run(&rounded(&x), DType::F64), tolerance);
                let single = run(&x.narrow(0, batch - 1, 1).unwrap(), dtype);
                assert_close("single", &single, &got.narrow(0, batch - 1, 1).unwrap(), 1e-6);
            }
        }
    }

    #[test]
    fn grouped_conv1d_is_candles_with_the_channels_last() {
        for batch in [1, 2] {
            let (x, weight, bias) = (noise(&[batch, 23, 12]), noise(&[12, 3, 6]), noise(&[12]));
            let want = x.transpose(1, 2).unwrap().conv1d(&weight, 3, 1, 1, 4).unwrap();
            let want = want.transpose(1, 2).unwrap().broadcast_add(&bias).unwrap().narrow(1, 0, 23).unwrap();
            let want = (want.gelu_erf().unwrap() + &x).unwrap();
            for (dtype, tolerance) in TYPES {
                let cast = |x: &Tensor| x.to_dtype(dtype).unwrap();
                let conv = GroupedConv1d::new(&cast(&weight), &cast(&bias), 4, (3, 2)).unwrap();
                let got = conv.forward_gelu_add(&cast(&x)).unwrap();
                assert_close("grouped conv1d", &wide(&got), &want, tolerance);
            }
        }
        let longer = GroupedConv1d::new(&noise(&[12, 3, 6]), &noise(&[12]), 4, (3, 3)).unwrap();
        assert!(longer.forward_gelu_add(&noise(&[1, 23, 12])).is_err());
    }

    /// Lengths, kernels and widths that fit no row of the product, and single frames.
    #[test]
    fn grouped_conv1d_takes_every_length_and_kernel() {
        for (batch, length, groups, width, kernel) in [
            (1, 1, 1, 1, 1),
            (2, 1, 2, 3, 4),
            (3, 8, 2, 8, 3),
            (2, 17, 3, 5, 20),
            (1, 7, 1, 16, 8),
            (2, 100, 2, 4, 128),
        ] {
            let channels = groups * width;
            let (x, weight) = (noise(&[batch, length, channels]), noise(&[channels, width, kernel]));
            let (weight, bias) = ((weight / (kernel as f64).sqrt()).unwrap(), noise(&[channels]));
            for before in [0, kernel / 2, kernel - 1] {
                let padding = (before, kernel - 1 - before);
                let padded = x.pad_with_zeros(1, padding.0, padding.1).unwrap();
                let want = padded.transpose(1, 2).unwrap().conv1d(&weight, 0, 1, 1, groups).unwrap();
                let want = want.transpose(1, 2).unwrap().broadcast_add(&bias).unwrap();
                let want = (want.contiguous().unwrap().gelu_erf().unwrap() + &x).unwrap();
                for (dtype, tolerance) in TYPES {
                    let cast = |x: &Tensor| x.to_dtype(dtype).unwrap();
                    let conv = GroupedConv1d::new(&cast(&weight), &cast(&bias), groups, padding).unwrap();
                    let got = conv.forward_gelu_add(&cast(&x)).unwrap();
                    let what = format!("{dtype:?}, {length} frames, {groups} of {width}, {kernel} taps");
                    assert_close(&what, &wide(&got), &want, tolerance);
                }
            }
        }
    }

    #[test]
    fn too_short_a_sequence_is_an_error() {
        let conv = Conv1d::new(&noise(&[2, 1, 10]), None, 5).unwrap();
        let error = conv.forward(&noise(&[1, 9, 1])).unwrap_err();
        assert!(error.to_string().contains("needs as many, got 9"), "{error}");
        assert!(conv.forward(&noise(&[1, 20, 2])).is_err());
    }
}
