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
    /// Stage-2 representations of the views as they enter the last sum: (b, 7, D / 2).
    pub views: Tensor,
    /// Stage-2 weights of the views, of either sign: (b, 7).
    pub view_weights: Tensor,
}

/// What both flows say of the same clips.
#[derive(Clone, Debug)]
pub struct Pair {
    /// With the real text.
    pub complete: Output,
    /// With simulated or absent text.
    pub missing: Output,
}

impl Pair {
    /// All tensors, for the gate.
    pub(crate) fn tensors(&self) -> Vec<&Tensor> {
        [self.complete.tensors(), self.missing.tensors()].concat()
    }
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
        let Self { valence, r, rnc, text1, text2, hidden, weights, views, view_weights } = self;
        vec![valence, r, rnc, text1, text2, hidden, weights, views, view_weights]
    }

    /// The share of each modality in the fused query of each clip: |w_m| ||h_m||, divided by the sum over the three.
    ///
    /// The weights come without a softmax, so a share of the weights alone would mean little: a modality counts by the
    /// length of what it adds to the fused view, w_m h_m. Where nothing is added at all, the shares are equal.
    pub fn attention(&self) -> Result<Vec<Attention>> {
        let shares = shares(&self.hidden, &self.weights)?; // (b, 3)
        Ok(shares
            .iter()
            .map(|share| Attention { audio: share[0], text: share[1], video: share[2] })
            .collect())
    }

    /// The share of each view of [`VIEWS`](crate::gather::VIEWS) in r of each clip, told as [`Self::attention`] is.
    pub fn view_attention(&self) -> Result<Vec<[f32; 7]>> {
        let shares = shares(&self.views, &self.view_weights)?; // (b, 7)
        Ok(shares.iter().map(|share| std::array::from_fn(|view| share[view])).collect())
    }
}

/// |w_i| ||x_i|| of each of the stacked x (b, n, d) with the weights w (b, n), divided by the sum over the stack: (b, n).
fn shares(stack: &Tensor, weights: &Tensor) -> Result<Vec<Vec<f32>>> {
    let norms = stack.sqr()?.sum(D::Minus1)?.sqrt()?; // (b, n)
    let mut lengths = (norms * weights.abs()?)?.to_dtype(DType::F32)?.to_vec2::<f32>()?;
    for lengths in &mut lengths {
        let (total, equal) = (lengths.iter().sum::<f32>(), 1.0 / lengths.len() as f32);
        lengths.iter_mut().for_each(|length| *length = if total > 0.0 { *length / total } else { equal });
    }
    Ok(lengths)
}
