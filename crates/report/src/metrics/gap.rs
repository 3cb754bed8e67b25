//! What it costs that the text is missing.

use serde::{Deserialize, Serialize};

use super::Metrics;

/// Absolute differences between two flows, such as the complete and the text-missing one, on the same samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// Of the mean absolute error.
    pub mae: f64,
    /// Of the accuracy of negative against non-negative, all samples.
    pub acc2_has0: f64,
    /// Of the accuracy of negative against positive; `None` where it is undefined in either flow.
    pub acc2_non0: Option<f64>,
}

impl Gap {
    /// The gap between two flows; it does not tell which is the better one.
    pub fn between(complete: &Metrics, missing: &Metrics) -> Self {
        let non0 = complete.acc2_non0.zip(missing.acc2_non0);
        Self {
            mae: (complete.mae - missing.mae).abs(),
            acc2_has0: (complete.acc2_has0 - missing.acc2_has0).abs(),
            acc2_non0: non0.map(|(complete, missing)| (complete - missing).abs()),
        }
    }
}
