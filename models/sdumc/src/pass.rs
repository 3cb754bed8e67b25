//! What goes with a batch on its way through the network.

use affekt_nn::dropout::Dropout;
use affekt_nn::finite::Gate;
use candle_core::{Result, Tensor};

use crate::Flow;

/// One flow's way through the network.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Which flow.
    pub flow: Flow,
    /// What training drops; each layer has masks of its own, by its name.
    pub dropout: Dropout,
    /// Where numbers that are not finite are found.
    pub gate: Gate,
}

impl Pass {
    /// The output of the layer called `name` (as in the checkpoint), made by `forward`.
    pub fn layer(self, name: &str, forward: impl FnOnce(Dropout) -> Result<Tensor>) -> Result<Tensor> {
        self.gate.pass(|| name.into(), forward(self.dropout.at(name))?)
    }
}
