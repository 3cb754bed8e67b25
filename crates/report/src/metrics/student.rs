//! The Student-t distribution's two tails.
//!
//! Code of our own, since degrees of freedom are whole numbers here: the beta function is then a short product, no gamma
//! function is needed, and all that is left of the incomplete beta function is one continued fraction.

use std::f64::consts::PI;

/// The probability of a t at least as far from 0 as this one: `I_x(df / 2, 1 / 2)` at `x = df / (df + t^2)`, the regularised
/// incomplete beta function (Abramowitz and Stegun, 26.7.1 and 26.5.27).
pub(super) fn two_tails(t: f64, df: usize) -> f64 {
    let a = df as f64 / 2.0;
    let ratio = t * t / df as f64;
    let (x, y) = (1.0 / (1.0 + ratio), ratio / (1.0 + ratio));
    // x^a * y^(1/2) / B(a, 1/2), by the logarithm of 1 + ratio: x is next to 1 for many degrees of freedom.
    let front = (-a * ratio.ln_1p()).exp() * y.sqrt() / beta(df);
    // On either side of the distribution's middle, the fraction that converges fast.
    if x < (a + 1.0) / (a + 2.5) {
        front / (a * fraction(a, 0.5, x))
    } else {
        1.0 - front / (0.5 * fraction(0.5, a, y))
    }
}

/// `B(df / 2, 1 / 2)`, by `B(a + 1, b) = B(a, b) * a / (a + b)` from `B(1/2, 1/2) = pi` or `B(1, 1/2) = 2`.
fn beta(df: usize) -> f64 {
    let (first, start) = if df % 2 == 1 { (1, PI) } else { (2, 2.0) };
    (first..df).step_by(2).fold(start, |beta, twice| beta * twice as f64 / (twice + 1) as f64)
}

/// The continued fraction of the incomplete beta function (Abramowitz and Stegun, 26.5.8), without its front. It needs terms
/// in the order of the root of the larger parameter.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let terms = 60 + (6.0 * a.max(b).sqrt()) as usize;
    (1..=terms).rev().fold(1.0, |tail, term| {
        let m = (term / 2) as f64;
        let step = if term % 2 == 0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        1.0 + step / tail
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::two_tails;

    #[derive(Deserialize)]
    struct Golden {
        tails: Vec<(f64, usize, f64)>,
    }

    #[test]
    fn tails_are_those_of_scipy() {
        let golden = include_str!("../../tests/golden/metrics_paired.json");
        let golden: Golden = serde_json::from_str(golden).unwrap();
        assert!(golden.tails.len() > 200);
        for (t, df, want) in golden.tails {
            let got = two_tails(t, df);
            assert!((got - want).abs() <= 1e-10 * want, "t {t}, {df} degrees: {got:e}, not {want:e}");
        }
    }
}
