//! Rotary wavelengths that were stretched, so that a network reads longer texts than it was first trained on.

use std::f32::consts::TAU;

use serde::Deserialize;

use crate::BadConfig;

/// How the wavelengths were stretched.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    #[default]
    None,
    /// All of them `factor` times (Chen et al. 2023, position interpolation).
    Linear {
        /// How many times.
        factor: f64,
    },
    /// Those longer than the texts of the first training `factor` times, short ones not at all, and those between
    /// partly (Llama 3.1, as transformers' `rope_type` "llama3" computes it).
    Llama3 {
        /// How many times the longest ones are stretched.
        factor: f64,
        /// A wavelength of which less than this fits into a text is stretched fully.
        low: f64,
        /// A wavelength of which more than this fits is left alone.
        high: f64,
        /// Positions of those texts.
        trained: f64,
    },
}

/// How releases since 5.0 write the rotary embedding, and earlier ones its scaling.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RopeParameters {
    pub rope_theta: Option<f64>,
    #[serde(alias = "type")]
    rope_type: Option<String>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
}

impl RopeParameters {
    /// The scaling, where this states one.
    pub fn scaling(&self) -> Result<RopeScaling, BadConfig> {
        let positive = |number: Option<f64>| number.filter(|number| number.is_finite() && *number > 0.0);
        let factor = positive(self.factor);
        match self.rope_type.as_deref() {
            None | Some("none" | "default") => Ok(RopeScaling::None),
            Some("linear") => match factor {
                Some(factor) => Ok(RopeScaling::Linear { factor }),
                None => Err(BadConfig::RopeNumbers { rope_type: "linear", wanted: "a factor above 0" }),
            },
            Some("llama3") => {
                let numbers = (
                    factor,
                    positive(self.low_freq_factor),
                    positive(self.high_freq_factor),
                    positive(self.original_max_position_embeddings),
                );
                match numbers {
                    (Some(factor), Some(low), Some(high), Some(trained)) if low < high => {
                        Ok(RopeScaling::Llama3 { factor, low, high, trained })
                    }
                    _ => Err(BadConfig::RopeNumbers {
                        rope_type: "llama3",
                        wanted: "factor, original_max_position_embeddings and low_freq_factor above 0, and high_freq_factor above that",
                    }),
                }
            }
            Some(other) => Err(BadConfig::RopeScaling(other.into())),
        }
    }
}

impl RopeScaling {
    /// What becomes of an angular `frequency`.
    pub(crate) fn apply(self, frequency: f32) -> f32 {
        match self {
            Self::None => frequency,
            Self::Linear { factor } => frequency / factor as f32,
            Self::Llama3 { factor, low, high, trained } => {
                let (factor, low, high, trained) = (factor as f32, low as f32, high as f32, trained as f32);
                // How often the wavelength fits into a text.
                let fits = trained / (TAU / frequency);
                let kept = ((fits - low) / (high - low)).clamp(0.0, 1.0);
                (1.0 - kept) * frequency / factor + kept * frequency
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_wavelengths_are_stretched_and_short_ones_are_not() {
        let scaling = RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, trained: 8192.0 };
        let fitting = |times: f32| TAU * times / 8192.0;
        for (times, wanted) in [(0.9, 0.9 / 8.0), (4.1, 4.1), (2.5, (0.5 / 8.0 + 0.5) * 2.5)] {
            let got = scaling.apply(fitting(times));
            assert!((got / fitting(wanted) - 1.0).abs() < 1e-5, "{times}: {got}");
        }
        assert_eq!(RopeScaling::Linear { factor: 4.0 }.apply(1.0), 0.25);
    }
}
