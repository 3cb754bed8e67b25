//! What can be wrong with settings and inputs.

use affekt_core::{ErrorKind, Explain, Modality};

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
    #[error("{} features are {got} wide, but the network takes {wanted}", modality.name())]
    Width {
        /// Which.
        modality: Modality,
        /// Width of the features.
        got: usize,
        /// Width that the network was built for.
        wanted: usize,
    },
    /// Modalities of different batch size.
    #[error("the batch has {audio} audio, {text} text and {video} video sequences")]
    Batch {
        /// Audio sequences.
        audio: usize,
        /// Text sequences.
        text: usize,
        /// Video sequences.
        video: usize,
    },
    /// The tensor library's word.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Word { .. } | Self::Config(_) => ErrorKind::BadConfig,
            Self::Sequence(_) | Self::Width { .. } | Self::Batch { .. } => ErrorKind::BadInput,
            Self::Tensor(_) => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Width { .. } => Some(
                "the features were made by other encoders than those that the checkpoint was trained with"
                    .into(),
            ),
            _ => None,
        }
    }
}
