//! Two methods over the same seeds: is the difference more than chance?

use serde::{Deserialize, Serialize};

use super::spread::mean;
use super::student::two_tails;
use super::wilcoxon::{LARGEST, signed_rank};
use super::{Error, Spread};

/// What the same metric of two methods, in pairs of one seed each, says about their difference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paired {
    /// Pairs that both have a value.
    pub pairs: usize,
    /// Pairs in which one or both are undefined; left out.
    pub undefined: usize,
    /// Mean of first - second; `None` without pairs.
    pub mean_difference: Option<f64>,
    /// Student's test; `None` where there is none, and `no_t_test` says why.
    pub t_test: Option<TTest>,
    /// Why there is no t-test.
    pub no_t_test: Option<Untested>,
    /// Wilcoxon's test; `None` where there is none, and `no_wilcoxon` says why.
    pub wilcoxon: Option<Wilcoxon>,
    /// Why there is no signed-rank test.
    pub no_wilcoxon: Option<Untested>,
}

/// Student's paired test, two-sided, as SciPy's `ttest_rel`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TTest {
    /// Mean of the differences over its standard error.
    pub t: f64,
    /// Degrees of freedom: pairs - 1.
    pub df: usize,
    /// The probability of a t at least as large in size where the methods do not differ.
    pub p: f64,
}

/// Wilcoxon's signed-rank test, two-sided, as SciPy's `wilcoxon(method="exact")`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wilcoxon {
    /// The smaller of the sums of ranks of positive and of negative differences.
    pub w: f64,
    /// Differences that are not 0: those that were ranked.
    pub ranked: usize,
    /// The probability of a w at most as large where the methods do not differ. It is never below 2 / 2^ranked: 0.0625 with
    /// five. Exact where all sizes differ, an approximation where some are equal.
    pub p: f64,
}

/// Why there is no test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Untested {
    /// A spread needs two pairs.
    #[error("fewer than two pairs")]
    TooFew,
    /// All differences are alike within rounding, so that nothing is known of their spread.
    #[error("all differences are equal")]
    AllEqual,
    /// There is nothing to rank.
    #[error("all differences are zero")]
    AllZero,
    /// The exact test counts through all signs.
    #[error("more than 25 differences")]
    TooMany,
}

/// Compares `a` with `b`, results of one metric; equal indices are equal seeds. Differences are `a - b`.
///
/// # Errors
/// Where there are more of the one than of the other, and where a result is NaN or infinite.
pub fn paired(a: &[f64], b: &[f64]) -> Result<Paired, Error> {
    if a.len() != b.len() {
        return Err(Error::Unpaired { a: a.len(), b: b.len() });
    }
    for (first, values) in [(true, a), (false, b)] {
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::ResultNotFinite { first, index, value: values[index] });
        }
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let size = a.iter().chain(b).fold(0.0, |top: f64, value| top.max(value.abs()));
    let (t_test, no_t_test) = either(t_test(&differences, size));
    let (wilcoxon, no_wilcoxon) = either(wilcoxon(&differences));
    let mean_difference = (!differences.is_empty()).then(|| mean(&differences));
    let pairs = differences.len();
    Ok(Paired { pairs, undefined: 0, mean_difference, t_test, no_t_test, wilcoxon, no_wilcoxon })
}

/// [`paired()`] of results that some runs may not have: a pair with one that is undefined is left out and counted.
pub fn paired_defined(a: &[Option<f64>], b: &[Option<f64>]) -> Result<Paired, Error> {
    if a.len() != b.len() {
        return Err(Error::Unpaired { a: a.len(), b: b.len() });
    }
    let (first, second): (Vec<f64>, Vec<f64>) = a.iter().zip(b).filter_map(|(a, b)| a.zip(*b)).unzip();
    let undefined = a.len() - first.len();
    Ok(Paired { undefined, ..paired(&first, &second)? })
}

fn either<T>(tested: Result<T, Untested>) -> (Option<T>, Option<Untested>) {
    match tested {
        Ok(test) => (Some(test), None),
        Err(reason) => (None, Some(reason)),
    }
}

/// `size` is that of the largest result.
fn t_test(differences: &[f64], size: f64) -> Result<TTest, Untested> {
    let spread = Spread::of(differences);
    let (Some(mean), Some(sd), Some(min), Some(max)) = (spread.mean, spread.sd, spread.min, spread.max)
    else {
        return Err(Untested::TooFew);
    };
    // What differences of decimal numbers that are equal on paper may differ by.
    if max - min <= 4.0 * f64::EPSILON * size {
        return Err(Untested::AllEqual);
    }
    let t = mean / (sd / (spread.n as f64).sqrt());
    let df = spread.n - 1;
    Ok(TTest { t, df, p: two_tails(t, df) })
}

fn wilcoxon(differences: &[f64]) -> Result<Wilcoxon, Untested> {
    if differences.len() < 2 {
        return Err(Untested::TooFew);
    }
    let ranked: Vec<f64> = differences.iter().copied().filter(|difference| *difference != 0.0).collect();
    match ranked.len() {
        0 => Err(Untested::AllZero),
        n if n > LARGEST => Err(Untested::TooMany),
        n => {
            let (w, p) = signed_rank(&ranked);
            Ok(Wilcoxon { w, ranked: n, p })
        }
    }
}
