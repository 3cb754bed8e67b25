//! From the waveform to frames of 20 ms: strided convolutions, then a projection to the width of the network.

use affekt_nn::conv::{Conv1d, tiles_pay};
use affekt_nn::finite::Gate;
use affekt_nn::gelu::gelu_erf;
use affekt_nn::lengths::Lengths;
use affekt_nn::linear::Linear;
use affekt_nn::norm::LayerNorm;
use candle_core::{DType, Module, Result, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use crate::config::{Config, ConvNorm, ConvShape};

/// Of the norms inside the convolutional layers, whatever the configuration says for the others.
const EPS: f64 = 1e-5;

/// Frames that are computed together on the CPU, so that what lies between the layers stays in the cache: (64, 512) in
/// the end are (4111, 512) behind the first layer, 8 MB.
const TILE: usize = 64;

/// The convolutional layers.
pub(crate) struct FeatureExtractor {
    layers: Vec<ConvLayer>,
    /// Whether a frame depends on nothing but its own samples.
    local: bool,
}

impl FeatureExtractor {
    pub fn load(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let vb = vb.pp("conv_layers");
        let layer = |(at, shape)| ConvLayer::load(&vb.pp(at), cfg, at, shape);
        let layers = cfg.convs.iter().enumerate().map(layer).collect::<Result<_>>()?;
        Ok(Self { layers, local: cfg.conv_norm == ConvNorm::Layer })
    }

    /// (b, n) -> (b, t, c). `lengths` are the true ones, in samples.
    pub fn forward(&self, waveform: &Tensor, lengths: &[usize], gate: Gate) -> Result<Tensor> {
        let x = waveform.unsqueeze(2)?; // (b, n, 1)
        if self.local && tiles_pay(&x) {
            return self.by_tiles(&x.contiguous()?, gate);
        }
        self.whole(x, lengths, gate)
    }

    fn whole(&self, mut x: Tensor, lengths: &[usize], gate: Gate) -> Result<Tensor> {
        let mut lengths = lengths.to_vec();
        for layer in &self.layers {
            lengths.iter_mut().for_each(|length| *length = layer.shape.length(*length));
            x = gate.pass(|| layer.name.clone(), layer.forward(&x, &lengths)?)?; // (b, t', c)
        }
        Ok(x)
    }

    /// As `whole`, [`TILE`] frames at a time on all threads.
    fn by_tiles(&self, x: &Tensor, gate: Gate) -> Result<Tensor> {
        let (batch, samples, _) = x.dims3()?;
        let shapes = || self.layers.iter().map(|layer| layer.shape);
        let frames = shapes().fold(samples, |length, shape| shape.length(length));
        let tiles: Vec<_> =
            (0..batch).flat_map(|clip| (0..frames).step_by(TILE).map(move |first| (clip, first))).collect();
        let tile = |&(clip, first): &(usize, usize)| {
            let count = TILE.min(frames - first);
            let stride: usize = shapes().map(|shape| shape.stride).product();
            let seen = shapes().rev().fold(count, |count, shape| (count - 1) * shape.stride + shape.kernel);
            let x = x.narrow(0, clip, 1)?.narrow(1, first * stride, seen)?; // (1, n', 1)
            self.whole(x, &[seen], gate) // (1, t', c)
        };
        let tiles = tiles.par_iter().with_max_len(1).map(tile).collect::<Result<Vec<_>>>()?;
        let clips = tiles.chunks(frames.div_ceil(TILE)).map(|tiles| Tensor::cat(tiles, 1));
        Tensor::cat(&clips.collect::<Result<Vec<_>>>()?, 0) // (b, t, c)
    }
}

struct ConvLayer {
    conv: Conv1d,
    norm: Norm,
    shape: ConvShape,
    /// In the checkpoint.
    name: String,
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
            (ConvNorm::Layer, _) => {
                Norm::Channels(LayerNorm::load(&vb.pp("layer_norm"), shape.outputs, EPS)?)
            }
            (ConvNorm::Group, 0) => Norm::Frames(FrameNorm::load(&vb.pp("layer_norm"), shape.outputs)?),
            (ConvNorm::Group, _) => Norm::None,
        };
        Ok(Self { conv, norm, shape: *shape, name: vb.prefix() })
    }

    /// (b, t, c) -> (b, t', c'). `lengths` are the true ones of the output.
    fn forward(&self, x: &Tensor, lengths: &[usize]) -> Result<Tensor> {
        match &self.norm {
            Norm::None => self.conv.forward_gelu(x),
            Norm::Channels(norm) => self.conv.forward_norm_gelu(x, norm),
            Norm::Frames(norm) => gelu_erf(&norm.forward(&self.conv.forward(x)?, lengths)?),
        }
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
        let valid = Lengths::new(lengths, x.device()).mask(x.dim(1)?)?.to_dtype(DType::F64)?; // (b, t)
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
        let norm = LayerNorm::load(&vb.pp("layer_norm"), channels, cfg.layer_norm_eps)?;
        let projection = Linear::load(&vb.pp("projection"), channels, cfg.hidden_size, true)?;
        Ok(Self { norm, projection })
    }

    /// (b, t, c) -> (b, t, hidden)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.projection.forward(&self.norm.forward(x)?)
    }
}
