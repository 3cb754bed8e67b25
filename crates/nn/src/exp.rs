//! e^x in a form that the compiler turns into vector instructions.

use crate::vectorised::vectorised;
use std::f32::consts::LOG2_E;

/// Below it the result is 0: the true one is under 1.7e-38 and soon no normal number any more.
const LOWEST: f32 = -87.0;
/// Above it the result is infinity: the true one is over 2.2e38.
const HIGHEST: f32 = 88.3;
/// 1.5 * 2^23: adding it leaves an f32 without fraction, its low bits the integer.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts, the first exact in 11 bits, so that n times it is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// e^x, within 2 units in the last place; NaN for NaN, infinity above 88.3, 0 below -87.
///
/// Meant for loops inside `pulp::Arch::dispatch`: it has no branch and calls nothing. The polynomial is the Taylor
/// series on |r| <= ln 2 / 2, whose rest after the seventh power is below 2^-24.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let inside = if x > HIGHEST { HIGHEST } else { x };
    let inside = if inside < LOWEST { LOWEST } else { inside };
    let shifted = inside * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (inside - n * LN2_HIGH) - n * LN2_LOW;
    let p = 1.0 / 5040.0;
    let p = p * r + 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = (p * r * r + r) + 1.0;
    let power = f32::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23);
    let e = if x < LOWEST { 0.0 } else { p * power };
    if x > HIGHEST { f32::INFINITY } else { e }
}

/// Numbers side by side in a vector loop; sums of several lanes do not wait for each other.
pub(crate) const LANES: usize = 16;

/// The largest number of `row`. A NaN is not greater than anything: it falls out here, and comes back through a sum.
#[inline(always)]
pub(crate) fn largest(row: &[f32]) -> f32 {
    let mut tops = [f32::NEG_INFINITY; LANES];
    let mut blocks = row.chunks_exact(LANES);
    for block in &mut blocks {
        for lane in 0..LANES {
            tops[lane] = if block[lane] > tops[lane] { block[lane] } else { tops[lane] };
        }
    }
    tops.iter().chain(blocks.remainder()).fold(f32::NEG_INFINITY, |top, &x| top.max(x))
}

/// The largest number of `row` and the logarithm of the sum of e^(x - largest): log-softmax of x is their difference,
/// (x - largest) - logarithm. The logarithm is not finite where a number is NaN or infinity, or none is finite.
pub fn log_sum_exp(row: &[f32]) -> (f32, f32) {
    /// Vector loops sum so many numbers in lanes of f32; the rest of the sum is in f64.
    const PART: usize = 1024;
    vectorised(
        #[inline(always)]
        || {
            let top = largest(row);
            let mut sum = 0f64;
            for part in row.chunks(PART) {
                let mut sums = [0f32; LANES];
                let mut blocks = part.chunks_exact(LANES);
                for block in &mut blocks {
                    for lane in 0..LANES {
                        sums[lane] += exp(block[lane] - top);
                    }
                }
                let rest = blocks.remainder().iter().map(|x| exp(x - top));
                sum += sums.into_iter().chain(rest).map(f64::from).sum::<f64>();
            }
            (top, sum.ln() as f32)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_e_to_the_x() {
        for at in -87_000..=88_300 {
            let x = at as f32 / 1000.0;
            let (got, want) = (exp(x), f64::from(x).exp());
            let error = (f64::from(got) - want).abs() / want;
            assert!(error < 2.4e-7, "e^{x} is {want}, got {got}: {error:.1e}");
        }
        assert_eq!((exp(0.0), exp(f32::MIN), exp(f32::NEG_INFINITY)), (1.0, 0.0, 0.0));
        assert!(exp(f32::NAN).is_nan());
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
    }

    #[test]
    fn sums_of_many_numbers_are_exact_and_nan_is_not_lost() {
        let row: Vec<f32> = (0..5003).map(|at| (at as f32 * 0.7).sin() * 9.0 + 100.0).collect();
        let (top, log) = log_sum_exp(&row);
        assert_eq!(top, row.iter().copied().fold(f32::MIN, f32::max));
        let want = row.iter().map(|&x| f64::from(x - top).exp()).sum::<f64>().ln();
        assert!((f64::from(log) - want).abs() < 1e-6, "{log} {want}");
        for bad in [f32::NAN, f32::INFINITY] {
            for at in [0, 17, 5002] {
                let mut row = row.clone();
                row[at] = bad;
                assert!(!log_sum_exp(&row).1.is_finite(), "{bad} at {at}");
            }
        }
        assert!(!log_sum_exp(&[f32::NEG_INFINITY; 3]).1.is_finite());
    }
}
