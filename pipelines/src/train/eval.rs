//! Trained parameters judged on labelled clips: those of a run, or released ones.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use affekt_core::{Digest, FeatureKind, FeatureSpec};
use affekt_report::training::{Chosen, Evidence, Outcome, Times, Training};
use affekt_train::{Key, Parameters, Recipe};
use candle_core::{Device, Tensor};
use serde_json::{Value, json};

use super::checkpoint::{self, Card, Strictness, same_recipes};
use super::data::{self, Corpus, Incomplete, Rules, Source, Standards};
use super::judge::Judge;
use super::{Config, Error, methods};
use crate::dataset::Split;
use crate::networks::FUSION;
use crate::networks::fusion::{Reading, fusion};

/// Clips that are judged together, where the parameters do not say how many were in training.
const BATCH: usize = 64;
/// The rule of released parameters.
const UNKNOWN: &str = "not known: the weights do not say how they were chosen";

/// What is judged, and on what.
pub struct Request<'a> {
    /// The folder of a run, its checkpoint, or released weights.
    pub weights: &'a Path,
    /// How released weights are to be read.
    pub reading: &'a Reading,
    /// The clips.
    pub source: &'a Source<'a>,
    /// Splits to judge.
    pub splits: &'a [Split],
    /// What happens to clips that lack a feature; by default as in training.
    pub incomplete: Option<Incomplete>,
    /// Where the method runs.
    pub device: &'a Device,
    /// When it begins: RFC 3339, UTC.
    pub started: String,
    /// Largest resident memory of this process so far in bytes, where the system tells.
    pub peak_memory: &'a dyn Fn() -> Option<u64>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The file of the parameters.
    pub weights: PathBuf,
    /// SHA-256 of that file.
    pub digest: Digest,
    /// What the parameters reach; a run without epochs.
    pub training: Training,
    /// What they say of each clip, a split each.
    pub evidence: Vec<Evidence>,
}

/// Parameters, and what there is to know of them.
struct Trained {
    path: PathBuf,
    digest: Digest,
    method: String,
    settings: Value,
    values: BTreeMap<String, Tensor>,
    /// `None` of released weights.
    card: Option<Card>,
}

/// Judges parameters on clips whose features are made as those of their training.
///
/// # Errors
/// A method that there is not; features that are made otherwise ([`checkpoint::Error::Recipes`]) or are of other widths;
/// those of weights, clips, labels and features. All of that is known before the first batch.
pub fn eval(request: &Request) -> Result<Evaluation, Error> {
    let began = Instant::now();
    let trained = Trained::open(request.weights, request.reading)?;
    let method = methods::named(&trained.method)?;
    let kinds = (method.features)(&trained.settings)?;
    let mut corpus = trained.corpus(request, &kinds)?;
    corpus.set_standards(trained.standards());
    corpus.require(request.splits)?;
    let recipe = (method.prepare)(&trained.settings, &corpus.widths())?;
    let parameters = Parameters::drawn(Key::new(0));
    let network = recipe.build(parameters.builder(request.device))?;
    parameters.set(&trained.values)?;
    let judge = Judge {
        method: &*network,
        phase: recipe.phases().len() - 1,
        flows: recipe.flows(),
        corpus: &corpus,
        batch: trained.config().map_or(BATCH, |config| config.training.batch),
        device: request.device,
    };
    let (mut results, mut evidence) = (Vec::new(), Vec::new());
    for &split in request.splits {
        let (outcomes, seen) = judge.evidence(split)?;
        results.extend(outcomes);
        evidence.push(seen);
    }
    let total = began.elapsed().as_secs_f64();
    let seconds = Times { total, ..Times::default() };
    let training = trained.training(request, &corpus, &*recipe, parameters.count(), results, seconds);
    Ok(Evaluation { weights: trained.path, digest: trained.digest, training, evidence })
}

impl Trained {
    fn open(weights: &Path, reading: &Reading) -> Result<Self, Error> {
        let path = checkpoint::file(weights)?;
        if checkpoint::card(&path)?.is_none() {
            return Self::released(&path, reading);
        }
        if let Some(flag) = reading.given() {
            let reason = format!("{} was trained by affekt and says so itself", path.display());
            return Err(Error::of_weights(crate::Error::Setting { name: flag.into(), reason }));
        }
        let checkpoint::Saved { path, card, values } = checkpoint::open(&path)?;
        let read = File::open(&path).and_then(Digest::of_reader);
        let (digest, _) = read.map_err(|source| Error::Read { path: path.clone(), source })?;
        let (method, settings) = (card.method.clone(), card.settings.clone());
        Ok(Self { path, digest, method, settings, values, card: Some(card) })
    }

    fn released(path: &Path, reading: &Reading) -> Result<Self, Error> {
        let fusion = fusion(path, reading).map_err(Error::of_weights)?;
        let values = fusion.values().map_err(Error::of_weights)?;
        let digest = fusion.digest();
        let (method, settings) = (FUSION.to_owned(), fusion.settings);
        Ok(Self { path: fusion.path, digest, method, settings, values, card: None })
    }

    /// The clips. Where the cache has a feature by several recipes, none of which is named, that of the training counts.
    fn corpus(&self, request: &Request, kinds: &[FeatureKind]) -> Result<Corpus, Error> {
        let splits = request.splits.to_vec();
        let rules = Rules { longest: BTreeMap::new(), incomplete: self.incomplete(request), splits };
        let mut recipes = request.source.recipes.clone();
        let found = loop {
            let found = Corpus::recipes(&Source { recipes: &recipes, ..*request.source }, kinds);
            let Err(data::Error::Recipes { kind, .. }) = &found else { break found? };
            let specs = self.card.iter().flat_map(|card| &card.specs);
            match specs.into_iter().find(|spec| spec.kind == *kind) {
                Some(spec) if !recipes.contains_key(kind) => {
                    recipes.insert(*kind, spec.digest().to_string());
                }
                _ => break found?,
            }
        };
        // Before any clip is missed: by another recipe it is none of these.
        self.fits(&found)?;
        Ok(Corpus::open(&Source { recipes: &recipes, ..*request.source }, kinds, &rules)?)
    }

    fn incomplete(&self, request: &Request) -> Incomplete {
        let trained = || self.config().map(|config| config.data.incomplete);
        request.incomplete.or_else(trained).unwrap_or_default()
    }

    /// The configuration of the training, where this affekt understands it.
    fn config(&self) -> Option<Config> {
        serde_json::from_value(self.card.as_ref()?.config.clone()).ok()
    }

    /// What features were standardised by in the training; these clips have no say in it.
    fn standards(&self) -> Standards {
        self.card.as_ref().map(|card| card.standards.clone()).unwrap_or_default()
    }

    /// Refuses features that are not made as those of the training.
    fn fits(&self, specs: &[FeatureSpec]) -> Result<(), Error> {
        let Some(card) = &self.card else { return Ok(()) };
        let same = same_recipes(&card.specs, specs, Strictness::Stored);
        Ok(same.map_err(|error| error.of(&self.path))?)
    }

    fn training(
        &self,
        request: &Request,
        corpus: &Corpus,
        recipe: &dyn Recipe,
        parameters: usize,
        results: Vec<Outcome>,
        seconds: Times,
    ) -> Training {
        let card = self.card.as_ref();
        let stem = || self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let unknown = || Chosen { phase: String::new(), epoch: 0, rule: UNKNOWN.into(), value: None };
        Training {
            affekt: env!("CARGO_PKG_VERSION").into(),
            method: self.method.clone(),
            name: card.map_or_else(stem, |card| card.name.clone()),
            seed: card.map_or(0, |card| card.seed),
            started: request.started.clone(),
            device: crate::device::name(request.device),
            config: card.map_or_else(|| json!({ "settings": recipe.settings() }), |card| card.config.clone()),
            data: corpus.facts(),
            parameters,
            flows: recipe.flows().iter().map(|flow| (*flow).to_owned()).collect(),
            epochs: Vec::new(),
            chosen: card.map_or_else(unknown, |card| card.chosen.clone()),
            results,
            seconds,
            peak_memory_bytes: (request.peak_memory)(),
            warnings: self.doubts(request.splits, corpus),
        }
    }

    /// What is doubtful about the figures.
    fn doubts(&self, splits: &[Split], corpus: &Corpus) -> Vec<String> {
        let mut doubts = corpus.warnings().to_vec();
        let facts = corpus.facts();
        match &self.card {
            None => doubts.push(
                "the weights do not say on which features and clips they were trained, with which seed, and how they were \
                 chosen"
                    .into(),
            ),
            Some(card) => doubts.extend(splits.iter().filter_map(|split| {
                let here = &facts.splits.get(split.name())?.digest;
                let learnt = *here == card.labels.get(Split::Train.name())?.digest;
                learnt.then(|| format!("the clips of split {split} are those that the parameters were learnt from"))
            })),
        }
        doubts
    }
}
