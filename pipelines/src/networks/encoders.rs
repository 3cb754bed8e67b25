//! A bundle's encoders: those that some features need, and nothing else.

use std::sync::Arc;

use affekt_core::FeatureKind;
use affekt_weights::Bundle;
use candle_core::Device;

use super::{LanguageModel, RECOGNISER};
use crate::Error;
use crate::batch::staff::each;
use crate::features::{audio, simulated, text, video};
use crate::recipe::{Recipes, Words};
use crate::recognise::Recogniser;

/// What makes features; the parts that were asked for.
pub struct Encoders {
    /// Where they come from.
    pub bundle: Bundle,
    /// How the bundle wants each feature made.
    pub recipes: Recipes,
    /// Where they run.
    pub device: Device,
    /// For `audio` and `speech`.
    pub voice: Option<audio::Encoder>,
    /// For `video`.
    pub face: Option<video::Encoder>,
    /// For `text`.
    pub words: Option<text::Encoder>,
    /// For `text` of words that nobody has written down.
    pub recogniser: Option<Recogniser>,
    /// For `simulated`, which is made from `speech`.
    pub simulator: Option<simulated::Encoder>,
}

impl Encoders {
    /// Loads what `features` need by `recipes`, each file verified. Files that are missing are listed all at once, with the commands
    /// that bring them; files of other features and of the fusion model may be missing.
    ///
    /// # Errors
    /// Those of the bundle's files; recipes that do not fit the networks; [`Error::Width`].
    pub fn load(
        bundle: &Bundle,
        recipes: &Recipes,
        features: &[FeatureKind],
        device: &Device,
    ) -> Result<Self, Error> {
        bundle.require(needed(recipes, features))?;
        let mut loader = Loader::new(bundle, recipes, device);
        let voice = needs_voice(features).then(|| loader.voice()).transpose()?;
        let face = features.contains(&FeatureKind::Video).then(|| loader.face()).transpose()?;
        let words = features.contains(&FeatureKind::Text).then(|| loader.words()).transpose()?;
        let recognises = features.contains(&FeatureKind::Text) && recipes.text.words != Words::Given;
        let recogniser = recognises.then(|| Recogniser::load(bundle, device)).transpose()?;
        if let Some(recogniser) = &recogniser {
            recogniser.knows(recipes.text.language.as_deref())?;
        }
        let simulator = features.contains(&FeatureKind::Simulated).then(|| loader.simulator()).transpose()?;
        let (bundle, recipes, device) = (bundle.clone(), recipes.clone(), device.clone());
        Ok(Self { bundle, recipes, device, voice, face, words, recogniser, simulator })
    }

    /// The same on each of `devices`: on the first alone, so that the others find the files in the system's memory.
    ///
    /// # Errors
    /// As [`Encoders::load`].
    pub fn load_all(
        bundle: &Bundle,
        recipes: &Recipes,
        features: &[FeatureKind],
        devices: &[Device],
    ) -> Result<Vec<Self>, Error> {
        let load = |device: &Device| {
            let loaded = Self::load(bundle, recipes, features, device);
            loaded.map_err(|error| error.explained(device, "the networks", None))
        };
        let Some((first, others)) = devices.split_first() else { return Ok(Vec::new()) };
        let mut loaded = vec![load(first)?];
        loaded.extend(each(others.iter().collect(), load).into_iter().collect::<Result<Vec<_>, _>>()?);
        Ok(loaded)
    }
}

fn needs_voice(features: &[FeatureKind]) -> bool {
    use FeatureKind::{Audio, Speech};
    features.iter().any(|kind| matches!(kind, Audio | Speech))
}

/// The bundle's names of the networks that `features` need, each once.
pub fn needed<'r>(recipes: &'r Recipes, features: &[FeatureKind]) -> Vec<&'r str> {
    let has = |kind| features.contains(&kind);
    let candidates = [
        (needs_voice(features), &recipes.audio.network),
        (has(FeatureKind::Video), &recipes.video.network),
        (has(FeatureKind::Text), &recipes.text.network),
        (has(FeatureKind::Simulated), &recipes.simulated.network),
        (has(FeatureKind::Simulated), &recipes.simulated.projector),
    ];
    let recognises = has(FeatureKind::Text) && recipes.text.words != Words::Given;
    let needed = candidates.into_iter().filter(|(needed, _)| *needed).map(|(_, name)| name.as_str());
    let mut names: Vec<&str> = Vec::new();
    for name in needed.chain(recognises.then_some(RECOGNISER)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Loads encoders one by one; those that read with the same language model share it.
pub(super) struct Loader<'b> {
    bundle: &'b Bundle,
    recipes: &'b Recipes,
    device: &'b Device,
    language: Option<Arc<LanguageModel>>,
}

impl<'b> Loader<'b> {
    pub fn new(bundle: &'b Bundle, recipes: &'b Recipes, device: &'b Device) -> Self {
        Self { bundle, recipes, device, language: None }
    }

    pub fn voice(&self) -> Result<audio::Encoder, Error> {
        audio::Encoder::load(self.bundle, self.recipes, self.device)
    }

    pub fn face(&self) -> Result<video::Encoder, Error> {
        video::Encoder::load(self.bundle, self.recipes, self.device)
    }

    pub fn words(&mut self) -> Result<text::Encoder, Error> {
        let language = self.language(&self.recipes.text.network)?;
        text::Encoder::new(self.bundle, self.recipes, language)
    }

    pub fn simulator(&mut self) -> Result<simulated::Encoder, Error> {
        let language = self.language(&self.recipes.simulated.network)?;
        simulated::Encoder::load(self.bundle, self.recipes, language)
    }

    fn language(&mut self, network: &str) -> Result<Arc<LanguageModel>, Error> {
        if let Some(loaded) = self.language.as_ref().filter(|loaded| loaded.name == network) {
            return Ok(Arc::clone(loaded));
        }
        let loaded = Arc::new(LanguageModel::load(self.bundle, network, self.device)?);
        self.language = Some(Arc::clone(&loaded));
        Ok(loaded)
    }
}
