//! The multi-scale part of a block: channels in four chunks, each seen through one convolution more than the last.

use affekt_nn::conv2d::{Conv2d, joins};
use affekt_nn::maps::{self, Pending};
use candle_core::{D, DType, Result, Tensor};
use candle_nn::VarBuilder;

use crate::Variant;
use crate::conv::{NormConv, Shape, folded};

const CHUNKS: usize = 4;

/// Two chains over the chunks, summed.
#[derive(Clone, Debug)]
pub enum MultiScale {
    /// Side by side, for a card.
    Joined(Joined),
    /// One after the other.
    Apart(Box<[Chain; 2]>),
}

impl MultiScale {
    /// Reads `conv1_2_I`, `conv2_2_I` and their normalisations, I from 1 to 4.
    pub fn load(vb: &VarBuilder, channels: usize, variant: Variant) -> Result<Self> {
        if joins(vb.dtype(), vb.device())? {
            return Ok(Self::Joined(Joined::load(vb, channels, variant)?));
        }
        let first = Chain::load(vb, 1, channels, Variant::Sdumc)?;
        Ok(Self::Apart(Box::new([first, Chain::load(vb, 2, channels, variant)?])))
    }

    /// Both chains, then the residual and a ReLU: (b, h, w, c) to (b, h, w, c).
    pub fn forward(&self, x: &Tensor, residual: &Pending) -> Result<Tensor> {
        let chunks = x.chunk(CHUNKS, D::Minus1)?; // 4 x (b, h, w, c / 4)
        match self {
            Self::Joined(joined) => joined.forward(&chunks, residual),
            Self::Apart(chains) => {
                let [first, second] = &**chains;
                maps::join_chunks(&first.forward(&chunks)?, &second.forward(&chunks)?, None, residual)
            }
        }
    }
}

/// Both chains, a step of both at a time: 2 launches a step, and what lies between the steps is done on the way. Apart it
/// is 6, and 3 passes over memory more.
#[derive(Clone, Debug)]
pub struct Joined {
    steps: Vec<Conv2d>,
    /// Of both chains, summed: (c), in f32.
    bias: Tensor,
    /// Whether the second chain runs from the last chunk to the first.
    backwards: bool,
}

impl Joined {
    fn load(vb: &VarBuilder, channels: usize, variant: Variant) -> Result<Self> {
        let width = channels / CHUNKS;
        let backwards = variant == Variant::Upstream;
        let shape = Shape::three(width, width, 1);
        let read = |chain: usize, chunk: usize| {
            folded(
                &vb.pp(format!("conv{chain}_2_{}", chunk + 1)),
                &vb.pp(format!("bn{chain}_2_{}", chunk + 1)),
                shape,
            )
        };
        let step = |step: usize| {
            let ((first, first_bias), (second, second_bias)) =
                (read(1, step)?, read(2, if backwards { CHUNKS - 1 - step } else { step })?);
            Conv2d::joined(&[first, second], &[first_bias, second_bias], 1)
        };
        let bias =
            |chunk| read(1, chunk)?.1.to_dtype(DType::F32)? + read(2, chunk)?.1.to_dtype(DType::F32)?;
        let biases = (0..CHUNKS).map(bias).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            steps: (0..CHUNKS).map(step).collect::<Result<_>>()?,
            bias: Tensor::cat(&biases, 0)?,
            backwards,
        })
    }

    fn forward(&self, chunks: &[Tensor], residual: &Pending) -> Result<Tensor> {
        let (mut first, mut second) = (Vec::with_capacity(CHUNKS), Vec::with_capacity(CHUNKS));
        let mut before = None;
        for (at, conv) in self.steps.iter().enumerate() {
            let other = if self.backwards { CHUNKS - 1 - at } else { at };
            let step = conv.step(before, [&chunks[at], &chunks[other]])?; // (2, b, h, w, c / 4)
            let [one, two] = step.halves()?;
            first.push(one);
            second.push(two);
            before = Some(step);
        }
        if self.backwards {
            second.reverse();
        }
        maps::join_chunks(&first, &second, Some(&self.bias), residual)
    }
}

/// One of the chains.
#[derive(Clone, Debug)]
pub struct Chain {
    convs: Vec<NormConv>,
    /// From the last chunk to the first.
    backwards: bool,
}

impl Chain {
    fn load(vb: &VarBuilder, index: usize, channels: usize, variant: Variant) -> Result<Self> {
        let width = channels / CHUNKS;
        let conv = |chunk| {
            let (conv, norm) = (format!("conv{index}_2_{chunk}"), format!("bn{index}_2_{chunk}"));
            NormConv::load(std::slice::from_ref(vb), &conv, &norm, Shape::three(width, width, 1))
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
            outputs.push(self.convs[at].end(&input.into(), None, false)?); // (b, h, w, c / 4)
        }
        if self.backwards {
            outputs.reverse();
        }
        Ok(outputs)
    }
}
