//! Everything said about the training of a method, and about an evaluation. The JSON form of [`Training`] is `metrics.json`
//! of a run.
//!
//! | module | holds |
//! |---|---|
//! | [`evidence`] | [`Evidence`]: what was said of each clip, for tables and plots |
//! | [`file`](mod@file) | the files of a run's folder: names, [`Training::read`], [`Training::save`] |
//! | `table` | CSV: metrics, epochs, predictions |
//! | `settings` | settings as a flat list
//! | `text` | the metrics of a run as a block for people |
//! | `page` | one self-contained HTML page about a run |
//! | [`comparison`] | [`Comparison`]: several runs as a table, with deviations over seeds and paired tests |

pub mod comparison;
pub mod evidence;
pub mod file;
mod page;
mod settings;
mod table;
mod text;

use std::collections::BTreeMap;

use affekt_core::Digest;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::metrics::Metrics;
use crate::run::Spec;
pub use comparison::Comparison;
pub use evidence::Evidence;

/// What made a page, for its foot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Made {
    /// Program and version.
    pub program: String,
    /// The command that made it.
    pub command: String,
    /// When it was made, as it is to be shown.
    pub made: String,
}

/// A run: what was asked for, what it learnt from, how it went, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Version of affekt.
    pub affekt: String,
    /// Name of the method.
    pub method: String,
    /// Name of the run's configuration: that of its file, without extension.
    pub name: String,
    /// Seed of all randomness.
    pub seed: u64,
    /// When it began: RFC 3339, UTC.
    pub started: String,
    /// What the method ran on: `cpu`, `cuda:0`.
    pub device: String,
    /// Every setting with the value that counted.
    pub config: Value,
    /// The clips.
    pub data: Data,
    /// Numbers in the method's parameters.
    pub parameters: usize,
    /// What it is judged by, in the order of reports: `complete`, `text-missing`.
    pub flows: Vec<String>,
    /// Every epoch.
    pub epochs: Vec<Epoch>,
    /// Which epoch's parameters were kept, and by which rule.
    pub chosen: Chosen,
    /// What the kept parameters reach, a split and flow each.
    pub results: Vec<Outcome>,
    /// Wall time.
    pub seconds: Times,
    /// Largest resident memory in bytes; `None` where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
    /// What is doubtful though it went well.
    pub warnings: Vec<String>,
}

/// What a run learnt from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// The table of labels, as it was named.
    pub labels: String,
    /// Digest of that table.
    pub labels_digest: Digest,
    /// The column of the split.
    pub split_column: String,
    /// The recipe of each feature.
    pub features: Vec<Spec>,
    /// What each split has: `train`, `valid`, `test`.
    pub splits: BTreeMap<String, SplitFacts>,
    /// Clips that a rule left out, by name, with the rule.
    pub left_out: Vec<LeftOut>,
}

/// The clips of one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitFacts {
    /// How many.
    pub clips: usize,
    /// Clips without a feature, by feature: they count as absent.
    pub absent: BTreeMap<String, usize>,
    /// Mean of the labels.
    pub label_mean: f64,
    /// Standard deviation of the labels (n - 1); 0 for a single clip.
    pub label_deviation: f64,
    /// Least label.
    pub label_least: f64,
    /// Greatest label.
    pub label_greatest: f64,
    /// Digest of the clips' names and labels: two runs with the same digest were judged on the same data.
    pub digest: Digest,
}

/// A clip that a rule left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name.
    pub clip: String,
    /// Its split.
    pub split: String,
    /// Why.
    pub reason: String,
}

/// One epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Phase of the method, by name.
    pub phase: String,
    /// Number in its phase, from 1.
    pub epoch: usize,
    /// Learning rate.
    pub rate: f64,
    /// Mean of each loss over the batches, by update (where the phase has several, `UPDATE.TERM`) and term; `total` first.
    /// NaN where it was not finite: `null` in JSON.
    #[serde(deserialize_with = "losses")]
    pub losses: Vec<(String, f64)>,
    /// Largest norm of the gradient in the epoch, before clipping; `None` where it was not asked for.
    pub gradient_norm: Option<f64>,
    /// Metrics on the validation split, a flow each; empty where there is none.
    pub valid: Vec<Outcome>,
    /// Wall time in seconds: the whole epoch, and the part in which training waited for data.
    pub seconds: Times,
}

/// Where time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// In all.
    pub total: f64,
    /// Forward and backward passes, updates.
    pub compute: f64,
    /// Waiting for batches.
    pub waiting: f64,
}

/// Metrics of one flow on one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// `train`, `valid`, `test`.
    pub split: String,
    /// The flow.
    pub flow: String,
    /// What it reaches.
    pub metrics: Metrics,
}

/// Which parameters were kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// Phase, by name.
    pub phase: String,
    /// Epoch in its phase, from 1.
    pub epoch: usize,
    /// The rule, as a sentence without its full stop: `lowest mean validation MAE of complete and text-missing`.
    pub rule: String,
    /// What the rule saw there; `None` for a rule that looks at nothing, such as `the last epoch`.
    pub value: Option<f64>,
}

/// What JSON cannot say as a number comes back as NaN.
fn losses<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, f64)>, D::Error> {
    let read = Vec::<(String, Option<f64>)>::deserialize(from)?;
    Ok(read.into_iter().map(|(term, value)| (term, value.unwrap_or(f64::NAN))).collect())
}

impl Epoch {
    /// The loss of this name; `None` where the epoch has none.
    pub fn loss(&self, term: &str) -> Option<f64> {
        self.losses.iter().find(|(name, _)| name == term).map(|(_, value)| *value)
    }

    /// Metrics of `flow` on the validation split.
    pub fn validated(&self, flow: &str) -> Option<&Metrics> {
        self.valid.iter().find(|outcome| outcome.flow == flow).map(|outcome| &outcome.metrics)
    }
}

impl Training {
    /// The outcome of `flow` on `split`.
    pub fn outcome(&self, split: &str, flow: &str) -> Option<&Outcome> {
        self.results.iter().find(|outcome| outcome.split == split && outcome.flow == flow)
    }

    /// The names of all losses, in the order in which they first occur.
    pub fn terms(&self) -> Vec<&str> {
        let mut terms = Vec::new();
        for (term, _) in self.epochs.iter().flat_map(|epoch| &epoch.losses) {
            if !terms.contains(&term.as_str()) {
                terms.push(term.as_str());
            }
        }
        terms
    }

    /// The splits that there are results of: the one that counts first (`test`, `valid`, `train`, then any other).
    pub fn judged_splits(&self) -> Vec<&str> {
        let mut splits: Vec<&str> = Vec::new();
        for outcome in &self.results {
            if !splits.contains(&outcome.split.as_str()) {
                splits.push(&outcome.split);
            }
        }
        const ORDER: [&str; 3] = ["test", "valid", "train"];
        splits.sort_by_key(|split| ORDER.iter().position(|name| name == split).unwrap_or(ORDER.len()));
        splits
    }
}
