//! CBAM, the convolutional block attention module: a gate for each channel, then one for each place.

use affekt_nn::cbam::{Gates, Parameters};
use affekt_nn::conv2d::joins;
use affekt_nn::linear::Linear;
use affekt_nn::maps::{self, Pending};
use affekt_nn::relu::relu;
use candle_core::{Module, Result, Tensor, bail};
use candle_nn::{VarBuilder, ops::sigmoid};

use crate::conv::{NormConv, Shape, folded};

/// How many times narrower the channel gate is inside.
const REDUCTION: usize = 16;

/// The convolution of the place gate.
const SPATIAL: Shape = Shape { inputs: 2, outputs: 1, kernel: 7, stride: 1 };

/// Both gates.
#[derive(Clone, Debug)]
pub enum Cbam {
    /// One kernel for a card.
    Card(Gates),
    /// Step by step.
    Steps(Box<Steps>),
}

/// Both gates, in steps.
#[derive(Clone, Debug)]
pub struct Steps {
    squeeze: Linear,
    excite: Linear,
    spatial: NormConv,
}

impl Cbam {
    /// Reads `ChannelGate` and `SpatialGate` of every part of the network in `vbs`, for maps of `channels`.
    pub fn load(vbs: &[VarBuilder], channels: usize) -> Result<Self> {
        let [vb, ..] = vbs else { bail!("gates of no part of the network") };
        if joins(vb.dtype(), vb.device())? {
            return Ok(Self::Card(gates(vbs, channels)?));
        }
        let mlp = vb.pp("ChannelGate.mlp");
        Ok(Self::Steps(Box::new(Steps {
            squeeze: Linear::load(&mlp.pp(1), channels, channels / REDUCTION, true)?,
            excite: Linear::load(&mlp.pp(3), channels / REDUCTION, channels, true)?,
            spatial: NormConv::load(&[vb.pp("SpatialGate.spatial")], "conv", "bn", SPATIAL)?,
        })))
    }

    /// The gates `index` of those that are joined.
    pub fn part(&self, index: usize) -> Result<Self> {
        match self {
            Self::Card(gates) => Ok(Self::Card(gates.part(index)?)),
            Self::Steps(_) => bail!("gates that none were joined to"),
        }
    }

    /// Gates `x`, then adds the residual and applies a ReLU: (b, h, w, c) to (b, h, w, c).
    pub fn forward(&self, x: &Pending, residual: &Pending) -> Result<Tensor> {
        match self {
            Self::Card(gates) => gates.forward(x, residual),
            Self::Steps(steps) => steps.forward(x.ready()?, residual.ready()?),
        }
    }
}

/// The parameters as the kernel for cards takes them.
fn gates(vbs: &[VarBuilder], channels: usize) -> Result<Gates> {
    let inner = channels / REDUCTION;
    let groups = vbs.iter().map(|vb| {
        let (mlp, spatial) = (vb.pp("ChannelGate.mlp"), vb.pp("SpatialGate.spatial"));
        let (squeeze, excite) = (mlp.pp(1), mlp.pp(3));
        Ok([
            (squeeze.get((inner, channels), "weight")?, squeeze.get(inner, "bias")?),
            (excite.get((channels, inner), "weight")?, excite.get(channels, "bias")?),
            folded(&spatial.pp("conv"), &spatial.pp("bn"), SPATIAL)?,
        ])
    });
    let groups = groups.collect::<Result<Vec<_>>>()?;
    let parameters = groups.iter().map(|[squeeze, excite, spatial]| Parameters {
        squeeze: (&squeeze.0, &squeeze.1),
        excite: (&excite.0, &excite.1),
        spatial: (&spatial.0, &spatial.1),
    });
    Gates::new(&parameters.collect::<Vec<_>>())
}

impl Steps {
    fn forward(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        let (x, pooled) = maps::scale_channels(x, &self.channel_gate(x)?)?; // (b, h, w, c), (b, h, w, 2)
        let gate = sigmoid(&self.spatial.end(&pooled.into(), None, false)?)?; // (b, h, w, 1)
        maps::scale_places(&x, &gate, residual)
    }

    /// Sigmoid of the sum of one MLP over the channels' means and their maxima: (b, c).
    fn channel_gate(&self, x: &Tensor) -> Result<Tensor> {
        let pooled = maps::mean_and_max(x)?; // (2, b, c)
        let inner = relu(&self.squeeze.forward(&pooled)?)?; // (2, b, c / 16)
        sigmoid(&self.excite.forward(&inner)?.sum(0)?) // (b, c)
    }
}
