//! What can be wrong with settings and images.

use affekt_core::{ErrorKind, Explain};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A word that names no variant.
    #[error("{0:?} is no variant: choose sdumc or upstream")]
    Variant(String),
    /// A base width that cannot be divided into chunks and reduced channels.
    #[error("the width of a MANet is a positive multiple of 4, not {0}")]
    Width(usize),
    /// A tensor that is no batch of images.
    #[error(
        "images have the shape {0:?}, wanted (batch, 3, side, side) with a side that is a multiple of 32"
    )]
    Images(Vec<usize>),
    /// The tensor library's word.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Variant(_) | Self::Width(_) => ErrorKind::BadConfig,
            Self::Images(_) => ErrorKind::BadInput,
            Self::Tensor(_) => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Images(_) => {
                Some("the published weights take RGB faces of 224 x 224, values 0 to 1".into())
            }
            _ => None,
        }
    }
}
