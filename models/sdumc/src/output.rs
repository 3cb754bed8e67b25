//! What the network says, and what its losses need.

use candle_core::{D, DType, Result, Tensor};
use serde::Serialize;

/// One flow's result for a batch of `b` clips.
#[derive(Clone, Debug)]
pub struct Output {
    /// Valence, unclipped: (b).
    pub valence: Tensor,
    /// The fused representation r: (b, D / 2).
    pub r: Tensor,
    /// The representation that the Rank-N-Contrast loss sees: (b, D / 4).
    pub rnc: Tensor,
    /// Stage-1 text, for the first distillation loss: (b, D).
    pub text1: Tensor,
    /// Stage-2 text, for the second: (b, 7, D / 2).
    pub text2: Tensor,
    /// Stage-1 representations of audio, text and video as they enter the gathering: (b, 3, D).
    pub hidden: Tensor,
    /// Stage-1 weights of the modalities, of either sign: (b, 3).
    pub weights: Tensor,
    /// Stage-2 weights of the views, of either sign: (b, 7).
    pub view_weights: Tensor,
}

/// What share each modality had; the three sum to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Attention {
    /// Of the voice.
    pub audio: f32,
    /// Of the words.
    pub text: f32,
    /// Of the face.
    pub video: f32,
}

impl Output {
    /// All of them, for the gate.
    pub(crate) fn tensors(&self) -> Vec<&Tensor> {
        let Self { valence, r, rnc, text1, text2, hidden, weights, view_weights } = self;
        vec![valence, r, rnc, text1, text2, hidden, weights, view_weights]
    }

    /// The share of each modality in the fused query of each clip: |w_m| ||h_m||, divided by the sum over the three.
    ///
    /// The weights come without a softmax, so a share of the weights alone would mean little: a modality counts by the
    /// length of what it adds to the fused view, w_m h_m. Where nothing is added at all, the shares are equal.
    pub fn attention(&self) -> Result<Vec<Attention>> {
        let norms = self.hidden.sqr()?.sum(D::Minus1)?.sqrt()?; // (b, 3)
        let lengths = (norms * self.weights.abs()?)?.to_dtype(DType::F32)?;
        let shares = lengths.to_vec2::<f32>()?.into_iter().map(|lengths| {
            let total: f32 = lengths.iter().sum();
            let share = |index: usize| if total > 0.0 { lengths[index] / total } else { 1.0 / 3.0 };
            Attention { audio: share(0), text: share(1), video: share(2) }
        });
        Ok(shares.collect())
    }
}
