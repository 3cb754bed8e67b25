//! CBAM, the convolutional block attention module: a gate for each channel, then one for each place.

use affekt_nn::conv2d::Finish;
use affekt_nn::linear::Linear;
use affekt_nn::maps;
use affekt_nn::relu::relu;
use candle_core::{Module, Result, Tensor};
use candle_nn::{VarBuilder, ops::sigmoid};

use crate::conv::{NormConv, Shape};

/// How many times narrower the channel gate is inside.
const REDUCTION: usize = 16;

/// Both gates.
#[derive(Clone, Debug)]
pub struct Cbam {
    squeeze: Linear,
    excite: Linear,
    spatial: NormConv,
}

impl Cbam {
    /// Reads `ChannelGate` and `SpatialGate` for maps of `channels`.
    pub fn load(vb: &VarBuilder, channels: usize) -> Result<Self> {
        let mlp = vb.pp("ChannelGate.mlp");
        let shape = Shape { inputs: 2, outputs: 1, kernel: 7, stride: 1 };
        Ok(Self {
            squeeze: Linear::load(&mlp.pp(1), channels, channels / REDUCTION, true)?,
            excite: Linear::load(&mlp.pp(3), channels / REDUCTION, channels, true)?,
            spatial: NormConv::load(&vb.pp("SpatialGate.spatial"), "conv", "bn", shape)?,
        })
    }

    /// Gates `x`, then adds the residual and applies a ReLU: (b, h, w, c) to (b, h, w, c).
    pub fn forward(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        let (x, pooled) = maps::scale_channels(x, &self.channel_gate(x)?)?; // (b, h, w, c), (b, h, w, 2)
        let gate = sigmoid(&self.spatial.forward(&pooled, Finish::default())?)?; // (b, h, w, 1)
        maps::scale_places(&x, &gate, residual)
    }

    /// Sigmoid of the sum of one MLP over the channels' means and their maxima: (b, c).
    fn channel_gate(&self, x: &Tensor) -> Result<Tensor> {
        let pooled = maps::mean_and_max(x)?; // (2, b, c)
        let inner = relu(&self.squeeze.forward(&pooled)?)?; // (2, b, c / 16)
        sigmoid(&self.excite.forward(&inner)?.sum(0)?) // (b, c)
    }
}
