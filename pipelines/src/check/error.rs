//! Why something could not be checked.

use std::path::PathBuf;

use affekt_core::{ErrorKind, Explain};

/// Errors of a check.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No reference tensors where they should be.
    #[error("{path}: there are no reference tensors (NETWORK/tests/golden)", path = path.display())]
    NoGoldens {
        /// The folder.
        path: PathBuf,
    },
    /// A reference file that is not as it should be.
    #[error("{path}: {reason}", path = path.display())]
    Golden {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Of the stages.
    #[error(transparent)]
    Flow(Box<crate::Error>),
    /// Of training.
    #[error(transparent)]
    Train(#[from] affekt_train::Error),
    /// Something went well that should not have.
    #[error("{0}")]
    Unnoticed(String),
}

// Everything that a flow's error can be made of.
impl<E> From<E> for Error
where
    crate::Error: From<E>,
{
    fn from(error: E) -> Self {
        Self::Flow(Box::new(error.into()))
    }
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoGoldens { .. } => ErrorKind::NotFound,
            Self::Golden { .. } => ErrorKind::Unreadable,
            Self::Flow(error) => error.kind(),
            Self::Train(error) => error.kind(),
            Self::Unnoticed(_) => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoGoldens { .. } => {
                Some("name the folder `models` of affekt's sources with --goldens".into())
            }
            Self::Golden { .. } => Some("make it anew with `cargo xtask goldens`".into()),
            Self::Flow(error) => error.hint(),
            Self::Train(error) => error.hint(),
            Self::Unnoticed(_) => None,
        }
    }
}
