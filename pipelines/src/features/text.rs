//! The words: transcript -> LLM hidden states.

use candle_core::Tensor;

use super::{finite, summed};
use crate::{Error, Networks};

/// Encodes a transcript: (tokens + 1, width), one row a token, the beginning-of-text token's first.
pub fn encode(networks: &Networks, transcript: &str) -> Result<Tensor, Error> {
    let recipe = &networks.recipes.text;
    let ids = networks.tokenizer.with_bos(transcript)?;
    let ids = Tensor::from_slice(&ids, (1, ids.len()), &networks.device)?; // (1, t)
    let output = networks.llama.forward(&networks.llama.embed(&ids)?, None)?;
    finite(summed(&output.hidden_states, recipe.layers)?, &recipe.network)
}
