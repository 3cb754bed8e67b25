//! Accuracy and F1 of two classes.

/// Samples by predicted and true class.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Binary {
    /// `counts[true][predicted]`; index 1 is the upper class.
    counts: [[usize; 2]; 2],
}

impl FromIterator<(bool, bool)> for Binary {
    /// Of pairs (predicted, true).
    fn from_iter<I: IntoIterator<Item = (bool, bool)>>(pairs: I) -> Self {
        let mut binary = Self::default();
        for (predicted, truth) in pairs {
            binary.counts[usize::from(truth)][usize::from(predicted)] += 1;
        }
        binary
    }
}

impl Binary {
    pub(super) fn samples(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    pub(super) fn accuracy(&self) -> f64 {
        (self.counts[0][0] + self.counts[1][1]) as f64 / self.samples() as f64
    }

    /// scikit-learn's `f1_score(average="weighted")`. A class that is never the true one has no weight; one that is never
    /// predicted has an F1 of 0, as with `zero_division` at its default.
    pub(super) fn weighted_f1(&self) -> f64 {
        let part = |class: usize| {
            let hits = self.counts[class][class] as f64;
            let truth = self.counts[class].iter().sum::<usize>() as f64;
            let predicted = (self.counts[0][class] + self.counts[1][class]) as f64;
            // Without a true sample the weight is 0, and the quotient may be 0 / 0.
            if truth == 0.0 { 0.0 } else { truth * 2.0 * hits / (truth + predicted) }
        };
        (part(0) + part(1)) / self.samples() as f64
    }
}
