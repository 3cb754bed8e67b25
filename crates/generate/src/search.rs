//! Beam search of one clip.

use candle_core::Tensor;

use crate::beams::Beams;
use crate::engine::most_slots;
use crate::{Budget, CausalLm, Engine, Error, Settings};

/// Positions of a prompt in one forward pass: more make it no faster.
const PREFILL: usize = 512;

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
    /// The winner of a search that is over, and what `states`, those of its passes over beams, (beams, width) each, say
    /// of it. Tensors are like `like`.
    pub(crate) fn new(beams: Beams, states: &[Tensor], width: usize, like: &Tensor) -> Result<Self, Error> {
        let steps = beams.steps();
        let best = beams.into_best()?;
        // Token i was fed at the step after the one that chose it; the slot that then chose token i + 1 held its state.
        let along = best.path.slots.iter().skip(1).zip(states).map(|(&slot, state)| (state, slot));
        Ok(Self {
            hidden_best: rows(along, width, like)?,
            hidden_beam0: rows(states.iter().map(|state| (state, 0)), width, like)?,
            tokens: best.path.tokens,
            score: best.score,
            steps,
        })
    }

    /// The tokens without the end token.
    pub fn text_tokens(&self, eos: &[u32]) -> &[u32] {
        match self.tokens.split_last() {
            Some((last, text)) if eos.contains(last) => text,
            _ => &self.tokens,
        }
    }
}

/// Continues a prompt of embeddings (1, t, width) with the most probable text that a beam search finds, exactly as
/// transformers' `generate` does with `num_beams`, no sampling and no penalties: an [`Engine`] with one clip.
pub fn beam_search<M: CausalLm>(
    model: &M,
    prompt: &Tensor,
    settings: &Settings,
) -> Result<Generation, Error> {
    settings.check(model.vocab())?;
    let slots =
        most_slots(prompt.dims().get(1).copied().unwrap_or(0), settings.beams, settings.max_new_tokens);
    let budget = Budget { bytes: slots.saturating_mul(model.slot_bytes()), clips: 1, prefill: PREFILL };
    let mut engine = Engine::new(model, settings.clone(), budget)?;
    engine.submit((), prompt, settings.max_new_tokens)?;
    let (_, generation) = engine.next().expect("a clip that was submitted ends");
    generation
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
