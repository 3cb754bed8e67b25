//! The words that the voice seems to say: speech -> projector -> generated text and its LLM hidden states.

use std::sync::Arc;

use affekt_core::FeatureKind;
use affekt_generate::{Settings, beam_search, looped};
use affekt_llama::slam::Projector;
use affekt_report::prediction::Simulated;
use affekt_weights::Bundle;
use candle_core::{DType, Tensor};

use super::Width;
use crate::Error;
use crate::networks::{LanguageModel, Source};
use crate::recipe::{Mode, Prompt, Recipes, SimulatedRecipe};

/// Generated text.
pub struct Simulation {
    /// (rows, width); `None` where the text is empty.
    pub feature: Option<Tensor>,
    /// What to tell about it.
    pub told: Simulated,
}

/// The projector, and the language model as it writes down what a voice says.
pub struct Encoder {
    projector: Projector,
    /// Frames of speech that make one embedding.
    frames_per_embedding: usize,
    projector_dtype: DType,
    language: Arc<LanguageModel>,
    recipe: SimulatedRecipe,
    settings: Settings,
    width: Width,
}

impl Encoder {
    /// Loads the projector of `bundle`, verified, for the loaded `language`.
    pub fn load(bundle: &Bundle, recipes: &Recipes, language: Arc<LanguageModel>) -> Result<Self, Error> {
        let recipe = recipes.simulated.clone();
        recipe.layers.resolve(language.network.hidden_entries())?;
        let name = &recipe.projector;
        let (projector, frames_per_embedding) = Source::of(bundle, name, &language.device)?.projector()?;
        let settings = Settings {
            beams: recipe.beams,
            max_new_tokens: recipe.max_new_tokens,
            layers: recipe.layers,
            eos: language.eos.clone(),
            ..Settings::default()
        };
        let projector_dtype = bundle.network(name)?.dtype.into();
        let width = Width::of(bundle, recipes, FeatureKind::Simulated, language.width)?;
        Ok(Self { projector, frames_per_embedding, projector_dtype, language, recipe, settings, width })
    }

    /// Numbers a row.
    pub fn width(&self) -> usize {
        self.width.numbers
    }

    /// Generates text from the `speech` feature (t, width) of a clip of `samples` samples. `None` for one that is too
    /// short for a single row of the projector.
    ///
    /// # Errors
    /// Those of generation; [`Error::Tokenizer`], [`Error::NotFinite`], and what candle reports.
    pub fn encode(&self, speech: &Tensor, samples: usize) -> Result<Option<Simulation>, Error> {
        let speech = speech.to_device(&self.language.device)?.to_dtype(self.projector_dtype)?;
        let projected = self.projector.forward(&speech.unsqueeze(0)?)?; // (1, t / k, width)
        if projected.dim(1)? == 0 {
            return Ok(None);
        }
        let prompt = self.prompt(projected, samples)?;
        let generation = beam_search(&self.language.network, &prompt, &self.settings)?;
        let states = match self.recipe.mode {
            Mode::Best => &generation.hidden_best,
            Mode::Beam0 => &generation.hidden_beam0,
        };
        let text = generation.text_tokens(&self.settings.eos);
        // No rows, or no words: an absent text either way.
        let empty = states.dim(0)? == 0 || text.is_empty();
        let feature = if empty { None } else { Some(self.width.held(states.to_dtype(DType::F32)?)?) };
        let told = Simulated {
            hypothesis: Some(self.language.tokenizer.decode(text)?),
            tokens: generation.tokens.len(),
            score: Some(generation.score),
            looped: looped(text),
        };
        Ok(Some(Simulation { feature, told }))
    }

    /// (1, p, width): the projected speech, then the beginning-of-text token and the prompt.
    fn prompt(&self, projected: Tensor, samples: usize) -> Result<Tensor, Error> {
        let speech = match self.recipe.prompt {
            Prompt::Sdumc => projected,
            // SLAM-ASR reserves rows by the samples and leaves zeros where the encoder gives fewer.
            Prompt::Slam => {
                let slots = samples / 320 / self.frames_per_embedding;
                let missing = slots.saturating_sub(projected.dim(1)?);
                projected.pad_with_zeros(1, 0, missing)?
            }
        };
        let (words, _) = self.language.embed(self.recipe.prompt.text())?;
        Ok(Tensor::cat(&[&speech.to_dtype(words.dtype())?, &words], 1)?)
    }
}
