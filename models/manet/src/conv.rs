//! Convolution followed by batch normalisation, as one.

use affekt_nn::conv2d::Conv2d;
use affekt_nn::maps::Pending;
use candle_core::{DType, Result, Tensor};
use candle_nn::VarBuilder;

const BATCH_NORM_EPS: f64 = 1e-5;

/// A square convolution without bias and the batch normalisation after it, folded into one convolution with bias.
/// Padding keeps the size at stride 1. On a card it may be several of one size, joined: see [`Conv2d::joined`].
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
    /// Reads the convolution `conv` and the normalisation `norm` of every part of the network in `vbs`.
    pub fn load(vbs: &[VarBuilder], conv: &str, norm: &str, shape: Shape) -> Result<Self> {
        let folded = vbs.iter().map(|vb| folded(&vb.pp(conv), &vb.pp(norm), shape));
        let (weights, biases): (Vec<_>, Vec<_>) = folded.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        match (&weights[..], &biases[..]) {
            ([weight], [bias]) => Ok(Self(Conv2d::new(weight, bias.clone(), shape.stride)?)),
            (weights, biases) => Ok(Self(Conv2d::joined(weights, biases, shape.stride)?)),
        }
    }

    /// The convolution `index` of those that are joined.
    pub fn part(&self, index: usize) -> Result<Self> {
        Ok(Self(self.0.part(index)?))
    }

    /// (b, h, w, in) to (b, h / stride, w / stride, out), rounded up; bias and, with `relu`, the ReLU may be left to whoever
    /// reads it.
    pub fn begin(&self, x: &Pending, relu: bool) -> Result<Pending> {
        self.0.begin(x, relu)
    }

    /// As [`Self::begin`], with everything done and perhaps a residual added.
    pub fn end(&self, x: &Pending, residual: Option<&Pending>, relu: bool) -> Result<Tensor> {
        self.0.end(x, residual, relu)
    }
}

/// Weight and bias: w' = w g / s and b' = beta - mean g / s with s = sqrt(variance + 1e-5), computed in f32.
pub fn folded(conv: &VarBuilder, norm: &VarBuilder, shape: Shape) -> Result<(Tensor, Tensor)> {
    let Shape { inputs, outputs, kernel, .. } = shape;
    let weight = conv.get((outputs, inputs, kernel, kernel), "weight")?;
    let read = |name: &str| norm.get(outputs, name)?.to_dtype(DType::F32);
    let scale = read("weight")?.div(&(read("running_var")? + BATCH_NORM_EPS)?.sqrt()?)?; // (out)
    let bias = (read("bias")? - (read("running_mean")? * &scale)?)?; // (out)
    let weight = weight.to_dtype(DType::F32)?.broadcast_mul(&scale.reshape((outputs, 1, 1, 1))?)?;
    Ok((weight.to_dtype(conv.dtype())?, bias.to_dtype(conv.dtype())?))
}
