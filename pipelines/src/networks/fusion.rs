//! Fusion models that were trained or released, as files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use affekt_core::{Digest, FeatureKind, FeatureSpec};
use affekt_sdumc::{Compat, Config, MiaResidual, MiaStructure, RawConfig, Sdumc, Settings, Switch, keys};
use affekt_weights::{Bundle, Checkpoint, Error as WeightsError};
use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use serde_json::Value;

use super::FUSION;
use super::build::Form;
use crate::Error;
use crate::recipe::{Recipes, width};
use crate::train::checkpoint::{self, Card, Strictness, expect_method, other_words, same_recipes};

/// Names of the imagination's parameters begin so in released checkpoints.
const IMAGINATION: &str = "missing_";
/// A parameter that only the imagination of equations 5 and 6 has.
const EQUATION: &str = "missing_text_imagination_mlp.w1.weight";

/// A fusion model as a file holds it: a checkpoint of `affekt train` with its card, or weights without one, as released.
#[derive(Clone, Debug)]
pub struct Fusion {
    /// The file; the folder where its weights are several files.
    pub path: PathBuf,
    /// Its tensors.
    pub checkpoint: Checkpoint,
    /// What it says of itself.
    pub card: Option<Card>,
    /// What the network is built by.
    pub config: Config,
    /// The settings, in the form in which the method `sdumc` reads them.
    pub settings: Value,
}

/// How weights without a card are to be read. Weights with one say so themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Whose rules hold; the release's by default.
    pub compat: Option<Compat>,
    /// Whether the text-missing flow imagines; by default where the weights have what that takes.
    pub mia: Option<Switch>,
    /// What the residual autoencoder adds its output to; the text by default.
    pub mia_residual: Option<MiaResidual>,
}

/// Opens the fusion model at `path`: the folder of a run, a checkpoint, or released weights.
///
/// # Errors
/// A checkpoint of another method; a [`Reading`] of weights that have a card; those of reading weights.
pub fn fusion(path: &Path, reading: &Reading) -> Result<Fusion, Error> {
    match Form::open(path)? {
        Form::Trained(checkpoint, card) => {
            let path = checkpoint::file(path)?;
            reading.refuse(&path)?;
            expect_method(&path, &card, FUSION)?;
            let config = config(&path, &card, &checkpoint)?;
            let settings = card.settings.clone();
            Ok(Fusion { path, checkpoint, card: Some(*card), config, settings })
        }
        Form::Checkpoint(checkpoint) => {
            let raw = reading.of(&checkpoint);
            let settings = settings(&raw);
            Ok(Fusion { path: path.into(), checkpoint, card: None, config: raw.resolve()?, settings })
        }
        Form::Gguf(path) => Err(super::build::gguf_elsewhere(&path)),
    }
}

impl Fusion {
    /// SHA-256 of the weights.
    pub fn digest(&self) -> Digest {
        self.checkpoint.digest()
    }

    /// Every parameter of the network by its own name, in f32 on the CPU: prefixes are taken off, tensors that the network
    /// does not use are left out.
    ///
    /// # Errors
    /// Those of reading weights; two tensors that become one.
    pub fn values(&self) -> Result<BTreeMap<String, Tensor>, Error> {
        let keys = keys(&self.config);
        let mut values = BTreeMap::new();
        let mut origins: BTreeMap<String, &str> = BTreeMap::new();
        for (published, _) in self.checkpoint.shapes() {
            let name = keys.rename(published);
            if keys.is_ignored(&name) {
                continue;
            }
            if let Some(first) = origins.insert(name.clone(), published) {
                let (file, first, second) = (self.path.display().to_string(), first.into(), published.into());
                return Err(WeightsError::Ambiguous { file, first, second, name }.into());
            }
            let tensor = self.checkpoint.tensor(published, &Device::Cpu)?;
            values.insert(name, tensor.to_dtype(DType::F32)?);
        }
        Ok(values)
    }

    /// The network, strictly: every tensor is there, fits and has a place.
    ///
    /// # Errors
    /// [`WeightsError::Keys`] lists every tensor that is missing, misshapen or unknown.
    pub fn network(&self, device: &Device) -> Result<Sdumc, Error> {
        let build = |vb: candle_nn::VarBuilder| Sdumc::load(vb, &self.config);
        Ok(self.checkpoint.load(keys(&self.config), DType::F32, device, build)?)
    }

    /// Refuses a network that takes features of other widths than those that `bundle` makes.
    pub(super) fn fits(&self, bundle: &Bundle, recipes: &Recipes) -> Result<(), Error> {
        let widths = self.config.widths;
        let mut kinds = vec![
            (FeatureKind::Audio, widths.audio),
            (FeatureKind::Text, widths.text),
            (FeatureKind::Video, widths.video),
        ];
        if self.card.as_ref().is_none_or(|card| card.takes(FeatureKind::Simulated)) {
            kinds.push((FeatureKind::Simulated, widths.text));
        }
        let made = kinds.into_iter().map(|(kind, taken)| Ok((kind, taken, width(bundle, recipes, kind)?)));
        wide_alike(&self.path, bundle, made.collect::<Result<_, Error>>()?)
    }
}

/// Refuses a checkpoint that takes features of other widths (`own`) than the `bundle`'s configuration.
pub(super) fn same_widths(file: &Path, bundle: &Bundle, own: &Config, listed: &Config) -> Result<(), Error> {
    let (own, listed) = (own.widths, listed.widths);
    let widths = [
        (FeatureKind::Audio, own.audio, listed.audio),
        (FeatureKind::Text, own.text, listed.text),
        (FeatureKind::Video, own.video, listed.video),
    ];
    wide_alike(file, bundle, widths.into())
}

/// Compares the widths that a model takes with those that there are, by feature.
fn wide_alike(file: &Path, bundle: &Bundle, widths: Vec<(FeatureKind, usize, usize)>) -> Result<(), Error> {
    let differ = widths.into_iter().filter(|(_, taken, made)| taken != made);
    let told = differ.map(|(kind, taken, made)| {
        format!("it takes {} features {taken} wide, and the bundle's are {made} wide", kind.name())
    });
    let differences: Vec<String> = told.collect();
    if differences.is_empty() {
        return Ok(());
    }
    let (file, bundle) = (file.to_owned(), bundle.handle().to_owned());
    Err(checkpoint::Error::Widths { file, bundle, differences }.into())
}

impl Reading {
    /// What `checkpoint` is, in so far as nobody has said so.
    fn of(&self, checkpoint: &Checkpoint) -> RawConfig {
        let keys = keys(&Config::default());
        let names: Vec<String> = checkpoint.shapes().map(|(name, _)| keys.rename(name)).collect();
        let imagines = names.iter().any(|name| name.starts_with(IMAGINATION));
        let by_equation = names.iter().any(|name| name == EQUATION);
        let structure = if by_equation { MiaStructure::Equation } else { MiaStructure::ResidualAe };
        let raw = RawConfig {
            compat: self.compat.unwrap_or(Compat::Release),
            mia: Some(self.mia.unwrap_or(if imagines { Switch::On } else { Switch::Off })),
            mia_structure: structure,
            mia_residual: self.mia_residual,
            ..RawConfig::default()
        };
        raw.infer(checkpoint)
    }

    /// Refuses settings for a file that has its own.
    fn refuse(&self, path: &Path) -> Result<(), Error> {
        match self.given() {
            Some(name) => {
                let reason = format!("{} was trained by affekt and says so itself", path.display());
                Err(Error::Setting { name: name.into(), reason })
            }
            None => Ok(()),
        }
    }

    /// The first setting that is given, by the name of its flag.
    pub fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--compat", self.compat.is_some()),
            ("--mia", self.mia.is_some()),
            ("--mia-residual", self.mia_residual.is_some()),
        ];
        flags.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }
}

/// What the network of a trained checkpoint is built by.
pub(super) fn config(path: &Path, card: &Card, checkpoint: &Checkpoint) -> Result<Config, Error> {
    let settings = Settings::deserialize(&card.settings).map_err(|error| checkpoint::Error::Damaged {
        file: path.into(),
        reason: format!("the settings on its card are none of {FUSION}: {error}"),
    })?;
    Ok(settings.network().infer(checkpoint).resolve()?)
}

/// The settings that are there, as the method reads them.
fn settings(raw: &RawConfig) -> Value {
    let mut settings = serde_json::to_value(raw).expect("settings are plain data");
    if let Value::Object(members) = &mut settings {
        members.retain(|_, value| !value.is_null());
    }
    settings
}

/// Where a loaded fusion model comes from, and what it was trained on.
#[derive(Debug)]
pub struct Lineage {
    /// The file that was named in place of the bundle's own weights, and its SHA-256.
    pub named: Option<(PathBuf, Digest)>,
    /// What the weights say of themselves.
    pub card: Option<Card>,
    /// What a user should know of the features here, once they have been held against those of the training.
    compared: OnceLock<Option<&'static str>>,
}

impl Lineage {
    /// Of the bundle's own weights.
    pub(super) fn of_bundle(card: Option<Card>) -> Self {
        Self { named: None, card, compared: OnceLock::new() }
    }

    /// Of weights that were named.
    pub(crate) fn of_file(fusion: &Fusion) -> Self {
        let named = Some((fusion.path.clone(), fusion.digest()));
        Self { named, card: fusion.card.clone(), compared: OnceLock::new() }
    }

    /// Whether the model takes features of this kind: one that was trained without simulated text takes none.
    pub fn takes(&self, kind: FeatureKind) -> bool {
        self.card.as_ref().is_none_or(|card| card.takes(kind))
    }

    /// The rows of a feature, (rows, width), shifted and scaled as in the training, where they were.
    pub fn standardised(&self, kind: FeatureKind, rows: &Tensor) -> Result<Tensor, Error> {
        let standard = self.card.as_ref().and_then(|card| card.standards.get(&kind));
        Ok(standard.map_or_else(|| Ok(rows.clone()), |standard| standard.applied(rows))?)
    }

    /// What the weights were trained as, where they say so.
    pub fn run(&self) -> Option<String> {
        self.card.as_ref().map(Card::run)
    }

    /// Holds the features that are made here against those of the training, once: refuses others, and says what a user
    /// should know of the words.
    pub(super) fn compare(
        &self,
        bundle: &Bundle,
        specs: impl FnOnce() -> Result<Vec<FeatureSpec>, Error>,
    ) -> Result<Option<&'static str>, Error> {
        let Some(card) = &self.card else { return Ok(None) };
        if let Some(known) = self.compared.get() {
            return Ok(*known);
        }
        let mut specs = specs()?;
        if self.is_embedded(bundle) {
            faces_as_trained(&card.specs, &mut specs);
        }
        let file = match &self.named {
            Some((path, _)) => path.clone(),
            None => format!("{FUSION} of bundle {}", bundle.name()).into(),
        };
        same_recipes(&card.specs, &specs, Strictness::Made).map_err(|error| error.of(&file))?;
        Ok(*self.compared.get_or_init(|| other_words(&card.specs, &specs)))
    }

    /// That the model learnt from faces that were found otherwise than those of `specs`. Only the embedded bundle, which has
    /// to work with every detector that it lists, goes on with a warning; elsewhere [`Self::compare`] refuses.
    pub(super) fn other_faces(&self, bundle: &Bundle, specs: &[FeatureSpec]) -> Option<String> {
        let card = self.card.as_ref().filter(|_| self.is_embedded(bundle))?;
        let faces = |specs: &[FeatureSpec]| {
            let video = specs.iter().find(|spec| spec.kind == FeatureKind::Video)?;
            video.preprocessing.first().cloned()
        };
        let (learnt, here) = (faces(&card.specs)?, faces(specs)?);
        let bundle = bundle.name();
        (learnt != here)
            .then(|| format!("{FUSION} of bundle {bundle} learnt from faces that {learnt} found, and {here} finds them here"))
    }

    /// Whether the weights are part of the program.
    fn is_embedded(&self, bundle: &Bundle) -> bool {
        self.named.is_none() && bundle.folder().is_none()
    }

    /// Forgets what was compared: features are made otherwise from here on.
    pub(super) fn forget(&mut self) {
        self.compared = OnceLock::new();
    }

    /// What a user should know of the model itself.
    pub fn caution(&self) -> Option<String> {
        let (path, _) = self.named.as_ref().filter(|_| self.card.is_none())?;
        let path = path.display();
        Some(format!(
            "{path} does not say on which features it was trained: they could not be held against these"
        ))
    }
}

/// Leaves the way faces are found out of a comparison.
fn faces_as_trained(trained: &[FeatureSpec], specs: &mut [FeatureSpec]) {
    let is_video = |spec: &&FeatureSpec| spec.kind == FeatureKind::Video;
    let learnt = trained.iter().find(is_video);
    let here = specs.iter_mut().find(|spec| spec.kind == FeatureKind::Video);
    if let (Some(learnt), Some(here)) = (learnt, here) {
        here.preprocessing.clone_from(&learnt.preprocessing);
    }
}
