//! Why nothing could be measured.

use affekt_core::{ClipId, ErrorKind, Explain};

/// Errors of the measurement.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of the networks.
    #[error(transparent)]
    Networks(#[from] crate::Error),
    /// Of the cache that voices come from.
    #[error(transparent)]
    Cache(Box<crate::batch::Error>),
    /// There is nothing to measure.
    #[error("there is nothing to measure: {reason}")]
    Nothing {
        /// Why.
        reason: String,
    },
    /// A clip's text depends on the clips beside it.
    #[error(
        "{clip} has another text with {} in flight than with {}: tokens {:?} against {:?}",
        in_flight[1], in_flight[0], texts[1], texts[0]
    )]
    Differs {
        /// The clip.
        clip: ClipId,
        /// How many were in flight, first and then.
        in_flight: [usize; 2],
        /// The tokens of its text, first and then.
        texts: Box<[Vec<u32>; 2]>,
    },
    /// The states of a transcript depend on the transcripts beside it.
    #[error("the words of {clip} are read otherwise beside others than alone: by {difference}")]
    ReadOtherwise {
        /// The clip.
        clip: ClipId,
        /// Largest difference of a hidden state.
        difference: f32,
    },
}

impl From<crate::batch::Error> for Error {
    fn from(error: crate::batch::Error) -> Self {
        Self::Cache(error.into())
    }
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Networks(error.into())
    }
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Networks(error) => error.kind(),
            Self::Cache(error) => error.kind(),
            Self::Nothing { .. } => ErrorKind::BadDataset,
            Self::Differs { .. } | Self::ReadOtherwise { .. } => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Networks(error) => return error.hint(),
            Self::Cache(error) => return error.hint(),
            Self::Nothing { .. } => {
                "name a cache that has speech by this bundle, or leave --cache out to measure on drawn voices"
                    .into()
            }
            Self::Differs { .. } | Self::ReadOtherwise { .. } => {
                "this is a fault in affekt: report it with the bundle and the command".into()
            }
        })
    }
}
