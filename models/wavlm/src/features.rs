//! From the waveform to frames of 20 ms: strided convolutions, then a projection to the width of the network.

use affekt_nn::conv::Conv1d;
use candle_core::{DType, Result, Tensor};
use candle_nn::{LayerNorm, Linear, Module, VarBuilder, layer_norm, linear};

use crate::config::{Config, ConvNorm, ConvShape};
use crate::lengths;

/// Of the norms inside the convolutional layers, whatever the configuration says for the others.
const EPS: f64 = 1e-5;

/// The convolutional layers.
pub(crate) struct FeatureExtractor {
    layers: Vec<ConvLayer>,
}

impl FeatureExtractor {
    pub fn load(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let vb = vb.pp("conv_layers");
        let layer = |(at, shape)| ConvLayer::load(&vb.pp(at), cfg, at, shape);
        let layers = cfg.convs.iter().enumerate().map(layer).collect::<Result<_>>()?;
        Ok(Self { layers })
    }

    /// (b, n) -> (b, t, c). `lengths` are the true ones, in samples.
    pub fn forward(&self, waveform: &Tensor, lengths: &[usize]) -> Result<Tensor> {
        let mut x = waveform.unsqueeze(2)?; // (b, n, 1)
        let mut lengths = lengths.to_vec();
        for layer in &self.layers {
            lengths.iter_mut().for_each(|length| *length = layer.shape.length(*length));
            x = layer.forward(&x, &lengths)?; // (b, t', c)
        }
        Ok(x)
    }
}

struct ConvLayer {
    conv: Conv1d,
    norm: Norm,
    shape: ConvShape,
}

enum Norm {
    None,
    Channels(LayerNorm),
    Frames(FrameNorm),
}

impl ConvLayer {
    fn load(vb: &VarBuilder, cfg: &Config, at: usize, shape: &ConvShape) -> Result<Self> {
        let dims = (shape.outputs, shape.inputs, shape.kernel);
        let conv = Conv1d::load(&vb.pp("conv"), dims, shape.stride, cfg.conv_bias)?;
        let norm = match (cfg.conv_norm, at) {
            (ConvNorm::Layer, _) => Norm::Channels(layer_norm(shape.outputs, EPS, vb.pp("layer_norm"))?),
            (ConvNorm::Group, 0) => Norm::Frames(FrameNorm::load(&vb.pp("layer_norm"), shape.outputs)?),
            (ConvNorm::Group, _) => Norm::None,
        };
        Ok(Self { conv, norm, shape: *shape })
    }

    /// (b, t, c) -> (b, t', c'). `lengths` are the true ones of the output.
    fn forward(&self, x: &Tensor, lengths: &[usize]) -> Result<Tensor> {
        let x = self.conv.forward(x)?; // (b, t', c')
        let x = match &self.norm {
            Norm::None => x,
            Norm::Channels(norm) => norm.forward(&x)?,
            Norm::Frames(norm) => norm.forward(&x, lengths)?,
        };
        x.gelu_erf()
    }
}

/// Group norm with a group for each channel: zero mean and unit variance over the true frames of a clip.
struct FrameNorm {
    weight: Tensor,
    bias: Tensor,
}

impl FrameNorm {
    fn load(vb: &VarBuilder, channels: usize) -> Result<Self> {
        Ok(Self { weight: vb.get(channels, "weight")?, bias: vb.get(channels, "bias")? })
    }

    /// (b, t, c) -> (b, t, c)
    fn forward(&self, x: &Tensor, lengths: &[usize]) -> Result<Tensor> {
        // In f64: sums over thousands of frames lose digits in f32, and the norm magnifies the loss.
        let valid = lengths::mask(lengths, x.dim(1)?, x.device())?.to_dtype(DType::F64)?; // (b, t)
        let share = valid.broadcast_div(&valid.sum_keepdim(1)?)?.unsqueeze(1)?; // (b, 1, t)
        let mean = |x: &Tensor| share.matmul(&x.to_dtype(DType::F64)?); // (b, t, c) -> (b, 1, c)
        let centred = x.broadcast_sub(&mean(x)?.to_dtype(x.dtype())?)?; // (b, t, c)
        let deviation = (mean(&centred.sqr()?)? + EPS)?.sqrt()?.to_dtype(x.dtype())?; // (b, 1, c)
        let scale = self.weight.broadcast_div(&deviation)?; // (b, 1, c)
        centred.broadcast_mul(&scale)?.broadcast_add(&self.bias)
    }
}

/// Layer norm and a linear map to the width of the network.
pub(crate) struct FeatureProjection {
    norm: LayerNorm,
    projection: Linear,
}

impl FeatureProjection {
    pub fn load(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let channels = cfg.convs.last().map_or(1, |conv| conv.outputs);
        let norm = layer_norm(channels, cfg.layer_norm_eps, vb.pp("layer_norm"))?;
        let projection = linear(channels, cfg.hidden_size, vb.pp("projection"))?;
        Ok(Self { norm, projection })
    }

    /// (b, t, c) -> (b, t, hidden)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.projection.forward(&self.norm.forward(x)?)
    }
}
