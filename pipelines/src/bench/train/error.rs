//! Why nothing could be measured.

use affekt_core::{ErrorKind, Explain};

/// Errors of the measurement.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of the method.
    #[error(transparent)]
    Method(#[from] affekt_train::Error),
    /// Of what the machine can do.
    #[error(transparent)]
    Reach(#[from] super::super::simulate::Error),
    /// Of the tensor library.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// What was measured is no training.
    #[error("the loss of a drawn batch is {loss}")]
    NotFinite {
        /// The loss.
        loss: f32,
    },
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Method(error) => error.kind(),
            Self::Reach(error) => error.kind(),
            Self::Tensor(_) | Self::NotFinite { .. } => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Method(error) => error.hint(),
            Self::Reach(error) => error.hint(),
            Self::Tensor(_) => None,
            Self::NotFinite { .. } => {
                Some("this is a fault in affekt: report it with the machine and the command".into())
            }
        }
    }
}
