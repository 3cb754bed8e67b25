//! How good predictions of sentiment are, by the definitions that the field compares by.
//!
//! Definitions follow MMSA's `metricsTop` and MulT's `eval_metrics`. Labels run from -3 to 3; predictions are as the network
//! gives them. Both binary accuracies are always computed and always named, because papers use either and seldom say
//! which.
//!
//! | metric | definition |
//! |---|---|
//! | `mae` | mean of `abs(prediction - label)`, unclipped |
//! | `corr` | Pearson's, unclipped; undefined where a side is constant |
//! | `acc7`, `acc5` | both clipped to [-3, 3] or [-2, 2] and rounded, halves to even; the share of equal ones |
//! | `acc2_has0`, `f1_has0` | negative against non-negative: `prediction >= 0` against `label >= 0`; all samples |
//! | `acc2_non0`, `f1_non0` | negative against positive: `prediction > 0` against `label > 0`; labels of exactly 0 left out |
//!
//! F1 is scikit-learn's `weighted`: of each class, weighted by how often it is the true one. Accuracies and F1 are
//! fractions from 0 to 1.
//!
//! | module | holds |
//! |---|---|
//! | `named` | [`Metric`]: names, titles and what undefined means; [`Entry`], [`Metrics::entries`], [`Metrics::summary`] |
//! | `binary` | accuracy and F1 of two classes |
//! | `pearson` | the correlation, and when there is none |
//! | `classes` | [`Confusion`] of 7 classes, [`ByBin`]: the error by label |
//! | `gap` | [`Gap`] between two flows |
//! | `spread` | [`Spread`] over seeds |
//! | `paired` | [`paired()`]: two methods over the same seeds |
//! | `student` | the Student-t distribution's two tails |
//! | `wilcoxon` | the exact signed-rank test |

mod binary;
mod classes;
mod gap;
mod named;
mod paired;
mod pearson;
mod spread;
mod student;
mod wilcoxon;

use affekt_core::{ErrorKind, Explain};
use serde::{Deserialize, Serialize};

pub use classes::{Bin, ByBin, CLASSES, Confusion};
pub use gap::Gap;
pub use named::{Entry, Metric};
pub use paired::{Paired, TTest, Untested, Wilcoxon, paired, paired_defined};
pub use spread::Spread;

use binary::Binary;
use pearson::pearson;

/// Every metric of one set of predictions.
///
/// `None` is undefined, in JSON `null`; [`Metric::undefined`] says why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Samples that all metrics but those named `non0` use.
    pub samples: usize,
    /// Samples whose label is not exactly 0: those that the metrics named `non0` use.
    pub non0_samples: usize,
    /// Mean absolute error, unclipped, in units of the label.
    pub mae: f64,
    /// Pearson's correlation, unclipped, from -1 to 1; `None` where the predictions or the labels are constant.
    pub corr: Option<f64>,
    /// Share of samples in their class of 7 (-3 to 3).
    pub acc7: f64,
    /// Share of samples in their class of 5 (-2 to 2).
    pub acc5: f64,
    /// Accuracy of negative against non-negative, all samples.
    pub acc2_has0: f64,
    /// Weighted F1 of negative against non-negative, all samples.
    pub f1_has0: f64,
    /// Accuracy of negative against positive, labels of exactly 0 left out; `None` where every label is 0.
    pub acc2_non0: Option<f64>,
    /// Weighted F1 of negative against positive, labels of exactly 0 left out; `None` where every label is 0.
    pub f1_non0: Option<f64>,
}

impl Metrics {
    /// The metrics of `predictions` against `labels`, one of each a sample.
    ///
    /// # Errors
    /// Where there are more of the one than of the other, where there are none, and where a value is not a number, or not
    /// one that single precision can hold.
    pub fn of(predictions: &[f64], labels: &[f64]) -> Result<Self, Error> {
        check(predictions, labels)?;
        let pairs = || predictions.iter().copied().zip(labels.iter().copied());
        let samples = labels.len() as f64;
        let share = |limit| {
            pairs().filter(|&(p, l)| classes::class(p, limit) == classes::class(l, limit)).count() as f64
                / samples
        };
        let has0: Binary = pairs().map(|(p, l)| (p >= 0.0, l >= 0.0)).collect();
        let non0: Binary = pairs().filter(|&(_, l)| l != 0.0).map(|(p, l)| (p > 0.0, l > 0.0)).collect();
        Ok(Self {
            samples: labels.len(),
            non0_samples: non0.samples(),
            mae: pairs().map(|(p, l)| (p - l).abs()).sum::<f64>() / samples,
            corr: pearson(predictions, labels),
            acc7: share(3),
            acc5: share(2),
            acc2_has0: has0.accuracy(),
            f1_has0: has0.weighted_f1(),
            acc2_non0: (non0.samples() > 0).then(|| non0.accuracy()),
            f1_non0: (non0.samples() > 0).then(|| non0.weighted_f1()),
        })
    }
}

/// Which of the two lists a value stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What the network says; the first list.
    Prediction,
    /// What is true; the second list.
    Label,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Prediction => "prediction",
            Self::Label => "label",
        })
    }
}

/// Values that have no metrics.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// Not one prediction a label.
    #[error("{predictions} predictions cannot be held against {labels} labels")]
    Lengths {
        /// How many predictions there are.
        predictions: usize,
        /// How many labels there are.
        labels: usize,
    },
    /// Nothing to measure.
    #[error("there are no samples, so there are no metrics")]
    NoSamples,
    /// A value that is NaN, infinite, or too large for single precision.
    #[error("the {side} at index {index} is {value}, which is not a finite single-precision number")]
    NotFinite {
        /// Prediction or label.
        side: Side,
        /// Its place, from 0.
        index: usize,
        /// What stands there.
        value: f64,
    },
    /// Two lists of results that are not pairs.
    #[error("{a} results and {b} results cannot be compared in pairs")]
    Unpaired {
        /// How many results the first has.
        a: usize,
        /// How many results the second has.
        b: usize,
    },
    /// A result that is NaN or infinite.
    #[error("result {index} of the {} list is {value}, which is not a finite number", if *.first { "first" } else { "second" })]
    ResultNotFinite {
        /// Whether it stands in the first list.
        first: bool,
        /// Its place, from 0.
        index: usize,
        /// What stands there.
        value: f64,
    },
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFinite { side: Side::Prediction, .. } => ErrorKind::BadModel,
            Self::NotFinite { side: Side::Label, .. } | Self::NoSamples => ErrorKind::BadDataset,
            Self::Lengths { .. } | Self::Unpaired { .. } | Self::ResultNotFinite { .. } => {
                ErrorKind::BadInput
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Lengths { .. } => "give one prediction for each label, in the same order",
                Self::NoSamples => "choose a split that has clips with labels",
                Self::NotFinite { side: Side::Prediction, .. } => {
                    "the network diverged or its weights are damaged: train with a lower rate or with gradient clipping"
                }
                Self::NotFinite { side: Side::Label, .. } => "correct this label in the table of labels",
                Self::Unpaired { .. } => "compare runs of the same seeds",
                Self::ResultNotFinite { .. } => "leave out the run that has no result, in both lists",
            }
            .into(),
        )
    }
}

/// Refuses values that have no metrics.
fn check(predictions: &[f64], labels: &[f64]) -> Result<(), Error> {
    if predictions.len() != labels.len() {
        return Err(Error::Lengths { predictions: predictions.len(), labels: labels.len() });
    }
    if labels.is_empty() {
        return Err(Error::NoSamples);
    }
    for (side, values) in [(Side::Prediction, predictions), (Side::Label, labels)] {
        // Networks speak single precision; within it, no sum and no square below can overflow.
        if let Some(index) = values.iter().position(|value| !(*value as f32).is_finite()) {
            return Err(Error::NotFinite { side, index, value: values[index] });
        }
    }
    Ok(())
}
