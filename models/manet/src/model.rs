//! The network: a shared stem, then a local branch over four quarters and a global one over the whole map.

use affekt_nn::conv2d::joins;
use affekt_nn::finite::{Gate, gated};
use affekt_nn::maps;
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use crate::block::{Kind, Layer};
use crate::conv::{NormConv, Shape};
use crate::{Config, Error};

/// The encoder. Its parts are public, so that each can be looked at.
#[derive(Clone, Debug)]
pub struct Manet {
    /// First convolution and pooling.
    pub stem: Stem,
    /// Basic blocks, w channels, a quarter of the image's side.
    pub layer1: Layer,
    /// Basic blocks, 2w channels, an eighth of the image's side.
    pub layer2: Layer,
    /// Attention blocks for the quarters top left, top right, bottom left, bottom right.
    pub local: [Branch; 4],
    /// The four as one, on a card; they share the memory of their weights.
    pub joined: Option<Branch>,
    /// Multi-scale blocks for the whole map.
    pub global: Branch,
}

impl Manet {
    /// Reads the parameters under their published names.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "every network takes its VarBuilder by value, as candle's do"
    )]
    pub fn load(vb: VarBuilder, cfg: &Config) -> Result<Self> {
        let w = cfg.width;
        // The quarters stay as large as they are in the second layer: stride 1.
        let parts = |parts: &[usize]| {
            let of = |layer| parts.iter().map(|p| vb.pp(format!("{layer}_p{p}"))).collect::<Vec<_>>();
            Branch::load(&of("layer3_1"), &of("layer4_1"), Kind::Attention, w, 1)
        };
        let joined = joins(vb.dtype(), vb.device())?.then(|| parts(&[1, 2, 3, 4])).transpose()?;
        let part = |p: usize| match &joined {
            Some(joined) => joined.part(p - 1, [format!("layer3_1_p{p}"), format!("layer4_1_p{p}")]),
            None => parts(&[p]),
        };
        let local = [part(1)?, part(2)?, part(3)?, part(4)?];
        let one = |name: &str| [vb.pp(name)];
        let multi_scale = Kind::MultiScale(cfg.variant);
        Ok(Self {
            stem: Stem::load(&vb, w)?,
            layer1: Layer::load(&one("layer1"), Kind::Basic, w, w, 1)?,
            layer2: Layer::load(&one("layer2"), Kind::Basic, w, 2 * w, 2)?,
            local,
            joined,
            global: Branch::load(&one("layer3_2"), &one("layer4_2"), multi_scale, w, 2)?,
        })
    }

    /// Embeds RGB faces (b, 3, side, side) with values 0 to 1: (b, 16w), the local half first.
    ///
    /// The published weights take a side of 224; any multiple of 32 can be computed. Values are passed on as they are.
    /// Errors: another shape; numbers that are not finite, with the first layer that makes them.
    pub fn forward(&self, images: &Tensor) -> std::result::Result<Tensor, Error> {
        match *images.dims() {
            [b, 3, height, width] if b * height > 0 && height == width && height % 32 == 0 => {}
            _ => return Err(Error::Images(images.dims().to_vec())),
        }
        let embed = |gate| maps::in_pool(|| self.embed(images, gate));
        Ok(gated("manet", embed, |embedding| vec![embedding])?)
    }

    fn embed(&self, images: &Tensor, gate: Gate) -> Result<Tensor> {
        gate.check(|| "the input images".into(), images)?;
        let map = self.stem.forward(&maps::channels_last(images)?)?; // (b, side / 4, side / 4, w)
        let map = self.layer1.forward(&gate.pass(|| "conv1".into(), map)?, gate)?;
        let map = self.layer2.forward(&map, gate)?; // (b, side / 8, side / 8, 2w)
        let local = self.local(&map, gate)?; // (b, 8w)
        let global = maps::mean(&self.global.forward(&map, gate)?)?; // (b, 8w)
        Tensor::cat(&[local, global], 1) // (b, 16w)
    }

    /// The mean over the map that is stitched from the four quarters: (b, h, w, 2w) -> (b, 8w).
    fn local(&self, map: &Tensor, gate: Gate) -> Result<Tensor> {
        // Layers are only named one by one.
        if let Some(joined) = self.joined.as_ref().filter(|_| !gate.is_watching()) {
            let (b, h, w, c) = map.dims4()?;
            let quarters = map.reshape((b, 2, h / 2, 2, w / 2, c))?.permute((1, 3, 0, 2, 4, 5))?;
            return maps::mean(&joined.forward(&quarters, gate)?);
        }
        let parts = quarters(map)?.into_iter().zip(&self.local);
        let parts = parts.map(|(quarter, branch)| maps::mean(&branch.forward(&quarter, gate)?)); // 4 x (b, 8w)
        // Quarters are of one size, so the mean of their means is that of the map stitched from them.
        Tensor::stack(&parts.collect::<Result<Vec<_>>>()?, 0)?.mean(0)
    }
}

/// Convolution 7 x 7, ReLU, maximum over 3 x 3, each at stride 2.
#[derive(Clone, Debug)]
pub struct Stem {
    conv1: NormConv,
}

impl Stem {
    fn load(vb: &VarBuilder, width: usize) -> Result<Self> {
        let shape = Shape { inputs: 3, outputs: width, kernel: 7, stride: 2 };
        Ok(Self { conv1: NormConv::load(std::slice::from_ref(vb), "conv1", "bn1", shape)? })
    }

    /// (b, side, side, 3) to (b, side / 4, side / 4, w).
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let map = self.conv1.begin(&images.clone().into(), true)?; // (b, side / 2, side / 2, w)
        maps::max_pool(&map, 3, 2)
    }
}

/// The last two layers of a branch: 2w to 4w at half the size, then to 8w.
#[derive(Clone, Debug)]
pub struct Branch {
    /// 4w channels.
    pub layer3: Layer,
    /// 8w channels.
    pub layer4: Layer,
}

impl Branch {
    fn load(
        layer3: &[VarBuilder],
        layer4: &[VarBuilder],
        kind: Kind,
        w: usize,
        last_stride: usize,
    ) -> Result<Self> {
        Ok(Self {
            layer3: Layer::load(layer3, kind, 2 * w, 4 * w, 2)?,
            layer4: Layer::load(layer4, kind, 4 * w, 8 * w, last_stride)?,
        })
    }

    /// The branch `index` of those that are joined, its layers so called.
    fn part(&self, index: usize, [layer3, layer4]: [String; 2]) -> Result<Self> {
        Ok(Self { layer3: self.layer3.part(index, layer3)?, layer4: self.layer4.part(index, layer4)? })
    }

    fn forward(&self, x: &Tensor, gate: Gate) -> Result<Tensor> {
        self.layer4.forward(&self.layer3.forward(x, gate)?, gate)
    }
}

/// Top left, top right, bottom left, bottom right of a map (b, h, w, c) with even sides, as views.
pub fn quarters(map: &Tensor) -> Result<[Tensor; 4]> {
    let (_, height, width, _) = map.dims4()?;
    let (h, w) = (height / 2, width / 2);
    let at = |top, left| map.narrow(1, top, h)?.narrow(2, left, w); // (b, h / 2, w / 2, c)
    Ok([at(0, 0)?, at(0, w)?, at(h, 0)?, at(h, w)?])
}
