//! One metric over several seeds.

use serde::{Deserialize, Serialize};

/// Mean and deviation of a metric over runs that differ in their seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Runs that have a value: those that all else is of.
    pub n: usize,
    /// Runs whose value is undefined; left out.
    pub undefined: usize,
    /// `None` where no run has a value.
    pub mean: Option<f64>,
    /// Sample standard deviation, over n - 1; `None` below two values.
    pub sd: Option<f64>,
    /// The smallest value.
    pub min: Option<f64>,
    /// The largest value.
    pub max: Option<f64>,
}

impl Spread {
    /// Of values that all runs have. One that is NaN or infinite counts as undefined.
    pub fn of(values: &[f64]) -> Self {
        Self::of_defined(values.iter().copied().map(Some))
    }

    /// Of values that some runs may not have.
    pub fn of_defined(values: impl IntoIterator<Item = Option<f64>>) -> Self {
        let (mut undefined, mut found) = (0, Vec::new());
        for value in values {
            match value.filter(|value| value.is_finite()) {
                Some(value) => found.push(value),
                None => undefined += 1,
            }
        }
        let n = found.len();
        let mean = (n > 0).then(|| mean(&found));
        let sd = mean.filter(|_| n > 1).map(|mean| {
            (found.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1) as f64).sqrt()
        });
        Self {
            n,
            undefined,
            mean,
            sd,
            min: found.iter().copied().reduce(f64::min),
            max: found.iter().copied().reduce(f64::max),
        }
    }
}

/// The mean of at least one value. The first is the origin, so that equal values have exactly that mean, and no deviation.
pub(super) fn mean(values: &[f64]) -> f64 {
    let origin = values[0];
    origin + values.iter().map(|value| value - origin).sum::<f64>() / values.len() as f64
}
