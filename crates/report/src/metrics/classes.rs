//! The seven classes of sentiment: who is taken for whom, and how large the error is at each label.

use serde::{Deserialize, Serialize};

use super::{Error, check};

/// The classes, from very negative to very positive; the index of a class is the class + 3.
pub const CLASSES: [i8; 7] = [-3, -2, -1, 0, 1, 2, 3];

/// The class of a finite value: clipped to `[-limit, limit]`, then rounded, halves to even (2.5 is 2, -1.5 is -2).
pub(super) fn class(value: f64, limit: i8) -> i8 {
    let limit = f64::from(limit);
    value.clamp(-limit, limit).round_ties_even() as i8
}

fn index(value: f64) -> usize {
    (class(value, 3) + 3) as usize
}

/// Samples by true and predicted class of 7; Acc-7 is the share on its diagonal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confusion {
    /// `counts[true][predicted]`, both in the order of [`CLASSES`].
    pub counts: [[usize; 7]; 7],
}

impl Confusion {
    /// Counts `predictions` against `labels`, one of each a sample; errors as [`super::Metrics::of`].
    pub fn of(predictions: &[f64], labels: &[f64]) -> Result<Self, Error> {
        check(predictions, labels)?;
        let mut counts = [[0; 7]; 7];
        for (prediction, label) in predictions.iter().zip(labels) {
            counts[index(*label)][index(*prediction)] += 1;
        }
        Ok(Self { counts })
    }

    /// All samples.
    pub fn samples(&self) -> usize {
        self.counts.iter().flatten().sum()
    }
}

/// The error by label.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByBin {
    /// One a class, in the order of [`CLASSES`].
    pub bins: [Bin; 7],
}

/// The samples whose label falls into one class of 7.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    /// The class, the middle of the bin: the label clipped to [-3, 3] and rounded, halves to even.
    pub class: i8,
    /// How many samples there are.
    pub samples: usize,
    /// Mean of `abs(prediction - label)`, unclipped; `None` without samples.
    pub mae: Option<f64>,
    /// Mean of `prediction - label`, unclipped: positive where predictions are too high; `None` without samples.
    pub bias: Option<f64>,
}

impl ByBin {
    /// The error of `predictions` by `labels`, one of each a sample; errors as [`super::Metrics::of`].
    pub fn of(predictions: &[f64], labels: &[f64]) -> Result<Self, Error> {
        check(predictions, labels)?;
        let mut sums = [(0_usize, 0.0, 0.0); 7];
        for (prediction, label) in predictions.iter().zip(labels) {
            let (samples, size, signed) = &mut sums[index(*label)];
            *samples += 1;
            *size += (prediction - label).abs();
            *signed += prediction - label;
        }
        let mut at = 0;
        Ok(Self {
            bins: CLASSES.map(|class| {
                let (samples, size, signed) = sums[at];
                at += 1;
                let mean = |sum: f64| (samples > 0).then(|| sum / samples as f64);
                Bin { class, samples, mae: mean(size), bias: mean(signed) }
            }),
        })
    }
}
