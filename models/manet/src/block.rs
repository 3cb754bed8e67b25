//! Residual blocks, and layers of two.

use affekt_nn::conv2d::Finish;
use affekt_nn::finite::Gate;
use candle_core::{Result, Tensor};
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

impl Block {
    /// (b, h, w, in) to (b, h / stride, w / stride, out).
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let residual = match &self.downsample {
            Some(shortcut) => shortcut.forward(x, Finish::default())?,
            None => x.clone(),
        };
        let inner = self.conv1.forward(x, Finish::RELU)?;
        match &self.body {
            Body::Basic(conv2) => conv2.forward(&inner, Finish { residual: Some(&residual), relu: true }),
            Body::Attention(conv2, cbam) => {
                cbam.forward(&conv2.forward(&inner, Finish::default())?, &residual)
            }
            Body::MultiScale(chains) => chains.forward(&inner, &residual),
        }
    }
}

/// Two blocks of one kind; the first may halve the size and widen.
#[derive(Clone, Debug)]
pub struct Layer {
    /// In the checkpoint.
    name: String,
    blocks: Vec<Block>,
}

impl Layer {
    /// Reads the blocks `0` and `1`.
    pub fn load(vb: &VarBuilder, kind: Kind, inputs: usize, outputs: usize, stride: usize) -> Result<Self> {
        let block = |index| match index {
            0 => Block::load(&vb.pp(index), kind, inputs, outputs, stride),
            _ => Block::load(&vb.pp(index), kind, outputs, outputs, 1),
        };
        Ok(Self { name: vb.prefix(), blocks: (0..BLOCKS).map(block).collect::<Result<_>>()? })
    }

    /// (b, h, w, in) to (b, h / stride, w / stride, out).
    pub fn forward(&self, x: &Tensor, gate: Gate) -> Result<Tensor> {
        self.blocks.iter().enumerate().try_fold(x.clone(), |x, (index, block)| {
            gate.pass(|| format!("{}.{index}", self.name), block.forward(&x)?)
        })
    }
}
