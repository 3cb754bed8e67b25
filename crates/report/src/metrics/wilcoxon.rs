//! The exact signed-rank test.

/// More differences are not counted through.
pub(super) const LARGEST: usize = 25;

/// Sum of ranks and two-sided p of 1 to [`LARGEST`] differences, none of which is 0, as SciPy's
/// `wilcoxon(method="exact")` has them: differences of one size share the mean of their ranks, and a sum that this makes
/// fractional is rounded towards the middle, since the distribution is that of ranks without ties.
pub(super) fn signed_rank(differences: &[f64]) -> (f64, f64) {
    let n = differences.len();
    let total = n * (n + 1) / 2;
    let positive = positive_ranks(differences);
    let counts = subsets(n);
    let all: f64 = counts.iter().sum();
    let below: f64 = counts[..=positive.ceil() as usize].iter().sum();
    let above: f64 = counts[positive.floor() as usize..].iter().sum();
    let p = (2.0 * below.min(above) / all).min(1.0);
    (positive.min(total as f64 - positive), p)
}

/// The sum of the ranks of positive differences, by size from 1.
fn positive_ranks(differences: &[f64]) -> f64 {
    let rank = |size: f64| {
        let smaller = differences.iter().filter(|other| other.abs() < size).count();
        let equal = differences.iter().filter(|other| other.abs() == size).count();
        smaller as f64 + (equal + 1) as f64 / 2.0
    };
    differences.iter().filter(|difference| **difference > 0.0).map(|difference| rank(*difference)).sum()
}

/// How many subsets of the ranks 1 to `n` have each sum.
fn subsets(n: usize) -> Vec<f64> {
    let mut counts = vec![0.0; n * (n + 1) / 2 + 1];
    counts[0] = 1.0;
    for rank in 1..=n {
        for sum in (rank..counts.len()).rev() {
            counts[sum] += counts[sum - rank];
        }
    }
    counts
}
