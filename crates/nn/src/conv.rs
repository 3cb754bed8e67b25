//! Convolutions over time with the channels last, each as one matrix product (or one a clip).
//!
//! With channels last, the inputs of one output lie side by side in memory: the windows of a sequence are a view of it
//! (stride `stride * c` between windows of `kernel * c` numbers), and a convolution is that view times a matrix.

use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;

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
        let windows = windows(x, self.kernel, self.stride)?; // (b, t', kernel * c_in)
        let (batch, frames, taps) = windows.dims3()?;
        let y = if batch == 1 && x.device().is_cpu() {
            windows.squeeze(0)?.matmul(&self.weight)?
        } else {
            // cuBLAS cannot read windows that overlap, and neither can candle those of several clips in one product.
            windows.reshape((batch * frames, taps))?.matmul(&self.weight)?
        }; // (b * t', c_out)
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
    /// (groups, kernel * c_in / groups, c_out / groups)
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    kernel: usize,
    /// Zeros before the first frame and after the last.
    padding: (usize, usize),
}

impl GroupedConv1d {
    /// Takes a weight as PyTorch lays it out, (c_out, c_in / groups, kernel), a bias (c_out), and how many zeros stand
    /// before and after the sequence: t' = t + before + after - kernel + 1.
    pub fn new(weight: &Tensor, bias: Tensor, groups: usize, padding: (usize, usize)) -> Result<Self> {
        let (c_out, inputs, kernel) = weight.dims3()?;
        if groups == 0 || !c_out.is_multiple_of(groups) {
            bail!("{c_out} channels cannot be split into {groups} groups");
        }
        let outputs = c_out / groups;
        let weight = weight.reshape((groups, outputs, inputs, kernel))?.permute((0, 3, 2, 1))?;
        let weight = weight.reshape((groups, kernel * inputs, outputs))?;
        Ok(Self { weight, bias, groups, kernel, padding })
    }

    /// (b, t, c_in) -> (b, t', c_out).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let clips = (0..x.dim(0)?).map(|clip| self.clip(&x.get(clip)?)).collect::<Result<Vec<_>>>()?;
        Tensor::stack(&clips, 0)?.broadcast_add(&self.bias) // (b, t', c_out)
    }

    /// One clip: (t, c_in) -> (t', c_out). The windows of a batch together could be too large to copy.
    fn clip(&self, x: &Tensor) -> Result<Tensor> {
        let (frames, channels) = x.dims2()?;
        let x = x.reshape((frames, self.groups, channels / self.groups))?; // (t, g, c_in / g)
        let (before, after) = self.padding;
        let x = x.transpose(0, 1)?.pad_with_zeros(1, before, after)?; // (g, before + t + after, c_in / g)
        let windows = windows(&x, self.kernel, 1)?; // (g, t', kernel * c_in / g)
        let windows = if x.device().is_cpu() { windows } else { windows.contiguous()? };
        let y = windows.matmul(&self.weight)?; // (g, t', c_out / g)
        y.transpose(0, 1)?.flatten_from(1) // (t', c_out)
    }
}

/// The windows of a sequence, as a view: (b, t, c) -> (b, t', kernel * c).
fn windows(x: &Tensor, kernel: usize, stride: usize) -> Result<Tensor> {
    let (batch, length, channels) = x.dims3()?;
    if length < kernel {
        bail!("a convolution over {kernel} frames needs as many, got {length}");
    }
    let count = (length - kernel) / stride + 1;
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
    use super::*;
    use affekt_testkit::assert_close;
    use candle_core::{Device, Tensor};

    fn noise(shape: &[usize]) -> Tensor {
        Tensor::randn(0f32, 1., shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn conv1d_is_candles_with_the_channels_last() {
        for (batch, length, c_in, kernel, stride) in
            [(1, 57, 1, 10, 5), (1, 31, 6, 3, 2), (3, 30, 6, 2, 2), (2, 6, 4, 3, 2), (2, 3, 5, 3, 2)]
        {
            let (x, weight, bias) = (noise(&[batch, length, c_in]), noise(&[8, c_in, kernel]), noise(&[8]));
            let want = x.transpose(1, 2).unwrap().conv1d(&weight, 0, stride, 1, 1).unwrap();
            let want = want.transpose(1, 2).unwrap().broadcast_add(&bias).unwrap();
            let conv = Conv1d::new(&weight, Some(bias), stride).unwrap();
            assert_close("conv1d", &conv.forward(&x).unwrap(), &want, 1e-5);
        }
    }

    #[test]
    fn grouped_conv1d_is_candles_with_the_channels_last() {
        for batch in [1, 2] {
            let (x, weight, bias) = (noise(&[batch, 23, 12]), noise(&[8, 3, 6]), noise(&[8]));
            let want = x.transpose(1, 2).unwrap().conv1d(&weight, 3, 1, 1, 4).unwrap();
            let want = want.transpose(1, 2).unwrap().broadcast_add(&bias).unwrap().narrow(1, 0, 23).unwrap();
            let conv = GroupedConv1d::new(&weight, bias, 4, (3, 2)).unwrap();
            assert_close("grouped conv1d", &conv.forward(&x).unwrap(), &want, 1e-5);
        }
    }

    #[test]
    fn too_short_a_sequence_is_an_error() {
        let conv = Conv1d::new(&noise(&[2, 1, 10]), None, 5).unwrap();
        let error = conv.forward(&noise(&[1, 9, 1])).unwrap_err();
        assert!(error.to_string().contains("needs as many, got 9"), "{error}");
    }
}
