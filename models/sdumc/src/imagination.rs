//! Modality imagination: audio and video correct a text representation that was not made from real text.

use affekt_nn::dropout::Dropout;
use candle_core::{D, Result, Tensor};
use candle_nn::VarBuilder;

use crate::layers::{Linear, TwoLinear};
use crate::{Mia, MiaResidual};

/// One imagination module, of either structure.
#[derive(Clone, Debug)]
pub enum Imagination {
    /// The authors' residual autoencoder.
    ResidualAe {
        /// 3d -> d, ReLU, d -> d
        transition: TwoLinear,
        /// d -> h
        encoder: Linear,
        /// h -> d
        decoder: Linear,
        /// What the decoded is added to.
        residual: MiaResidual,
    },
    /// Equations 5 and 6.
    Equation {
        /// 3d -> h
        w1: Linear,
        /// h -> d
        w2: Linear,
    },
}

impl Imagination {
    /// For representations `dim` wide with a latent `hidden` wide; `None` where the imagination is off.
    pub fn load(vb: &VarBuilder, mia: Mia, dim: usize, hidden: usize) -> Result<Option<Self>> {
        Ok(match mia {
            Mia::Off => None,
            Mia::ResidualAe(residual) => Some(Self::ResidualAe {
                transition: TwoLinear::load(&vb.pp("transition"), [3 * dim, dim, dim])?,
                encoder: Linear::load(dim, hidden, &vb.pp("encoder_0.0"))?,
                decoder: Linear::load(hidden, dim, &vb.pp("decoder_0.0"))?,
                residual,
            }),
            Mia::Equation => Some(Self::Equation {
                w1: Linear::load(3 * dim, hidden, &vb.pp("w1"))?,
                w2: Linear::load(hidden, dim, &vb.pp("w2"))?,
            }),
        })
    }

    /// The imagined text, from audio, text and video of one shape (.., d).
    pub fn forward(&self, audio: &Tensor, text: &Tensor, video: &Tensor) -> Result<Tensor> {
        match self {
            Self::ResidualAe { transition, encoder, decoder, residual } => {
                let joint = Tensor::cat(&[audio, text, video], D::Minus1)?; // (.., 3d)
                let joint = transition.forward(&joint)?; // (.., d)
                let decoded = decoder.forward(&encoder.forward(&joint)?)?;
                match residual {
                    MiaResidual::Text => decoded + text,
                    MiaResidual::Transition => decoded + joint,
                }
            }
            Self::Equation { w1, w2 } => {
                // The printed order: video, audio, text.
                let joint = Tensor::cat(&[video, audio, text], D::Minus1)?; // (.., 3d)
                let hidden = w1.rectified(&joint, Dropout::OFF, 0.0)?; // (.., h)
                text + w2.rectified(&hidden, Dropout::OFF, 0.0)? // (.., d)
            }
        }
    }
}
