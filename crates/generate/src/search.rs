//! Beam search of one clip.

use candle_core::{DType, Tensor};

use crate::beams::{Beams, Next};
use crate::{CausalLm, Error, Settings};

/// A generated text, and the hidden states that went through the model on the way.
#[derive(Clone, Debug)]
pub struct Generation {
    /// New tokens, the end token included where it was reached. Never empty.
    pub tokens: Vec<u32>,
    /// Sum of log-probabilities over the length, as [`crate::Scorer`] counts it.
    pub score: f64,
    /// Hidden states along the winning text: (tokens - 1, width), since the last token is never fed. Equal to those of
    /// feeding prompt and tokens again.
    pub hidden_best: Tensor,
    /// Hidden states at beam slot 0 of every step after the first, whichever text sat there: (steps - 1, width).
    pub hidden_beam0: Tensor,
    /// Forward passes made, the one over the prompt included.
    pub steps: usize,
}

impl Generation {
    /// The tokens without the end token.
    pub fn text_tokens(&self, eos: &[u32]) -> &[u32] {
        match self.tokens.split_last() {
            Some((last, text)) if eos.contains(last) => text,
            _ => &self.tokens,
        }
    }
}

/// Continues a prompt of embeddings (1, t, width) with the most probable text that a beam search finds, exactly as
/// transformers' `generate` does with `num_beams`, no sampling and no penalties.
pub fn beam_search<M: CausalLm>(
    model: &M,
    prompt: &Tensor,
    settings: &Settings,
) -> Result<Generation, Error> {
    let (1, 1.., width) = prompt.dims3()? else {
        return Err(Error::BadPrompt { got: prompt.dims().to_vec() });
    };
    let layers = settings.layers.resolve(model.hidden_entries())?;
    let mut beams = Beams::new(settings);
    let mut states = Vec::new();
    let mut cache = model.new_cache();
    let mut step = model.step(prompt, &mut cache, layers.clone()).map_err(Error::at(0))?;
    settings.check(step.logits.dim(1)?)?;
    while let Some(Next { tokens, rows }) = beams.advance(step.logits.to_dtype(DType::F32)?.to_vec2()?)? {
        model.reorder(&mut cache, &rows)?;
        let ids = Tensor::from_vec(tokens, (settings.beams, 1), prompt.device())?;
        step =
            model.step(&model.embed(&ids)?, &mut cache, layers.clone()).map_err(Error::at(beams.steps()))?;
        states.push(step.hidden.squeeze(1)?); // (beams, width)
    }
    let steps = beams.steps();
    let best = beams.into_best()?;
    // Token i was fed at the step after the one that chose it; the slot that then chose token i + 1 held its state.
    let along = best.path.slots.iter().skip(1).zip(&states).map(|(&slot, state)| (state, slot));
    Ok(Generation {
        hidden_best: rows(along, width, prompt)?,
        hidden_beam0: rows(states.iter().map(|state| (state, 0)), width, prompt)?,
        tokens: best.path.tokens,
        score: best.score,
        steps,
    })
}

/// Stacks one row of each state: (rows, width). No states make a tensor of no rows.
fn rows<'t>(
    chosen: impl Iterator<Item = (&'t Tensor, usize)>,
    width: usize,
    like: &Tensor,
) -> candle_core::Result<Tensor> {
    let rows = chosen.map(|(state, slot)| state.narrow(0, slot, 1)).collect::<Result<Vec<_>, _>>()?;
    match rows.as_slice() {
        [] => Tensor::zeros((0, width), like.dtype(), like.device()),
        rows => Tensor::cat(rows, 0), // (rows, width)
    }
}
