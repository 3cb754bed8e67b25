//! What a run shall learn, checked against its clips: everything that can be wrong beforehand is found here.

use affekt_core::{Digest, FeatureKind};
use affekt_report::training::{Data, Training};
use affekt_train::Recipe;
use serde_json::{Value, json};

use super::checkpoint::Card;
use super::data::{Corpus, Source};
use super::{Config, Error, methods};
use crate::dataset::Split;

/// A configuration with the clips that it is for.
pub struct Plan {
    /// Name of the run's configuration.
    pub name: String,
    /// The configuration, with every setting of the method.
    pub config: Config,
    /// The clips.
    pub corpus: Corpus,
    /// The method.
    pub recipe: Box<dyn Recipe>,
}

impl Plan {
    /// Opens the clips of `source` for `config`.
    ///
    /// # Errors
    /// Those of clips, labels and features; settings that the method does not know, or features of other widths than they
    /// name; features that are to be standardised though the method does not take them.
    pub fn new(name: String, mut config: Config, source: &Source) -> Result<Self, Error> {
        let method = methods::named(&config.method)?;
        let kinds = (method.features)(&config.settings)?;
        taken(&name, &config.data.standardise, &kinds)?;
        let mut corpus = Corpus::open(source, &kinds, &config.rules())?;
        corpus.require(&config.data.splits)?;
        let recipe = (method.prepare)(&config.settings, &corpus.widths())?;
        config.settings = without_nulls(recipe.settings());
        super::choice::Choice::new(&config.selection, recipe.flows())?;
        corpus.standardise(&config.data.standardise)?;
        Ok(Self { name, config, corpus, recipe })
    }

    /// Every setting with the value that counts.
    pub fn resolved(&self) -> Value {
        serde_json::to_value(&self.config).expect("a configuration is plain data")
    }

    /// Digest of everything that decides what the run learns.
    pub fn digest(&self) -> Digest {
        decisive(&self.resolved(), &self.corpus.facts())
    }

    /// The splits that the run is judged on: all that it uses but the one it learns from; that one where there is no other.
    pub fn judged(&self) -> Vec<Split> {
        let others = self.config.data.splits.iter().copied().filter(|split| *split != Split::Train);
        let others: Vec<Split> = others.collect();
        if others.is_empty() { vec![Split::Train] } else { others }
    }

    /// What the checkpoint of a run says of itself.
    pub fn card(&self, training: &Training) -> Card {
        Card {
            affekt: training.affekt.clone(),
            method: training.method.clone(),
            name: training.name.clone(),
            seed: training.seed,
            config: training.config.clone(),
            settings: self.config.settings.clone(),
            specs: self.corpus.specs(),
            standards: self.corpus.standards().clone(),
            labels: training.data.splits.clone(),
            chosen: training.chosen.clone(),
            results: training.results.clone(),
            parameters: training.parameters,
        }
    }
}

/// Refuses features of the setting `data.standardise` that are none of `kinds`, which the method takes.
fn taken(name: &str, standardise: &[FeatureKind], kinds: &[FeatureKind]) -> Result<(), Error> {
    let names = |kinds: &[FeatureKind]| kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    let others: Vec<FeatureKind> = standardise.iter().filter(|kind| !kinds.contains(kind)).copied().collect();
    if others.is_empty() {
        return Ok(());
    }
    let (others, kinds) = (names(&others), names(kinds));
    let reason = format!("data.standardise names {others}, but the method takes {kinds} with these settings");
    Err(Error::Config { name: name.into(), reason })
}

/// Digest of a configuration, features, and clips with their labels.
pub fn decisive(config: &Value, data: &Data) -> Digest {
    let features: Vec<&Digest> = data.features.iter().map(|spec| &spec.digest).collect();
    let splits: Vec<_> = data.splits.iter().map(|(name, facts)| (name, &facts.digest)).collect();
    let whole = json!({ "config": config, "features": features, "splits": splits });
    Digest::of(whole.to_string().as_bytes())
}

/// TOML has no word for nothing.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        other => other,
    }
}
