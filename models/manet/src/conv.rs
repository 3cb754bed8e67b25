//! Convolution followed by batch normalisation, as one.

use candle_core::{DType, Module, Result, Tensor};
use candle_nn::VarBuilder;

const BATCH_NORM_EPS: f64 = 1e-5;

/// A square convolution without bias and the batch normalisation after it, folded into one convolution with bias.
/// Padding keeps the size at stride 1.
#[derive(Clone, Debug)]
pub struct NormConv {
    /// (out, in, kernel, kernel)
    weight: Tensor,
    /// (1, out, 1, 1)
    bias: Tensor,
    stride: usize,
    padding: usize,
}

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Channels that go in.
    pub inputs: usize,
    /// Channels that come out.
    pub outputs: usize,
    /// Rows and columns of the kernel, odd.
    pub kernel: usize,
    /// Step of the kernel.
    pub stride: usize,
}

impl Shape {
    /// A 3 x 3 convolution.
    pub fn three(inputs: usize, outputs: usize, stride: usize) -> Self {
        Self { inputs, outputs, kernel: 3, stride }
    }
}

impl NormConv {
    /// Reads the convolution `conv` and the normalisation `norm`: w' = w g / s and b' = beta - mean g / s with
    /// s = sqrt(variance + 1e-5), computed in f32.
    pub fn load(vb: &VarBuilder, conv: &str, norm: &str, shape: Shape) -> Result<Self> {
        let Shape { inputs, outputs, kernel, stride } = shape;
        let weight = vb.pp(conv).get((outputs, inputs, kernel, kernel), "weight")?;
        let norm = vb.pp(norm);
        let read = |name: &str| norm.get(outputs, name)?.to_dtype(DType::F32);
        let scale = read("weight")?.div(&(read("running_var")? + BATCH_NORM_EPS)?.sqrt()?)?; // (out)
        let bias = (read("bias")? - (read("running_mean")? * &scale)?)?; // (out)
        let weight = weight.to_dtype(DType::F32)?.broadcast_mul(&scale.reshape((outputs, 1, 1, 1))?)?;
        Ok(Self {
            weight: weight.to_dtype(vb.dtype())?,
            bias: bias.reshape((1, outputs, 1, 1))?.to_dtype(vb.dtype())?,
            stride,
            padding: kernel / 2,
        })
    }
}

impl Module for NormConv {
    /// (b, in, h, w) to (b, out, h / stride, w / stride), rounded up.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.conv2d(&self.weight, self.padding, self.stride, 1, 1)?.broadcast_add(&self.bias)
    }
}
