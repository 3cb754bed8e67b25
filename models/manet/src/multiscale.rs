//! The multi-scale part of a block: channels in four chunks, each seen through one convolution more than the last.

use affekt_nn::conv2d::Finish;
use affekt_nn::maps;
use candle_core::{D, Result, Tensor};
use candle_nn::VarBuilder;

use crate::Variant;
use crate::conv::{NormConv, Shape};

const CHUNKS: usize = 4;

/// Two chains over the chunks, summed.
#[derive(Clone, Debug)]
pub struct MultiScale {
    first: Chain,
    second: Chain,
}

impl MultiScale {
    /// Reads `conv1_2_I`, `conv2_2_I` and their normalisations, I from 1 to 4.
    pub fn load(vb: &VarBuilder, channels: usize, variant: Variant) -> Result<Self> {
        Ok(Self {
            first: Chain::load(vb, 1, channels, Variant::Sdumc)?,
            second: Chain::load(vb, 2, channels, variant)?,
        })
    }

    /// Both chains, then the residual and a ReLU: (b, h, w, c) to (b, h, w, c).
    pub fn forward(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        let chunks = x.chunk(CHUNKS, D::Minus1)?; // 4 x (b, h, w, c / 4)
        maps::join_chunks(&self.first.forward(&chunks)?, &self.second.forward(&chunks)?, residual)
    }
}

#[derive(Clone, Debug)]
struct Chain {
    convs: Vec<NormConv>,
    /// From the last chunk to the first.
    backwards: bool,
}

impl Chain {
    fn load(vb: &VarBuilder, index: usize, channels: usize, variant: Variant) -> Result<Self> {
        let width = channels / CHUNKS;
        let conv = |chunk| {
            let (conv, norm) = (format!("conv{index}_2_{chunk}"), format!("bn{index}_2_{chunk}"));
            NormConv::load(vb, &conv, &norm, Shape::three(width, width, 1))
        };
        Ok(Self {
            convs: (1..=CHUNKS).map(conv).collect::<Result<_>>()?,
            backwards: variant == Variant::Upstream,
        })
    }

    /// Each step takes its chunk plus the ReLU of the step before. The outputs, without a ReLU, come in chunk order
    /// whichever way the chain runs: 4 x (b, h, w, c / 4).
    fn forward(&self, chunks: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut outputs: Vec<Tensor> = Vec::with_capacity(CHUNKS);
        for step in 0..CHUNKS {
            let at = if self.backwards { CHUNKS - 1 - step } else { step };
            let input = match outputs.last() {
                Some(before) => maps::relu_plus(before, &chunks[at])?,
                None => chunks[at].clone(),
            };
            outputs.push(self.convs[at].forward(&input, Finish::default())?); // (b, h, w, c / 4)
        }
        if self.backwards {
            outputs.reverse();
        }
        Ok(outputs)
    }
}
