//! What is done to the waveform before the network.

use std::fmt;
use std::str::FromStr;

use affekt_core::{ErrorKind, Explain};
use affekt_nn::lengths::Lengths;
use candle_core::{Result, Tensor};

use crate::lengths;

/// How a clip is brought to zero mean and unit variance, over its true length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Normalize {
    /// Not at all.
    None,
    /// `(x - mean) / sqrt(var + 1e-7)`, as the feature extractor of transformers does.
    #[default]
    Hf,
    /// Layer norm over the clip, `(x - mean) / sqrt(var + 1e-5)`, as SLAM-LLM does.
    Slam,
}

/// A text that names no [`Normalize`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no normalisation of the waveform: use none, hf or slam")]
pub struct UnknownNormalize(String);

impl Explain for UnknownNormalize {
    fn kind(&self) -> ErrorKind {
        ErrorKind::BadConfig
    }

    fn hint(&self) -> Option<String> {
        None
    }
}

impl FromStr for Normalize {
    type Err = UnknownNormalize;
    fn from_str(text: &str) -> std::result::Result<Self, UnknownNormalize> {
        match text {
            "none" => Ok(Self::None),
            "hf" => Ok(Self::Hf),
            "slam" => Ok(Self::Slam),
            other => Err(UnknownNormalize(other.to_owned())),
        }
    }
}

impl fmt::Display for Normalize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Hf => "hf",
            Self::Slam => "slam",
        })
    }
}

/// Normalises each clip of a batch (b, n) over its true length in samples (all of it where `lengths` is `None`); what
/// lies behind becomes zero, except with [`Normalize::None`].
///
/// # Errors
/// A candle error where the lengths do not fit the batch.
pub fn normalize(waveform: &Tensor, how: Normalize, lengths: Option<&[usize]>) -> Result<Tensor> {
    let lengths = lengths::resolve(waveform, lengths)?;
    let eps = match how {
        Normalize::None => return Ok(waveform.clone()),
        Normalize::Hf => 1e-7,
        Normalize::Slam => 1e-5,
    };
    Lengths::new(&lengths, waveform.device()).standardise(waveform, eps)
}
