//! The network: six stages, features of three scales merged from coarse to fine, one head for each scale.
//!
//! All maps have their channels last. Batch normalisation, where the weights still have it, is folded into the
//! convolution before it at loading.

use affekt_nn::conv2d::{Conv2d, Finish};
use affekt_nn::finite::{Gate, gated};
use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;

use super::depthwise::Depthwise;
use super::halved::halved;

/// The network's name in messages.
const NAME: &str = "yunet";

/// Pixels between neighbouring places of each scale, in both directions.
pub const STRIDES: [usize; 3] = [8, 16, 32];

/// Numbers for each place: of the class, of the object, 4 of the box, 10 of the landmarks.
pub const OUTPUTS: usize = 16;

/// Channels of the first stage, and of all from the second on.
const NARROW: usize = 16;
const WIDE: usize = 64;

const EPS: f64 = 1e-5;

/// YuNet-n. Its parts are public, so that each can be looked at.
#[derive(Clone, Debug)]
pub struct Network {
    /// `backbone.model0`, half of the picture's side.
    pub stem: Stem,
    /// `backbone.model1` to `model5`.
    pub stages: [Stage; 5],
    /// `neck.lateral_convs`, for strides 8, 16 and 32.
    pub lateral: [Unit; 3],
    /// The heads for strides 8, 16 and 32.
    pub heads: [Head; 3],
}

/// Stages behind which the map is halved.
const HALVED: [usize; 4] = [0, 2, 3, 4];

impl Network {
    /// Reads the parameters under their published names.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "every network takes its VarBuilder by value, as candle's do"
    )]
    pub fn load(vb: VarBuilder) -> Result<Self> {
        let backbone = vb.pp("backbone");
        let stage = |index: usize, inputs| Stage::load(&backbone.pp(format!("model{index}")), inputs, WIDE);
        let lateral = |scale: usize| Unit::load(&vb.pp(format!("neck.lateral_convs.{scale}")), WIDE, WIDE);
        let head = |scale: usize| Head::load(&vb.pp("bbox_head"), scale);
        Ok(Self {
            stem: Stem::load(&backbone.pp("model0"))?,
            stages: [stage(1, NARROW)?, stage(2, WIDE)?, stage(3, WIDE)?, stage(4, WIDE)?, stage(5, WIDE)?],
            lateral: [lateral(0)?, lateral(1)?, lateral(2)?],
            heads: [head(0)?, head(1)?, head(2)?],
        })
    }

    /// For RGB pictures (b, height, width, 3) with values 0 to 255, both sides multiples of 32: what it sees at every
    /// place of the scales of [`STRIDES`], each (b, height / stride, width / stride, 16), unscaled: class and object
    /// before the sigmoid, box and landmarks as in [`super::decode`].
    ///
    /// Errors: another shape; numbers that are not finite, with the first layer that made one.
    pub fn forward(&self, images: &Tensor) -> Result<[Tensor; 3]> {
        match *images.dims() {
            [b, height, width, 3] if b * height * width > 0 && height % 32 == 0 && width % 32 == 0 => {}
            _ => bail!("pictures have the shape {:?}, wanted (b, height, width, 3)", images.dims()),
        }
        gated(NAME, |gate| self.pass(gate, images), |scales| scales.iter().collect())
    }

    fn pass(&self, gate: Gate, images: &Tensor) -> Result<[Tensor; 3]> {
        gate.check(|| "the input images".into(), images)?;
        let scales = self.backbone(gate, images)?;
        let [fine, middle, coarse] = self.neck(gate, &scales)?;
        let head = |scale: usize, map: &Tensor| {
            let seen = self.heads[scale].forward(map)?; // (b, h, w, 16)
            gate.pass(|| format!("bbox_head of stride {}", STRIDES[scale]), seen)
        };
        Ok([head(0, &fine)?, head(1, &middle)?, head(2, &coarse)?])
    }

    /// The last three stages' maps, of strides 8, 16 and 32.
    fn backbone(&self, gate: Gate, images: &Tensor) -> Result<[Tensor; 3]> {
        let map = self.stem.forward(images)?; // (b, height / 2, width / 2, 16)
        let mut map = gate.pass(|| "backbone.model0".into(), map)?;
        let mut scales = Vec::with_capacity(3);
        for (index, stage) in self.stages.iter().enumerate() {
            if HALVED.contains(&index) {
                map = halved(&map)?;
            }
            map = gate.pass(|| format!("backbone.model{}", index + 1), stage.forward(&map)?)?; // (b, h, w, 64)
            if index >= 2 {
                scales.push(map.clone());
            }
        }
        scales.try_into().map_err(|_| candle_core::Error::msg("the backbone has three scales"))
    }

    fn neck(&self, gate: Gate, [fine, middle, coarse]: &[Tensor; 3]) -> Result<[Tensor; 3]> {
        let lateral = |scale: usize, map: &Tensor| {
            let map = self.lateral[scale].forward(map)?;
            gate.pass(|| format!("neck.lateral_convs.{scale}"), map)
        };
        let coarse = lateral(2, coarse)?;
        let middle = lateral(1, &(middle + doubled(&coarse)?)?)?;
        let fine = lateral(0, &(fine + doubled(&middle)?)?)?;
        Ok([fine, middle, coarse])
    }
}

/// Every place four times: (b, h, w, c) -> (b, 2h, 2w, c).
pub fn doubled(map: &Tensor) -> Result<Tensor> {
    let (b, h, w, c) = map.dims4()?;
    let map = map.reshape((b, h, 1, w, 1, c))?.broadcast_as((b, h, 2, w, 2, c))?;
    map.reshape((b, 2 * h, 2 * w, c))
}

/// Convolution 3 x 3 at stride 2, then a [`Unit`].
#[derive(Clone, Debug)]
pub struct Stem {
    conv1: Conv2d,
    conv2: Unit,
}

impl Stem {
    fn load(vb: &VarBuilder) -> Result<Self> {
        let (weight, bias) = folded(vb, "conv1", "bn1", &[NARROW, 3, 3, 3])?;
        // The weights are for blue, green and red.
        let colour = |index: usize| weight.narrow(1, index, 1);
        let weight = Tensor::cat(&[colour(2)?, colour(1)?, colour(0)?], 1)?;
        let conv1 = Conv2d::new(&weight, bias, 2)?;
        Ok(Self { conv1, conv2: Unit::load(&vb.pp("conv2"), NARROW, NARROW)? })
    }

    /// (b, height, width, 3) -> (b, height / 2, width / 2, 16).
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        self.conv2.forward(&self.conv1.forward(images, Finish::RELU)?)
    }
}

/// Two [`Unit`]s.
#[derive(Clone, Debug)]
pub struct Stage {
    conv1: Unit,
    conv2: Unit,
}

impl Stage {
    fn load(vb: &VarBuilder, inputs: usize, outputs: usize) -> Result<Self> {
        let conv1 = Unit::load(&vb.pp("conv1"), inputs, inputs)?;
        Ok(Self { conv1, conv2: Unit::load(&vb.pp("conv2"), inputs, outputs)? })
    }

    /// (b, h, w, inputs) -> (b, h, w, outputs).
    pub fn forward(&self, map: &Tensor) -> Result<Tensor> {
        self.conv2.forward(&self.conv1.forward(map)?)
    }
}

/// Convolution 1 x 1 over channels, then 3 x 3 in each channel, then ReLU (`ConvDPUnit`).
#[derive(Clone, Debug)]
pub struct Unit {
    pointwise: Conv2d,
    depthwise: Depthwise,
}

impl Unit {
    fn load(vb: &VarBuilder, inputs: usize, outputs: usize) -> Result<Self> {
        let weight = vb.get((outputs, inputs, 1, 1), "conv1.weight")?;
        let pointwise = Conv2d::new(&weight, vb.get(outputs, "conv1.bias")?, 1)?;
        let (weight, bias) = folded(vb, "conv2", "bn", &[outputs, 1, 3, 3])?;
        Ok(Self { pointwise, depthwise: Depthwise::new(&weight, bias, true)? })
    }

    /// (b, h, w, inputs) -> (b, h, w, outputs).
    pub fn forward(&self, map: &Tensor) -> Result<Tensor> {
        self.depthwise.forward(&self.pointwise.forward(map, Finish::default())?)
    }
}

/// What one scale sees at each place. Its four branches are computed as one: they differ only in their weights.
#[derive(Clone, Debug)]
pub struct Head {
    shared: Unit,
    pointwise: Conv2d,
    depthwise: Depthwise,
}

impl Head {
    fn load(vb: &VarBuilder, scale: usize) -> Result<Self> {
        let shared = Unit::load(&vb.pp(format!("multi_level_share_convs.{scale}.0")), WIDE, WIDE)?;
        let branches = [("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)];
        let all = |name: &str, shape: &[usize]| {
            let parts = branches.map(|(branch, outputs)| {
                let shape = [&[outputs], shape].concat();
                vb.get(shape, &format!("multi_level_{branch}.{scale}.{name}"))
            });
            Tensor::cat(&parts.into_iter().collect::<Result<Vec<_>>>()?, 0)
        };
        let pointwise = Conv2d::new(&all("conv1.weight", &[WIDE, 1, 1])?, all("conv1.bias", &[])?, 1)?;
        let depthwise = Depthwise::new(&all("conv2.weight", &[1, 3, 3])?, all("conv2.bias", &[])?, false)?;
        Ok(Self { shared, pointwise, depthwise })
    }

    /// (b, h, w, 64) -> (b, h, w, 16).
    pub fn forward(&self, map: &Tensor) -> Result<Tensor> {
        let map = self.shared.forward(map)?;
        self.depthwise.forward(&self.pointwise.forward(&map, Finish::default())?)
    }
}

/// Weight and bias of the convolution `conv` with the normalisation `norm` behind it folded in, where there is one:
/// with s = gamma / sqrt(variance + eps), they become s * weight and s * (bias - mean) + beta.
fn folded(vb: &VarBuilder, conv: &str, norm: &str, shape: &[usize]) -> Result<(Tensor, Tensor)> {
    let channels = shape[0];
    let vb_conv = vb.pp(conv);
    let (weight, bias) = (vb_conv.get(shape, "weight")?, vb_conv.get(channels, "bias")?);
    let norm = vb.pp(norm);
    if !norm.contains_tensor("running_mean") {
        return Ok((weight, bias));
    }
    let get = |name: &str| norm.get(channels, name);
    let scale = (get("weight")? / (get("running_var")? + EPS)?.sqrt()?)?; // (c)
    let bias = (((bias - get("running_mean")?)? * &scale)? + get("bias")?)?;
    Ok((weight.broadcast_mul(&scale.reshape((channels, 1, 1, 1))?)?, bias))
}
