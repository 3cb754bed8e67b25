//! Convolution followed by batch normalisation, as one.

use affekt_nn::conv2d::{Conv2d, Finish};
use candle_core::{DType, Result, Tensor};
use candle_nn::VarBuilder;

const BATCH_NORM_EPS: f64 = 1e-5;

/// A square convolution without bias and the batch normalisation after it, folded into one convolution with bias.
/// Padding keeps the size at stride 1.
#[derive(Clone, Debug)]
pub struct NormConv(Conv2d);

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
        let (weight, bias) = (weight.to_dtype(vb.dtype())?, bias.to_dtype(vb.dtype())?);
        Ok(Self(Conv2d::new(&weight, bias, stride)?))
    }

    /// (b, h, w, in) to (b, h / stride, w / stride, out), rounded up.
    pub fn forward(&self, x: &Tensor, finish: Finish) -> Result<Tensor> {
        self.0.forward(x, finish)
    }
}
