//! Mono audio.

use crate::{SampleRate, Seconds};

/// Mono samples, full scale at -1 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Waveform {
    /// The samples in time order.
    pub samples: Vec<f32>,
    /// Samples a second.
    pub rate: SampleRate,
}

impl Waveform {
    /// Digital silence and dither stay below this peak (about -80 dBFS); speech, even faint, does not.
    pub const SILENCE_PEAK: f32 = 1e-4;

    /// Duration.
    pub fn duration(&self) -> Seconds {
        self.rate.seconds(self.samples.len())
    }

    /// Largest magnitude; 0 for no samples.
    pub fn peak(&self) -> f32 {
        self.samples.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
    }

    /// Whether nothing is to be heard: no sample reaches [`Self::SILENCE_PEAK`].
    pub fn is_silent(&self) -> bool {
        self.peak() < Self::SILENCE_PEAK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_judged_by_the_peak() {
        let wave = |value| Waveform { samples: vec![0.0, value], rate: SampleRate::SPEECH };
        assert!(wave(0.0).is_silent());
        assert!(wave(-5e-5).is_silent());
        assert!(!wave(-0.01).is_silent());
    }
}
