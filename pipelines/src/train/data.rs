//! Clips with labels from a cache, as batches.
//!
//! | module | holds |
//! |---|---|
//! | `stores` | which store of the cache each feature is read from |
//! | `clips` | labels and stores to samples; which clips are left out |
//! | `batching` | [`Batching`]: which clips go together |
//! | `assemble` | [`Corpus::batch`]: from the shards' memory to a padded batch |
//! | [`standard`] | [`Standard`]: the training split's mean and deviation of each column |
//! | `feed` | [`feed()`]: batches made in the background |
//! | `facts` | [`Corpus::facts`]: what a run learns from, for its report |
//! | [`error`] | [`Error`] |

mod assemble;
mod batching;
mod clips;
pub mod error;
mod facts;
mod feed;
pub mod standard;
mod stores;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use affekt_cache::Store;
use affekt_core::{ClipId, Digest, FeatureKind, FeatureSpec};
use affekt_report::training::LeftOut;
use serde::{Deserialize, Serialize};

use crate::dataset::{self, Labels, Split};
pub use batching::Batching;
pub use error::{Error, Missing};
pub use feed::{Fed, feed};
pub use standard::{Standard, Standards};

/// Where clips and labels lie.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Folder of the cache.
    pub cache: &'a Path,
    /// For features that the cache holds by several recipes: the beginning of the digest of the one that is meant, or all of
    /// it.
    pub recipes: &'a BTreeMap<FeatureKind, String>,
    /// Table of labels.
    pub labels: &'a Path,
    /// Its column of splits; `split` or `mode` by default.
    pub split_column: Option<&'a str>,
}

/// Which clips are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Training clips with more rows of a feature than this are left out.
    pub longest: BTreeMap<FeatureKind, usize>,
    /// What happens to clips that lack a feature.
    pub incomplete: Incomplete,
    /// Clips of other splits do not matter, and may lack anything; all count where none is named.
    pub splits: Vec<Split>,
}

/// What happens to clips that lack a feature because it failed or was never made. A feature that is absent by nature (no
/// face, no transcript) is not lacking: its clip is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Incomplete {
    /// There is no run.
    #[default]
    Refuse,
    /// They are left out, and reported.
    LeaveOut,
}

/// A clip that can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its name.
    pub id: ClipId,
    /// Valence, -3 to 3.
    pub label: f64,
    /// Rows of each feature; 0 where it is absent.
    pub rows: BTreeMap<FeatureKind, usize>,
    /// Numbers in all of its features: what it costs to compute with.
    pub numbers: usize,
}

/// The clips of a dataset, in shards that are mapped into memory.
pub struct Corpus {
    stores: Vec<(FeatureKind, Store)>,
    samples: BTreeMap<Split, Vec<Sample>>,
    left_out: Vec<LeftOut>,
    warnings: Vec<String>,
    standards: Standards,
    labels: PathBuf,
    labels_digest: Digest,
    split_column: String,
}

impl Corpus {
    /// Finds the features `kinds` of the clips that the table puts into a split. Reads headers of shards only. Clips that a
    /// rule leaves out, and those of which every feature is absent, are [`Self::left_out`].
    ///
    /// # Errors
    /// Of the table, before the cache is looked at: [`Error::Dataset`] (labels that are no numbers or outside [-3, 3], clips
    /// named twice), [`Error::NoSplits`]. Of the cache: [`Error::Cache`], [`Error::NoFeature`], [`Error::Recipes`]. Of both:
    /// [`Error::Strangers`], [`Error::Incomplete`].
    pub fn open(source: &Source, kinds: &[FeatureKind], rules: &Rules) -> Result<Self, Error> {
        let labels = Labels::read_with(source.labels, source.split_column)?.trainable()?;
        if !labels.has_splits {
            return Err(Error::NoSplits { labels: labels.path, candidates: labels.split_columns });
        }
        let stores = stores::open(source.cache, kinds, source.recipes)?;
        let clips::Sorted { samples, left_out, warnings } =
            clips::sort(source.cache, &stores, &labels, rules)?;
        Ok(Self {
            stores,
            samples,
            left_out,
            warnings,
            standards: Standards::new(),
            labels_digest: digest(source.labels)?,
            split_column: source.split_column.map_or_else(|| usual_column(&labels), ToOwned::to_owned),
            labels: labels.path,
        })
    }

    /// The recipes of `kinds` that the cache holds, before any clip is looked at.
    ///
    /// # Errors
    /// Those of the cache in [`Self::open`].
    pub fn recipes(source: &Source, kinds: &[FeatureKind]) -> Result<Vec<FeatureSpec>, Error> {
        let stores = stores::open(source.cache, kinds, source.recipes)?;
        Ok(stores.into_iter().map(|(_, store)| store.spec().clone()).collect())
    }

    /// Insists on clips in each of `splits`, and on more than one to learn from.
    ///
    /// # Errors
    /// [`Error::EmptySplit`], [`Error::OneSample`].
    pub fn require(&self, splits: &[Split]) -> Result<(), Error> {
        for &split in splits {
            match self.split(split) {
                [] => return Err(self.empty(split)),
                [Sample { id, .. }] if split == Split::Train => {
                    return Err(Error::OneSample { clip: id.clone(), labels: self.labels.clone() });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn empty(&self, split: Split) -> Error {
        let found = self.samples.iter().map(|(split, samples)| (*split, samples.len()));
        Error::EmptySplit {
            split,
            labels: self.labels.clone(),
            column: self.split_column.clone(),
            found: found.collect(),
            left_out: self.left_out.iter().filter(|clip| clip.split == split.name()).count(),
        }
    }

    /// The recipe of each feature, in the order in which they were asked for.
    pub fn specs(&self) -> Vec<FeatureSpec> {
        self.stores.iter().map(|(_, store)| store.spec().clone()).collect()
    }

    /// Numbers a row, of each feature.
    pub fn widths(&self) -> BTreeMap<FeatureKind, usize> {
        self.stores.iter().map(|(kind, store)| (*kind, store.spec().width)).collect()
    }

    /// The clips of a split, by name.
    pub fn split(&self, split: Split) -> &[Sample] {
        self.samples.get(&split).map_or(&[], Vec::as_slice)
    }

    /// Clips of a split that cannot be used, or that a rule leaves out, with the reason.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// What is doubtful though it can be used, a sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// The column of splits that is taken where none is named; it is known that there is one.
fn usual_column(labels: &Labels) -> String {
    let mut columns = labels.split_columns.iter();
    columns
        .find(|column| column.eq_ignore_ascii_case("split"))
        .map_or_else(|| "mode".to_owned(), Clone::clone)
}

fn digest(path: &Path) -> Result<Digest, Error> {
    let read = File::open(path).and_then(Digest::of_reader);
    let (digest, _) = read.map_err(|error| dataset::Error::Unreadable {
        path: path.into(),
        reason: format!("it cannot be read: {error}"),
        absent: false,
    })?;
    Ok(digest)
}
