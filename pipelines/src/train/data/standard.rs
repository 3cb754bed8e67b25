//! Features whose columns have mean 0 and deviation 1 over the rows that are learnt from.

use std::collections::BTreeMap;

use affekt_cache::Store;
use affekt_core::FeatureKind;
use candle_core::Tensor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Corpus, Error, Sample, assemble};
use crate::dataset::Split;

/// Clips that are summed up one after the other. It is no setting, and not a share of the threads: sums of the same clips
/// must be the same numbers on every machine.
const CHUNK: usize = 64;

/// A column whose deviation is not above this share of its mean is constant but for rounding.
const CONSTANT: f64 = 1e-6;

/// A standard for each feature that has one.
pub type Standards = BTreeMap<FeatureKind, Standard>;

/// What the columns of a feature are shifted and scaled by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standard {
    /// Mean of each column.
    pub mean: Vec<f32>,
    /// Standard deviation of each column, over all rows (not rows - 1); 1 for a column that is constant.
    pub deviation: Vec<f32>,
}

impl Standard {
    /// Whether it is for rows of `width` finite numbers, and stays finite with them.
    pub fn fits(&self, width: usize) -> bool {
        let Self { mean, deviation } = self;
        mean.len() == width
            && deviation.len() == width
            && mean.iter().all(|mean| mean.is_finite())
            && deviation.iter().all(|deviation| deviation.is_normal() && *deviation > 0.0)
    }

    /// Standardises the rows of one clip in place: (rows, width), one after the other.
    pub fn apply(&self, rows: &mut [f32]) {
        for row in rows.chunks_exact_mut(self.mean.len()) {
            for ((number, mean), deviation) in row.iter_mut().zip(&self.mean).zip(&self.deviation) {
                *number = (*number - mean) / deviation;
            }
        }
    }

    /// As [`Self::apply`], of rows on a device, in f32: the same numbers.
    ///
    /// # Errors
    /// Those of the device; rows of another width.
    pub fn applied(&self, rows: &Tensor) -> candle_core::Result<Tensor> {
        let row = |numbers: &[f32]| Tensor::new(numbers, rows.device()); // (width)
        rows.broadcast_sub(&row(&self.mean)?)?.broadcast_div(&row(&self.deviation)?) // (rows, width)
    }
}

impl Corpus {
    /// From here on the batches of every split have those of the features `kinds` that there are standardised: by mean and
    /// deviation of each column over all rows of the training split. Each feature has its own, also where a method takes
    /// two of them by one input (text and simulated text). Reads these features of all training clips once.
    ///
    /// # Errors
    /// [`Error::NotFinite`] and [`Error::Mismatch`], naming clip and feature.
    pub fn standardise(&mut self, kinds: &[FeatureKind]) -> Result<(), Error> {
        let mut standards = Standards::new();
        for (kind, store) in self.stores.iter().filter(|(kind, _)| kinds.contains(kind)) {
            let found = moments(*kind, store, self.split(Split::Train))?;
            if found.rows == 0 {
                let name = kind.name();
                self.warnings
                    .push(format!("data.standardise changes no {name} feature: no training clip has one"));
            }
            standards.insert(*kind, found.standard());
        }
        self.set_standards(standards);
        Ok(())
    }

    /// From here on batches are standardised by these, as found in a training; each must fit ([`Standard::fits`]) the width
    /// of its feature.
    pub fn set_standards(&mut self, standards: Standards) {
        self.standards = standards;
    }

    /// What batches are standardised by.
    pub fn standards(&self) -> &Standards {
        &self.standards
    }
}

/// Of all rows of a feature, the clips in their order.
fn moments(kind: FeatureKind, store: &Store, samples: &[Sample]) -> Result<Moments, Error> {
    let width = store.spec().width;
    let of_chunk = |samples: &[Sample]| {
        let (mut all, mut numbers) = (Moments::none(width), Vec::new());
        for sample in samples.iter().filter(|sample| sample.rows[&kind] > 0) {
            numbers.resize(sample.rows[&kind] * width, 0.0);
            assemble::read(kind, store, sample, &mut numbers)?;
            all.join(&Moments::of(&numbers, width));
        }
        Ok(all)
    };
    // The first clip that cannot be read is the one that is told, whichever thread finds one first.
    let chunks: Vec<Result<Moments, Error>> = samples.par_chunks(CHUNK).map(of_chunk).collect();
    chunks.into_iter().try_fold(Moments::none(width), |mut all, chunk| {
        all.join(&chunk?);
        Ok(all)
    })
}

/// Rows, with mean and sum of squared distances from it of each column.
#[derive(Debug)]
struct Moments {
    rows: usize,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn none(width: usize) -> Self {
        Self { rows: 0, mean: vec![0.0; width], squares: vec![0.0; width] }
    }

    /// Of (rows, width) numbers in memory: first the means, then the distances from them.
    fn of(numbers: &[f32], width: usize) -> Self {
        let Self { mut mean, mut squares, .. } = Self::none(width);
        for row in numbers.chunks_exact(width) {
            mean.iter_mut().zip(row).for_each(|(sum, number)| *sum += f64::from(*number));
        }
        let rows = numbers.len() / width;
        mean.iter_mut().for_each(|sum| *sum /= rows as f64);
        for row in numbers.chunks_exact(width) {
            for ((sum, mean), number) in squares.iter_mut().zip(&mean).zip(row) {
                *sum += (f64::from(*number) - mean).powi(2);
            }
        }
        Self { rows, mean, squares }
    }

    /// Takes other rows in (Chan, Golub and LeVeque 1983, equation 1.5): no large sums that cancel out.
    fn join(&mut self, other: &Self) {
        if other.rows == 0 {
            return;
        }
        let before = self.rows as f64;
        self.rows += other.rows;
        let share = other.rows as f64 / self.rows as f64;
        let ours = self.mean.iter_mut().zip(&mut self.squares);
        for ((mean, squares), (its_mean, its_squares)) in ours.zip(other.mean.iter().zip(&other.squares)) {
            let apart = its_mean - *mean;
            *mean += apart * share;
            *squares += its_squares + apart * apart * before * share;
        }
    }

    fn standard(self) -> Standard {
        let deviation = self.squares.iter().zip(&self.mean).map(|(squares, mean)| {
            let deviation = (squares / self.rows.max(1) as f64).sqrt();
            let varies = deviation > CONSTANT * mean.abs() && (deviation as f32).is_normal();
            if varies { deviation as f32 } else { 1.0 }
        });
        Standard { deviation: deviation.collect(), mean: self.mean.iter().map(|mean| *mean as f32).collect() }
    }
}
