//! The words that the voice seems to say: speech -> projector -> generated text and its LLM hidden states.

use affekt_generate::{Settings, beam_search, looped};
use affekt_report::prediction::Simulated;
use candle_core::{DType, Tensor};

use crate::recipe::{Mode, Prompt};
use crate::{Error, Networks};

/// Generated text.
pub struct Simulation {
    /// (rows, width); `None` where the text is empty.
    pub feature: Option<Tensor>,
    /// What to tell about it.
    pub told: Simulated,
}

/// Generates text from the `speech` feature (t, width) of a clip of `samples` samples. `None` for one that is too
/// short for a single row of the projector.
pub fn generate(networks: &Networks, speech: &Tensor, samples: usize) -> Result<Option<Simulation>, Error> {
    let recipe = &networks.recipes.simulated;
    let speech = speech.to_dtype(networks.dtype(&recipe.projector)?)?;
    let projected = networks.projector.forward(&speech.unsqueeze(0)?)?; // (1, t / k, width)
    if projected.dim(1)? == 0 {
        return Ok(None);
    }
    let settings = Settings {
        beams: recipe.beams,
        max_new_tokens: recipe.max_new_tokens,
        layers: recipe.layers,
        eos: networks.eos.clone(),
        ..Settings::default()
    };
    let prompt = prompt(networks, projected, samples)?;
    let generation = beam_search(&networks.llama, &prompt, &settings)?;
    let states = match recipe.mode {
        Mode::Best => &generation.hidden_best,
        Mode::Beam0 => &generation.hidden_beam0,
    };
    let text = generation.text_tokens(&settings.eos);
    // No rows, or no words: an absent text either way.
    let empty = states.dim(0)? == 0 || text.is_empty();
    let feature = if empty { None } else { Some(states.to_dtype(DType::F32)?) };
    let told = Simulated {
        hypothesis: Some(networks.tokenizer.decode(text)?),
        tokens: generation.tokens.len(),
        score: Some(generation.score),
        looped: looped(text),
    };
    Ok(Some(Simulation { feature, told }))
}

/// (1, p, width): the projected speech, then the beginning-of-text token and the prompt.
fn prompt(networks: &Networks, projected: Tensor, samples: usize) -> Result<Tensor, Error> {
    let recipe = &networks.recipes.simulated;
    let speech = match recipe.prompt {
        Prompt::Sdumc => projected,
        // SLAM-ASR reserves rows by the samples and leaves zeros where the encoder gives fewer.
        Prompt::Slam => {
            let slots = samples / 320 / networks.frames_per_embedding;
            let missing = slots.saturating_sub(projected.dim(1)?);
            projected.pad_with_zeros(1, 0, missing)?
        }
    };
    let ids = networks.tokenizer.with_bos(recipe.prompt.text())?;
    let ids = Tensor::from_slice(&ids, (1, ids.len()), &networks.device)?;
    let words = networks.llama.embed(&ids)?;
    Ok(Tensor::cat(&[&speech.to_dtype(words.dtype())?, &words], 1)?)
}
