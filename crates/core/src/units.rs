//! Units that are easy to confuse when they are bare numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A time or a duration in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub f64);

impl Seconds {
    /// The start of a recording.
    pub const ZERO: Self = Self(0.0);

    /// Rounded to the microsecond: finer digits stem from arithmetic, not from a container's clock.
    pub fn rounded(self) -> Self {
        Self((self.0 * 1e6).round() / 1e6)
    }

    /// Samples from time zero to this time at `rate`, rounded to the nearest; never below zero.
    pub fn to_samples(self, rate: SampleRate) -> usize {
        (self.0 * f64::from(rate.0)).round().max(0.0) as usize
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.0)
    }
}

/// Samples of one channel a second, in hertz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SampleRate(pub u32);

impl SampleRate {
    /// What every speech encoder here hears.
    pub const SPEECH: Self = Self(16_000);

    /// Duration of `samples` samples.
    pub fn seconds(self, samples: usize) -> Seconds {
        Seconds(samples as f64 / f64::from(self.0))
    }
}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_samples_round_trip() {
        let rate = SampleRate::SPEECH;
        assert_eq!(Seconds(1.5).to_samples(rate), 24_000);
        assert_eq!(rate.seconds(24_000), Seconds(1.5));
        assert_eq!(Seconds(-1.0).to_samples(rate), 0);
    }
}
