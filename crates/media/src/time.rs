//! Exact arithmetic on timestamps: ticks of rational length, compared and subtracted without rounding.

use ffmpeg_next::Rational;

/// A point in time: `ticks` of `num / den` seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    ticks: i64,
    num: i64,
    den: i64,
}

impl Stamp {
    pub(crate) const ZERO: Self = Self { ticks: 0, num: 1, den: 1 };

    /// `ticks` of the time base `base`; a base that is no positive fraction counts seconds.
    pub(crate) fn new(ticks: i64, base: Rational) -> Self {
        let (num, den) = (i64::from(base.0), i64::from(base.1));
        if num > 0 && den > 0 { Self { ticks, num, den } } else { Self { ticks, num: 1, den: 1 } }
    }

    /// Seconds from `zero` to here, rounded once: equal times give equal numbers whatever the time base.
    pub(crate) fn seconds_since(self, zero: Self) -> f64 {
        let (numerator, denominator) = self.minus(zero);
        numerator as f64 / denominator as f64
    }

    /// Samples at `rate` from `zero` to here, rounded to the nearest.
    pub(crate) fn samples_since(self, zero: Self, rate: u32) -> i64 {
        let (numerator, denominator) = self.minus(zero);
        // Dividing first keeps the product inside i128 for any 64-bit timestamp.
        let (whole, rest) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
        let rate = i128::from(rate);
        let samples =
            whole.saturating_mul(rate).saturating_add((rest * rate + denominator / 2) / denominator);
        samples.clamp(i128::from(i64::MIN / 4), i128::from(i64::MAX / 4)) as i64
    }

    /// The difference as a fraction in lowest terms; the denominator is positive.
    fn minus(self, zero: Self) -> (i128, i128) {
        let wide = i128::from;
        let numerator = wide(self.ticks) * wide(self.num) * wide(zero.den)
            - wide(zero.ticks) * wide(zero.num) * wide(self.den);
        let denominator = wide(self.den) * wide(zero.den);
        let divisor = gcd(numerator.unsigned_abs(), denominator.unsigned_abs()).max(1) as i128;
        (numerator / divisor, denominator / divisor)
    }
}

/// The latest time that a timestamp is believed, in seconds from time zero: a damaged one must not stretch the recording
/// to fill all memory. `declared` is the duration by the header, `known` the time up to which all is well.
pub(crate) fn latest_credible(declared: Option<f64>, known: f64) -> f64 {
    const SLACK: f64 = 60.0;
    const LONGEST_GAP: f64 = 3_600.0;
    declared.unwrap_or(known).clamp(known, known + LONGEST_GAP) + SLACK
}

/// Greatest common divisor.
pub(crate) fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_are_equal_numbers_in_any_time_base() {
        let zero = Stamp::new(47_698, Rational(1, 90_000));
        let late = Stamp::new(48_598, Rational(1, 90_000));
        assert_eq!(late.seconds_since(zero), 0.01);
        assert_eq!(Stamp::new(12_800, Rational(1, 12_800)).seconds_since(Stamp::ZERO), 1.0);
        assert_eq!(Stamp::new(60_060, Rational(1, 30_000)).seconds_since(Stamp::ZERO), 2.002);
        assert_eq!(late.samples_since(zero, 48_000), 480);
    }

    #[test]
    fn damaged_timestamps_are_not_believed() {
        assert_eq!(latest_credible(Some(100.0), 2.0), 160.0);
        assert_eq!(latest_credible(Some(100.0), 200.0), 260.0);
        assert_eq!(latest_credible(Some(1e12), 2.0), 3_662.0);
        assert_eq!(latest_credible(None, 2.0), 62.0);
    }

    #[test]
    fn absurd_timestamps_stay_numbers() {
        let end = Stamp::new(i64::MAX, Rational(i32::MAX, 1));
        let start = Stamp::new(i64::MIN + 1, Rational(1, i32::MAX));
        assert!(end.seconds_since(start).is_finite());
        assert!(end.samples_since(start, 192_000) > 0);
        assert!(start.samples_since(end, 192_000) < 0);
    }
}
