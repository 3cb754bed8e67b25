//! Maps of which something is left to do.

use candle_core::{Result, Tensor, bail};

/// Maps, and what whoever reads them does to every number first: the bias of its channel is added, then a ReLU applied.
///
/// On a card convolutions leave that to the next reader, which saves a pass over memory and a launch. Elsewhere nothing is
/// ever left to do.
#[derive(Clone, Debug)]
pub struct Pending {
    pub(crate) maps: Tensor,
    /// (c), or (groups, c), in f32.
    pub(crate) bias: Option<Tensor>,
    pub(crate) relu: bool,
}

impl Pending {
    /// The maps, of which nothing may be left to do.
    pub fn ready(&self) -> Result<&Tensor> {
        if self.bias.is_some() || self.relu {
            bail!("maps {:?} that were read before they were finished", self.maps.dims());
        }
        Ok(&self.maps)
    }

    /// The maps of two groups, of which nothing is done yet: (2, b, h, w, c) -> 2 x (b, h, w, c).
    pub fn halves(&self) -> Result<[Tensor; 2]> {
        Ok([self.maps.get(0)?, self.maps.get(1)?])
    }
}

impl From<Tensor> for Pending {
    /// Nothing is left to do.
    fn from(maps: Tensor) -> Self {
        Self { maps, bias: None, relu: false }
    }
}
