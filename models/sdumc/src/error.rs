//! What can be wrong with settings and inputs.

use affekt_core::{ErrorKind, Explain};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A word that names no setting.
    #[error("{got:?} is no {setting}: choose {choices}")]
    Word {
        /// The setting.
        setting: &'static str,
        /// What was given.
        got: String,
        /// What there is.
        choices: &'static str,
    },
    /// Sizes or settings that do not go together.
    #[error("this SDUMC configuration cannot be: {0}")]
    Config(String),
    /// A sequence that is not (b, t, width) with at least one row, or lengths that do not fit it.
    #[error("a feature sequence cannot be: {0}")]
    Sequence(String),
    /// Features of another width than the network's.
    #[error("{feature} features are {got} wide, but the network takes {wanted}")]
    Width {
        /// Which.
        feature: &'static str,
        /// Width of the features.
        got: usize,
        /// Width that the network was built for.
        wanted: usize,
    },
    /// Modalities of different batch size.
    #[error("the batch has {audio} audio, but {got} {feature} sequences")]
    Batch {
        /// Audio sequences.
        audio: usize,
        /// The feature of which there is another number.
        feature: &'static str,
        /// That number.
        got: usize,
    },
    /// Labels that training cannot follow.
    #[error("the labels cannot be: {0}")]
    Labels(String),
    /// The tensor library's word.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Word { .. } | Self::Config(_) => ErrorKind::BadConfig,
            Self::Sequence(_) | Self::Width { .. } | Self::Batch { .. } | Self::Labels(_) => {
                ErrorKind::BadInput
            }
            Self::Tensor(_) => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Width { .. } => Some(
                "the features were made by other encoders than those that the network is for, or its settings \
                 (widths) are wrong"
                    .into(),
            ),
            _ => None,
        }
    }
}
