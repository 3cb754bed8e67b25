//! The words that the voice seems to say: speech -> projector -> generated text and its LLM hidden states.

use std::sync::Arc;

use affekt_core::{FeatureKind, SampleRate};
use affekt_generate::{Budget, CausalLm, Engine, Generation, Settings, beam_search, looped, refused};
use affekt_llama::Llama;
use affekt_llama::slam::Projector;
use affekt_report::prediction::Simulated;
use affekt_weights::Bundle;
use candle_core::{DType, Device, Tensor};

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
    /// Whether it refuses to transcribe instead of transcribing.
    pub refused: bool,
    /// Whether the limit of tokens ended it rather than the model.
    pub capped: bool,
}

/// What a voice asks of the language model.
#[derive(Clone, Debug)]
pub struct Request {
    /// (1, p, width): the projected speech, then the beginning-of-text token and the prompt.
    pub prompt: Tensor,
    /// Most tokens of the answer.
    pub max_new_tokens: usize,
}

/// The projector, and the language model as it writes down what a voice says.
pub struct Encoder {
    projector: Projector,
    /// Frames of speech that make one embedding.
    frames_per_embedding: usize,
    projector_dtype: DType,
    language: Arc<LanguageModel>,
    /// (1, p, width): the beginning-of-text token and the prompt's words.
    words: Tensor,
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
        let (words, given) = language.embed(recipe.prompt.text())?;
        if given > language.positions {
            return Err(Error::NoRoom { given, positions: language.positions });
        }
        let projector_dtype = bundle.network(name)?.dtype.into();
        let width = Width::of(bundle, recipes, FeatureKind::Simulated, language.width)?;
        Ok(Self {
            projector,
            frames_per_embedding,
            projector_dtype,
            language,
            words,
            recipe,
            settings,
            width,
        })
    }

    /// Numbers a row.
    pub fn width(&self) -> usize {
        self.width.numbers
    }

    /// Where it runs.
    pub fn device(&self) -> &Device {
        &self.language.device
    }

    /// Generates text from the `speech` feature (t, width) of a clip of `samples` samples. `None` for one that is too
    /// short for a single row of the projector.
    ///
    /// # Errors
    /// Those of generation; [`Error::Tokenizer`], [`Error::NotFinite`], and what candle reports.
    pub fn encode(&self, speech: &Tensor, samples: usize) -> Result<Option<Simulation>, Error> {
        let Some(Request { prompt, max_new_tokens }) = self.request(speech, samples)? else {
            return Ok(None);
        };
        let settings = Settings { max_new_tokens, ..self.settings.clone() };
        self.simulation(&beam_search(&self.language.network, &prompt, &settings)?).map(Some)
    }

    /// An engine for many voices at once: submit to it what [`Encoder::request`] gives, and hand what comes out to
    /// [`Encoder::simulation`]. It takes no more memory than its most clips could need.
    ///
    /// # Errors
    /// Those of [`Engine::new`].
    pub fn engine<K>(&self, budget: Budget) -> Result<Engine<'_, Llama, K>, Error> {
        let network = &self.language.network;
        let generated = self.settings.beams.saturating_mul(self.settings.max_new_tokens);
        let slots = self.language.positions.saturating_add(generated).saturating_mul(budget.clips);
        let bytes = budget.bytes.min(slots.saturating_mul(network.slot_bytes()));
        Ok(Engine::new(network, self.settings.clone(), Budget { bytes, ..budget })?)
    }

    /// What the voice in `speech` (t, width) of a clip of `samples` samples asks of the language model. `None` for one
    /// that is too short for a single row of the projector.
    ///
    /// Text ends where the language model has no more positions.
    ///
    /// # Errors
    /// [`Error::NoRoom`], [`Error::NotFinite`], and what candle reports.
    pub fn request(&self, speech: &Tensor, samples: usize) -> Result<Option<Request>, Error> {
        let speech = speech.to_device(&self.language.device)?.to_dtype(self.projector_dtype)?;
        let projected = self.projector.forward(&speech.unsqueeze(0)?)?; // (1, t / k, width)
        if projected.dim(1)? == 0 {
            return Ok(None);
        }
        let speech = match self.recipe.prompt {
            // SLAM-ASR reserves rows by the samples and leaves zeros where the encoder gives fewer.
            Prompt::Slam => {
                let slots = samples / 320 / self.frames_per_embedding;
                let missing = slots.saturating_sub(projected.dim(1)?);
                projected.pad_with_zeros(1, 0, missing)?
            }
            Prompt::Sdumc | Prompt::Own(_) => projected,
        };
        let prompt = Tensor::cat(&[&speech.to_dtype(self.words.dtype())?, &self.words], 1)?; // (1, p, width)
        // The last token is never fed.
        let (given, positions) = (prompt.dim(1)?, self.language.positions);
        let left = (positions + 1).saturating_sub(given);
        if left == 0 {
            return Err(Error::NoRoom { given, positions });
        }
        let max_new_tokens = self.recipe.most_tokens(SampleRate::SPEECH.seconds(samples)).min(left);
        Ok(Some(Request { prompt, max_new_tokens }))
    }

    /// The feature of a text that was generated, and what to tell of it.
    ///
    /// # Errors
    /// [`Error::Tokenizer`], and what candle reports.
    pub fn simulation(&self, generation: &Generation) -> Result<Simulation, Error> {
        let states = match self.recipe.mode {
            Mode::Best => &generation.hidden_best,
            Mode::Beam0 => &generation.hidden_beam0,
        };
        let text = generation.text_tokens(&self.settings.eos);
        // No rows, or no words: an absent text either way.
        let empty = states.dim(0)? == 0 || text.is_empty();
        let feature = if empty { None } else { Some(self.width.held(states.to_dtype(DType::F32)?)?) };
        let hypothesis = self.language.tokenizer.decode(text)?;
        Ok(Simulation {
            feature,
            refused: refused(&hypothesis),
            capped: text.len() == generation.tokens.len(),
            told: Simulated {
                hypothesis: Some(hypothesis),
                tokens: generation.tokens.len(),
                score: Some(generation.score),
                looped: looped(text),
            },
        })
    }
}
