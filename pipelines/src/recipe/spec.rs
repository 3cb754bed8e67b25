//! The spec of each feature: what a cache keeps it under.

use affekt_cache::Number;
use affekt_core::{Digest, FeatureKind, FeatureSpec, LayerRule};
use affekt_weights::Bundle;

use super::{AudioRecipe, DECODE, KINDS, Recipes, Words};
use crate::networks::{llama_config, manet_config, wavlm_config};
use crate::{Error, recognise};

/// The specs of `features` (in the order of [`KINDS`], each once; with `simulated` also `speech`, which it is made from),
/// without loading any weights: digests are the bundle's, widths those of the networks' configurations.
///
/// Simulated text is made from speech as it is kept, so that it can be made again from a cache alone. `crops` says how faces are found: one of the ways of [`VideoRecipe::faces`](super::VideoRecipe::faces), and the
/// detector's weights. `store` is how numbers are kept: `f32`, `f16` or `bf16`.
///
/// # Errors
/// Those of the bundle's recipes and configurations; [`affekt_cache::Error::UnknownNumber`].
pub fn specs(
    bundle: &Bundle,
    recipes: &Recipes,
    features: &[FeatureKind],
    crops: &[String],
    store: &str,
) -> Result<Vec<FeatureSpec>, Error> {
    let maker = Maker { bundle, recipes, crops, store, speech: store };
    let asked = |kind: &FeatureKind| {
        let as_source = *kind == FeatureKind::Speech && features.contains(&FeatureKind::Simulated);
        as_source || features.contains(kind)
    };
    let specs: Vec<FeatureSpec> =
        KINDS.into_iter().filter(asked).map(|kind| maker.spec(kind)).collect::<Result<_, _>>()?;
    specs.iter().try_for_each(|spec| Number::of(spec).map(|_| ()))?;
    Ok(specs)
}

/// The spec of text simulated from `speech` as it is kept (its storage type), itself kept as `store`.
///
/// # Errors
/// As [`specs`].
pub fn simulated_spec(
    bundle: &Bundle,
    recipes: &Recipes,
    speech: &str,
    store: &str,
) -> Result<FeatureSpec, Error> {
    let spec = Maker { bundle, recipes, crops: &[], store, speech }.spec(FeatureKind::Simulated)?;
    Number::of(&spec)?;
    Ok(spec)
}

/// Numbers a row of `kind`, by the configuration of its network.
pub(crate) fn width(bundle: &Bundle, recipes: &Recipes, kind: FeatureKind) -> Result<usize, Error> {
    Ok(match kind {
        FeatureKind::Audio | FeatureKind::Speech => wavlm_config(bundle, &recipes.audio.network)?.hidden_size,
        FeatureKind::Video => manet_config(bundle, &recipes.video.network)?.embedding(),
        FeatureKind::Text => llama_config(bundle, &recipes.text.network)?.hidden_size,
        FeatureKind::Simulated => llama_config(bundle, &recipes.simulated.network)?.hidden_size,
    })
}

/// Hidden states of the network of `kind`, by its configuration: the embeddings and one for each layer.
fn entries(bundle: &Bundle, recipes: &Recipes, kind: FeatureKind) -> Result<usize, Error> {
    Ok(1 + match kind {
        FeatureKind::Audio | FeatureKind::Speech => wavlm_config(bundle, &recipes.audio.network)?.layers,
        FeatureKind::Video => 0,
        FeatureKind::Text => llama_config(bundle, &recipes.text.network)?.num_hidden_layers,
        FeatureKind::Simulated => llama_config(bundle, &recipes.simulated.network)?.num_hidden_layers,
    })
}

/// What all specs of a run share.
struct Maker<'a> {
    bundle: &'a Bundle,
    recipes: &'a Recipes,
    crops: &'a [String],
    store: &'a str,
    /// How the speech is kept that text is simulated from.
    speech: &'a str,
}

/// Configuration and tokenizer of a network: with other ones, the same weights make other features.
pub(crate) fn settings(bundle: &Bundle, network: &str) -> Result<Vec<String>, Error> {
    let settings = bundle.settings(network)?.into_iter();
    Ok(settings.map(|(kind, digest)| format!("{network} {kind} {digest}")).collect())
}

/// What differs by feature.
struct Way<'a> {
    network: &'a str,
    layers: Option<LayerRule>,
    preprocessing: Vec<String>,
    row: &'static str,
}

impl Maker<'_> {
    fn spec(&self, kind: FeatureKind) -> Result<FeatureSpec, Error> {
        let Way { network, layers, preprocessing, row } = match kind {
            FeatureKind::Audio => audio(&self.recipes.audio),
            FeatureKind::Speech => audio(&self.recipes.speech),
            FeatureKind::Video => self.video(),
            FeatureKind::Text => self.text()?,
            FeatureKind::Simulated => self.simulated()?,
        };
        if let Some(layers) = layers {
            layers.resolve(entries(self.bundle, self.recipes, kind)?)?;
        }
        let mut preprocessing = preprocessing;
        preprocessing.extend(settings(self.bundle, network)?);
        Ok(FeatureSpec {
            kind,
            encoder: network.to_owned(),
            weights: self.digest(network)?,
            layers,
            preprocessing,
            width: width(self.bundle, self.recipes, kind)?,
            dtype: self.store.to_owned(),
            row: row.to_owned(),
        })
    }

    fn digest(&self, network: &str) -> Result<Digest, Error> {
        Ok(self.bundle.weights_digest(network)?)
    }

    fn video(&self) -> Way<'_> {
        let recipe = &self.recipes.video;
        let mut preprocessing = self.crops.to_vec();
        preprocessing.push(format!("resize-{}-pil-bilinear-v1", recipe.size));
        Way { network: &recipe.network, layers: None, preprocessing, row: "frame" }
    }

    fn text(&self) -> Result<Way<'_>, Error> {
        let recipe = &self.recipes.text;
        let mut preprocessing = vec!["bos-v1".into()];
        if recipe.words != Words::Given {
            preprocessing.push(DECODE.into());
            preprocessing.extend(recognise::recipe(self.bundle, recipe.language.as_deref())?);
        }
        if recipe.words == Words::Filled {
            preprocessing.push("where no transcript is given".into());
        }
        Ok(Way { network: &recipe.network, layers: Some(recipe.layers), preprocessing, row: "token" })
    }

    fn simulated(&self) -> Result<Way<'_>, Error> {
        let Recipes { speech, simulated: recipe, .. } = self.recipes;
        let mut preprocessing = vec![
            DECODE.into(),
            format!("normalize-{}-v1", speech.normalize),
            format!("speech {} of {}", speech.layers, self.digest(&speech.network)?),
            format!("projector {}", self.digest(&recipe.projector)?),
            format!("prompt {:?}", recipe.prompt.text()),
            format!("beams {} max {} mode {:?}", recipe.beams, recipe.max_new_tokens, recipe.mode),
        ];
        for network in [&speech.network, &recipe.projector] {
            preprocessing.extend(settings(self.bundle, network)?);
        }
        if recipe.robust {
            preprocessing.push("robust-v1".into());
        }
        // In f32 it is as it was computed.
        if self.speech != "f32" {
            preprocessing.push(format!("speech kept as {}", self.speech));
        }
        Ok(Way { network: &recipe.network, layers: Some(recipe.layers), preprocessing, row: "token" })
    }
}

fn audio(recipe: &AudioRecipe) -> Way<'_> {
    let preprocessing = vec![DECODE.into(), format!("normalize-{}-v1", recipe.normalize)];
    Way { network: &recipe.network, layers: Some(recipe.layers), preprocessing, row: "20ms" }
}
