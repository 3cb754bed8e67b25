//! The words: transcript -> LLM hidden states.

use candle_core::{DType, Tensor};

use crate::{Error, Networks};

/// Encodes a transcript: (tokens + 1, width), one row a token, the beginning-of-text token's first.
pub fn encode(networks: &Networks, transcript: &str) -> Result<Tensor, Error> {
    let recipe = &networks.recipes.text;
    let ids = networks.tokenizer.with_bos(transcript)?;
    let ids = Tensor::from_slice(&ids, (1, ids.len()), &networks.device)?; // (1, t)
    let layers = recipe.layers.resolve(networks.llama.hidden_entries())?;
    let (sum, _) = networks.llama.hidden_sum(&networks.llama.embed(&ids)?, None, None, &layers)?; // (1, t, width)
    Ok(sum.squeeze(0)?.to_dtype(DType::F32)?)
}
