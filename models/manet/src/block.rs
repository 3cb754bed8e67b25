//! Residual blocks, and layers of two.

use candle_core::{Module, Result, Tensor};
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
    fn load(vb: &VarBuilder, kind: Kind, inputs: usize, outputs: usize, stride: usize) -> Result<Self> {
        let conv2 = || NormConv::load(vb, "conv2", "bn2", Shape::three(outputs, outputs, 1));
        let changes = stride != 1 || inputs != outputs;
        let shortcut = Shape { inputs, outputs, kernel: 1, stride };
        Ok(Self {
            conv1: NormConv::load(vb, "conv1", "bn1", Shape::three(inputs, outputs, stride))?,
            body: match kind {
                Kind::Basic => Body::Basic(conv2()?),
                Kind::Attention => Body::Attention(conv2()?, Cbam::load(&vb.pp("cbam"), outputs)?),
                Kind::MultiScale(variant) => Body::MultiScale(MultiScale::load(vb, outputs, variant)?),
            },
            downsample: changes
                .then(|| NormConv::load(vb, "downsample.0", "downsample.1", shortcut))
                .transpose()?,
        })
    }
}

impl Module for Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let inner = self.conv1.forward(x)?.relu()?; // (b, out, h / stride, w / stride)
        let inner = match &self.body {
            Body::Basic(conv2) => conv2.forward(&inner)?,
            Body::Attention(conv2, cbam) => cbam.forward(&conv2.forward(&inner)?)?,
            Body::MultiScale(chains) => chains.forward(&inner)?,
        };
        match &self.downsample {
            Some(shortcut) => (inner + shortcut.forward(x)?)?.relu(),
            None => (inner + x)?.relu(),
        }
    }
}

/// Two blocks of one kind; the first may halve the size and widen.
#[derive(Clone, Debug)]
pub struct Layer {
    blocks: Vec<Block>,
}

impl Layer {
    /// Reads the blocks `0` and `1`.
    pub fn load(vb: &VarBuilder, kind: Kind, inputs: usize, outputs: usize, stride: usize) -> Result<Self> {
        let block = |index| match index {
            0 => Block::load(&vb.pp(index), kind, inputs, outputs, stride),
            _ => Block::load(&vb.pp(index), kind, outputs, outputs, 1),
        };
        Ok(Self { blocks: (0..BLOCKS).map(block).collect::<Result<_>>()? })
    }
}

impl Module for Layer {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.blocks.iter().try_fold(x.clone(), |x, block| block.forward(&x))
    }
}
