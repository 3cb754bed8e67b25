//! Residual blocks, and layers of two.

use affekt_nn::finite::Gate;
use affekt_nn::maps::Pending;
use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;

use crate::Variant;
use crate::attention::Cbam;
use crate::conv::{NormConv, Shape};
use crate::multiscale::MultiScale;

/// Blocks in every layer.
const BLOCKS: usize = 2;

/// What a block does between its first convolution and the residual.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A second convolution.
    Basic,
    /// A second convolution and CBAM.
    Attention,
    /// The multi-scale chains.
    MultiScale(Variant),
}

#[derive(Clone, Debug)]
enum Body {
    Basic(NormConv),
    Attention(NormConv, Cbam),
    MultiScale(MultiScale),
}

#[derive(Clone, Debug)]
struct Block {
    conv1: NormConv,
    body: Body,
    downsample: Option<NormConv>,
}

impl Block {
    fn load(vbs: &[VarBuilder], kind: Kind, inputs: usize, outputs: usize, stride: usize) -> Result<Self> {
        let conv2 = || NormConv::load(vbs, "conv2", "bn2", Shape::three(outputs, outputs, 1));
        let changes = stride != 1 || inputs != outputs;
        let shortcut = Shape { inputs, outputs, kernel: 1, stride };
        Ok(Self {
            conv1: NormConv::load(vbs, "conv1", "bn1", Shape::three(inputs, outputs, stride))?,
            body: match kind {
                Kind::Basic => Body::Basic(conv2()?),
                Kind::Attention => Body::Attention(conv2()?, Cbam::load(&inside(vbs, &"cbam"), outputs)?),
                Kind::MultiScale(variant) => Body::MultiScale(MultiScale::load(&vbs[0], outputs, variant)?),
            },
            downsample: changes
                .then(|| NormConv::load(vbs, "downsample.0", "downsample.1", shortcut))
                .transpose()?,
        })
    }

    /// The block `index` of those that are joined.
    fn part(&self, index: usize) -> Result<Self> {
        Ok(Self {
            conv1: self.conv1.part(index)?,
            body: match &self.body {
                Body::Basic(conv2) => Body::Basic(conv2.part(index)?),
                Body::Attention(conv2, cbam) => Body::Attention(conv2.part(index)?, cbam.part(index)?),
                Body::MultiScale(_) => bail!("multi-scale blocks are never joined"),
            },
            downsample: self.downsample.as_ref().map(|shortcut| shortcut.part(index)).transpose()?,
        })
    }

    /// (b, h, w, in) to (b, h / stride, w / stride, out).
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = Pending::from(x.clone());
        let residual = match &self.downsample {
            Some(shortcut) => shortcut.begin(&x, false)?,
            None => x.clone(),
        };
        match &self.body {
            Body::Basic(conv2) => conv2.end(&self.conv1.begin(&x, true)?, Some(&residual), true),
            Body::Attention(conv2, cbam) => {
                let inner = self.conv1.begin(&x, true)?;
                cbam.forward(&conv2.begin(&inner, false)?, &residual)
            }
            Body::MultiScale(chains) => chains.forward(&self.conv1.end(&x, None, true)?, &residual),
        }
    }
}

/// `name` in every part of the network.
fn inside<'v>(vbs: &[VarBuilder<'v>], name: &impl ToString) -> Vec<VarBuilder<'v>> {
    vbs.iter().map(|vb| vb.pp(name.to_string())).collect()
}

/// Two blocks of one kind; the first may halve the size and widen.
#[derive(Clone, Debug)]
pub struct Layer {
    /// In the checkpoint.
    name: String,
    blocks: Vec<Block>,
}

impl Layer {
    /// Reads the blocks `0` and `1` of every part of the network in `vbs`; of more than one they run as one, joined, where
    /// there are kernels for that.
    pub fn load(
        vbs: &[VarBuilder],
        kind: Kind,
        inputs: usize,
        outputs: usize,
        stride: usize,
    ) -> Result<Self> {
        let [vb, ..] = vbs else { bail!("a layer of no part of the network") };
        let block = |index: usize| match index {
            0 => Block::load(&inside(vbs, &index), kind, inputs, outputs, stride),
            _ => Block::load(&inside(vbs, &index), kind, outputs, outputs, 1),
        };
        Ok(Self { name: vb.prefix(), blocks: (0..BLOCKS).map(block).collect::<Result<_>>()? })
    }

    /// The layer `index` of those that are joined, called `name`. They share their memory.
    pub fn part(&self, index: usize, name: String) -> Result<Self> {
        let blocks = self.blocks.iter().map(|block| block.part(index));
        Ok(Self { name, blocks: blocks.collect::<Result<_>>()? })
    }

    /// (b, h, w, in) to (b, h / stride, w / stride, out).
    pub fn forward(&self, x: &Tensor, gate: Gate) -> Result<Tensor> {
        self.blocks.iter().enumerate().try_fold(x.clone(), |x, (index, block)| {
            gate.pass(|| format!("{}.{index}", self.name), block.forward(&x)?)
        })
    }
}
