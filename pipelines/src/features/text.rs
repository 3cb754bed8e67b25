//! The words: transcript -> LLM hidden states.

use std::sync::Arc;

use affekt_core::FeatureKind;
use affekt_weights::Bundle;
use candle_core::{DType, Tensor};

use super::Width;
use crate::Error;
use crate::networks::LanguageModel;
use crate::recipe::{Recipes, TextRecipe};

/// The feature of a transcript.
pub struct Text {
    /// (tokens + 1, width), one row a token, the beginning-of-text token's first.
    pub feature: Tensor,
    /// Tokens of the words that were read.
    pub tokens: usize,
    /// How much was read, where not all of it was.
    pub cut: Option<Cut>,
}

/// A transcript longer than the language model's context, in tokens, that of the beginning among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// How many were read.
    pub read: usize,
    /// How many there are.
    pub given: usize,
}

/// The language model as it reads words.
pub struct Encoder {
    language: Arc<LanguageModel>,
    recipe: TextRecipe,
    width: Width,
}

impl Encoder {
    /// What `recipes` want of the loaded `language`.
    pub fn new(bundle: &Bundle, recipes: &Recipes, language: Arc<LanguageModel>) -> Result<Self, Error> {
        let recipe = recipes.text.clone();
        recipe.layers.resolve(language.network.hidden_entries())?;
        let width = Width::of(bundle, recipes, FeatureKind::Text, language.width)?;
        Ok(Self { language, recipe, width })
    }

    /// Numbers a row.
    pub fn width(&self) -> usize {
        self.width.numbers
    }

    /// Encodes a transcript; of one with more tokens than the language model has positions the first ones.
    ///
    /// # Errors
    /// [`Error::Tokenizer`], [`Error::NotFinite`], and what candle reports.
    pub fn encode(&self, transcript: &str) -> Result<Text, Error> {
        let network = &self.language.network;
        let (words, given) = self.language.embed(transcript)?; // (1, t, width)
        let read = words.dim(1)?;
        let cut = (given > read).then_some(Cut { read, given });
        let layers = self.recipe.layers.resolve(network.hidden_entries())?;
        let (sum, _) = network.hidden_sum(&words, None, None, &layers)?; // (1, t, width)
        let feature = self.width.held(sum.squeeze(0)?.to_dtype(DType::F32)?)?;
        Ok(Text { feature, tokens: read - 1, cut })
    }
}
