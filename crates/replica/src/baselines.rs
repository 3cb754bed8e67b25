//! What is to be beaten: a constant, and a ridge regression on a bag of words. Both learn from the training split, the
//! ridge's penalty is chosen on the validation split, both are judged on the test split.

use std::collections::{BTreeMap, BTreeSet};

use affekt_report::metrics::{self, Metrics};
use nalgebra::{DMatrix, DVector};

use crate::script::{Clip, Script};
use crate::split::Split;

/// Penalties that are tried.
const PENALTIES: [f64; 7] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];

/// Both, on the test split.
pub struct Baselines {
    /// Clips that they were judged on.
    pub clips: usize,
    /// The median of the training labels: of all constants, the one with the lowest mean absolute error there.
    pub constant: Metrics,
    /// The bag of words.
    pub bag_of_words: Metrics,
    /// The penalty that was chosen.
    pub penalty: f64,
    /// Words of the training split, which are the columns.
    pub words: usize,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A split is too small.
    #[error("the {} split has {clips} clips: baselines need at least 2 in each; ask for more clips", split.name())]
    TooFew {
        /// Which.
        split: Split,
        /// How many there are.
        clips: usize,
    },
    /// A metric that cannot be computed.
    #[error(transparent)]
    Metrics(#[from] metrics::Error),
}

/// Fits and judges both.
///
/// # Errors
///
/// See [`Error`].
pub fn of(script: &Script) -> Result<Baselines, Error> {
    let part = |split| -> Result<Vec<&Clip>, Error> {
        let clips: Vec<_> = script.clips.iter().filter(|clip| clip.split == split).collect();
        if clips.len() < 2 { Err(Error::TooFew { split, clips: clips.len() }) } else { Ok(clips) }
    };
    let [train, valid, test] = [part(Split::Train)?, part(Split::Valid)?, part(Split::Test)?];
    let labels = |clips: &[&Clip]| clips.iter().map(|clip| clip.label).collect::<Vec<_>>();
    let bag = Bag::of(&train);
    let mut best: Option<(f64, f64, Ridge)> = None;
    for penalty in PENALTIES {
        let ridge = Ridge::fit(&bag.matrix(&train), &labels(&train), penalty);
        let error = absolute(&ridge.predict(&bag.matrix(&valid)), &labels(&valid));
        if best.as_ref().is_none_or(|(least, ..)| error < *least) {
            best = Some((error, penalty, ridge));
        }
    }
    let (_, penalty, ridge) = best.expect("at least one penalty was tried");
    let constant = vec![median(labels(&train)); test.len()];
    Ok(Baselines {
        clips: test.len(),
        constant: Metrics::of(&constant, &labels(&test))?,
        bag_of_words: Metrics::of(&ridge.predict(&bag.matrix(&test)), &labels(&test))?,
        penalty,
        words: bag.columns.len(),
    })
}

/// A column a word.
struct Bag {
    columns: BTreeMap<String, usize>,
}

impl Bag {
    fn of(clips: &[&Clip]) -> Self {
        let words: BTreeSet<String> = clips.iter().flat_map(|clip| words(&clip.text)).collect();
        Self { columns: words.into_iter().enumerate().map(|(column, word)| (word, column)).collect() }
    }

    /// How often each word stands in each clip: (clips, words). Words that training has not seen count nothing.
    fn matrix(&self, clips: &[&Clip]) -> DMatrix<f64> {
        let mut counts = DMatrix::zeros(clips.len(), self.columns.len());
        for (row, clip) in clips.iter().enumerate() {
            for column in words(&clip.text).filter_map(|word| self.columns.get(&word)) {
                counts[(row, *column)] += 1.0;
            }
        }
        counts
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// Linear, with an intercept that is not penalised.
struct Ridge {
    means: DVector<f64>,
    weights: DVector<f64>,
    intercept: f64,
}

impl Ridge {
    fn fit(rows: &DMatrix<f64>, labels: &[f64], penalty: f64) -> Self {
        let means = rows.row_mean().transpose();
        let intercept = labels.iter().sum::<f64>() / labels.len() as f64;
        let mut centred = rows.clone();
        for mut row in centred.row_iter_mut() {
            row -= means.transpose();
        }
        let wanted = DVector::from_iterator(labels.len(), labels.iter().map(|label| label - intercept));
        let mut normal = centred.tr_mul(&centred);
        for word in 0..normal.nrows() {
            normal[(word, word)] += penalty;
        }
        let factor = normal.cholesky().expect("a positive penalty makes it positive definite");
        Self { means, weights: factor.solve(&centred.tr_mul(&wanted)), intercept }
    }

    fn predict(&self, rows: &DMatrix<f64>) -> Vec<f64> {
        let offset = self.intercept - self.means.dot(&self.weights);
        (rows * &self.weights).iter().map(|valence| valence + offset).collect()
    }
}

fn absolute(predictions: &[f64], labels: &[f64]) -> f64 {
    predictions.iter().zip(labels).map(|(a, b)| (a - b).abs()).sum::<f64>() / labels.len() as f64
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let half = numbers.len() / 2;
    if numbers.len() % 2 == 1 { numbers[half] } else { (numbers[half - 1] + numbers[half]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Order;

    #[test]
    fn the_ridge_finds_what_a_line_says_and_leaves_the_intercept_alone() {
        let rows = DMatrix::from_row_slice(4, 2, &[0.0, 1.0, 1.0, 0.0, 2.0, 1.0, 3.0, 3.0]);
        let labels: Vec<f64> = rows.row_iter().map(|row| 5.0 + 2.0 * row[0] - row[1]).collect();
        assert!(absolute(&Ridge::fit(&rows, &labels, 1e-9).predict(&rows), &labels) < 1e-6);
        let flat = Ridge::fit(&rows, &labels, 1e12).predict(&rows);
        let mean = labels.iter().sum::<f64>() / 4.0;
        assert!(flat.iter().all(|valence| (valence - mean).abs() < 1e-6), "{flat:?}");
    }

    #[test]
    fn words_help_and_too_few_clips_are_an_error() {
        let order = Order { clips: 400, seed: 1, split: None, clips_a_video: None };
        let found = of(&Script::draw(order).unwrap()).unwrap();
        assert!(
            found.bag_of_words.mae < found.constant.mae,
            "{} {}",
            found.bag_of_words.mae,
            found.constant.mae
        );
        let error = of(&Script::draw(Order { clips: 3, ..order }).unwrap()).err().unwrap().to_string();
        assert!(error.contains("at least 2"), "{error}");
    }
}
