//! What a run leaves for others: its weights, and with them a card that says what they are.
//!
//! A checkpoint is a safetensors file. Its tensors have the names of the method's parameters; its metadata has one member,
//! `affekt`, an object (JSON) of two texts: `card`, the [`Card`] as JSON, and `format`, the version of its form.
//!
//! | module | holds |
//! |---|---|
//! | `notes` | the card in the metadata of a file |
//! | `recipes` | [`same_recipes`]: features here against those of the training, difference by difference |
//! | `error` | [`Error`] |

mod error;
mod notes;
mod recipes;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use affekt_core::{FeatureKind, FeatureSpec};
use affekt_report::training::{Chosen, Outcome, SplitFacts};
use affekt_weights::Checkpoint;
use affekt_weights::tensors::{read_noted, write_noted};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::data::Standards;

pub use error::Error;
pub use recipes::{Difference, Strictness, other_words, same_recipes};

/// Name of the checkpoint in the folder of a run.
pub const FILE: &str = "checkpoint.safetensors";

/// What there is to know of a checkpoint's weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Version of affekt that trained them.
    pub affekt: String,
    /// Name of the method.
    pub method: String,
    /// Name of the run's configuration.
    pub name: String,
    /// Seed of all randomness.
    pub seed: u64,
    /// The run's whole resolved configuration.
    pub config: Value,
    /// The method's settings, in the form in which [`affekt_train::Registration::prepare`] reads them.
    pub settings: Value,
    /// How each feature was made that the method takes.
    pub specs: Vec<FeatureSpec>,
    /// What features were shifted and scaled by before the method took them.
    #[serde(default)]
    pub standards: Standards,
    /// What each split of the training had; means and deviations of the labels among it.
    pub labels: BTreeMap<String, SplitFacts>,
    /// Which epoch's parameters they are, and why.
    pub chosen: Chosen,
    /// What they reach, a split and flow each.
    pub results: Vec<Outcome>,
    /// Numbers in the method's parameters.
    pub parameters: usize,
}

impl Card {
    /// Whether the method takes features of this kind.
    pub fn takes(&self, kind: FeatureKind) -> bool {
        self.specs.iter().any(|spec| spec.kind == kind)
    }

    /// The run in a few words.
    pub fn run(&self) -> String {
        format!("{} {}, seed {}, by affekt {}", self.method, self.name, self.seed, self.affekt)
    }
}

/// A checkpoint that was read.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The file.
    pub path: PathBuf,
    /// Its card.
    pub card: Card,
    /// Every parameter by its name, on the CPU.
    pub values: BTreeMap<String, Tensor>,
}

impl Saved {
    /// Refuses weights of another method than `method`.
    ///
    /// # Errors
    /// [`Error::Method`].
    pub fn expect_method(&self, method: &str) -> Result<(), Error> {
        expect_method(&self.path, &self.card, method)
    }

    /// Refuses the features `here` where they are not made as those of the training.
    ///
    /// # Errors
    /// [`Error::Recipes`], with this file's name.
    pub fn takes(&self, here: &[FeatureSpec], how: Strictness) -> Result<(), Error> {
        same_recipes(&self.card.specs, here, how).map_err(|error| error.of(&self.path))
    }
}

/// Refuses a card of another method than `method`. `file` is what the error names.
///
/// # Errors
/// [`Error::Method`].
pub fn expect_method(file: &Path, card: &Card, method: &str) -> Result<(), Error> {
    if card.method == method {
        return Ok(());
    }
    let (found, wanted) = (card.method.clone(), method.to_owned());
    Err(Error::Method { file: file.into(), found, wanted })
}

/// Writes a checkpoint by way of a temporary name: the file at `path` is whole, synced, or as before. The same card and
/// values give the same bytes.
///
/// # Errors
/// That it cannot be written.
pub fn save(path: &Path, card: &Card, values: &BTreeMap<String, Tensor>) -> Result<(), Error> {
    Ok(write_noted(path, values, &notes::seal(card))?)
}

/// Reads the checkpoint at `path`: the folder of a run, or a file.
///
/// # Errors
/// [`Error::NotThere`] for a folder without a checkpoint; [`Error::NoCard`] for weights that do not say what they are;
/// [`Error::Newer`], [`Error::Damaged`]; those of reading weights.
pub fn open(path: &Path) -> Result<Saved, Error> {
    let path = file(path)?;
    // First as any weights: a file that holds none says so best.
    Checkpoint::open(&path)?;
    let Some(card) = card(&path)? else { return Err(Error::NoCard { file: path }) };
    let (values, _) = read_noted(&path).map_err(|error| match error {
        affekt_weights::Error::Malformed { reason, .. } => Error::Damaged { file: path.clone(), reason },
        error => error.into(),
    })?;
    Ok(Saved { path, card, values })
}

/// The card of the weights in the file at `path`; `None` where they have none.
///
/// # Errors
/// [`Error::Newer`], [`Error::Damaged`]; that the file cannot be read.
pub fn card(path: &Path) -> Result<Option<Card>, Error> {
    notes::unseal(path)
}

/// The card of weights that are part of the program: the safetensors file in `bytes`, which messages call `name`.
///
/// # Errors
/// As [`card`].
pub fn card_in(name: &str, bytes: &[u8]) -> Result<Option<Card>, Error> {
    notes::unseal_in(name, bytes)
}

/// The checkpoint that `path` means: the one in it where it is the folder of a run, else itself.
///
/// # Errors
/// [`Error::NotThere`] for a folder without a checkpoint, and where there is nothing at all.
pub fn file(path: &Path) -> Result<PathBuf, Error> {
    if !path.is_dir() {
        return Ok(path.into());
    }
    let file = path.join(FILE);
    if file.is_file() { Ok(file) } else { Err(Error::NotThere { folder: path.into() }) }
}
