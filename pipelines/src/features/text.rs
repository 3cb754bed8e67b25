//! The words: transcript -> LLM hidden states.

use candle_core::{DType, Tensor};

use crate::{Error, Networks};

/// The feature of a transcript.
pub struct Text {
    /// (tokens + 1, width), one row a token, the beginning-of-text token's first.
    pub feature: Tensor,
    /// How much was read, where not all of it was.
    pub cut: Option<Cut>,
}

/// A transcript longer than the language model's context, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// How many were read.
    pub read: usize,
    /// How many there are.
    pub given: usize,
}

/// Encodes a transcript; of one with more tokens than the language model has positions the first ones.
pub fn encode(networks: &Networks, transcript: &str) -> Result<Text, Error> {
    let recipe = &networks.recipes.text;
    let mut ids = networks.tokenizer.with_bos(transcript)?;
    let cut = (ids.len() > networks.positions).then_some(Cut { read: networks.positions, given: ids.len() });
    ids.truncate(networks.positions);
    let ids = Tensor::from_slice(&ids, (1, ids.len()), &networks.device)?; // (1, t)
    let layers = recipe.layers.resolve(networks.llama.hidden_entries())?;
    let (sum, _) = networks.llama.hidden_sum(&networks.llama.embed(&ids)?, None, None, &layers)?; // (1, t, width)
    Ok(Text { feature: sum.squeeze(0)?.to_dtype(DType::F32)?, cut })
}
