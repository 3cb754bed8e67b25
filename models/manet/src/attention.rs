//! CBAM, the convolutional block attention module: a gate for each channel, then one for each place.

use candle_core::{Module, Result, Tensor};
use candle_nn::{Linear, VarBuilder, linear, ops::sigmoid};

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
            squeeze: linear(channels, channels / REDUCTION, mlp.pp(1))?,
            excite: linear(channels / REDUCTION, channels, mlp.pp(3))?,
            spatial: NormConv::load(&vb.pp("SpatialGate.spatial"), "conv", "bn", shape)?,
        })
    }

    /// Sigmoid of the sum of one MLP over the channels' means and their maxima: (b, c, 1, 1).
    fn channel_gate(&self, x: &Tensor) -> Result<Tensor> {
        let mlp = |pooled: &Tensor| self.excite.forward(&self.squeeze.forward(pooled)?.relu()?);
        let places = x.flatten_from(2)?; // (b, c, h w)
        let gate = (mlp(&places.mean(2)?)? + mlp(&places.max(2)?)?)?; // (b, c)
        sigmoid(&gate)?.unsqueeze(2)?.unsqueeze(3) // (b, c, 1, 1)
    }

    /// Sigmoid of a convolution over each place's maximum and mean: (b, 1, h, w).
    fn spatial_gate(&self, x: &Tensor) -> Result<Tensor> {
        let pooled = Tensor::cat(&[x.max_keepdim(1)?, x.mean_keepdim(1)?], 1)?; // (b, 2, h, w)
        sigmoid(&self.spatial.forward(&pooled)?) // (b, 1, h, w)
    }
}

impl Module for Cbam {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.broadcast_mul(&self.channel_gate(x)?)?;
        x.broadcast_mul(&self.spatial_gate(&x)?)
    }
}
