//! Why a stage could not be measured.

use affekt_core::{ErrorKind, Explain};

/// Errors of the measurement.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of the stages.
    #[error(transparent)]
    Flow(Box<crate::Error>),
    /// Of a step of training.
    #[error(transparent)]
    Step(#[from] super::super::train::Error),
    /// Of the method under training.
    #[error(transparent)]
    Method(#[from] affekt_train::Error),
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

impl Error {
    /// Whether a card had no memory left for what was asked of it.
    pub fn is_out_of_memory(&self) -> bool {
        use super::super::train;
        match self {
            Self::Flow(error) => error.is_out_of_memory(),
            Self::Step(train::Error::Tensor(error))
            | Self::Step(train::Error::Method(affekt_train::Error::Tensor(error)))
            | Self::Method(affekt_train::Error::Tensor(error)) => affekt_nn::device::out_of_memory(error),
            Self::Step(_) | Self::Method(_) => false,
        }
    }
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Flow(error) => error.kind(),
            Self::Step(error) => error.kind(),
            Self::Method(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Flow(error) => error.hint(),
            Self::Step(error) => error.hint(),
            Self::Method(error) => error.hint(),
        }
    }
}
