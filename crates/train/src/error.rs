//! What can be wrong with a method and its parameters.

use affekt_core::{ErrorKind, Explain, FeatureKind};

/// Errors of this crate, and those of methods, which pass through it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A batch lacks a feature that the method needs.
    #[error("the batch has no {} features, which the method needs", .0.name())]
    NoFeature(FeatureKind),
    /// Parameters that are held have others than those that the network asks for.
    #[error("the parameter {name} {reason}")]
    Parameter {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting without a meaning.
    #[error("{name} is {value}, but {wanted}")]
    Setting {
        /// Its name in the configuration.
        name: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        wanted: &'static str,
    },
    /// The method's own word.
    #[error("{0}")]
    Method(Box<dyn Explain + Send + Sync>),
    /// The tensor library's word.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// Wraps a method's own error.
    pub fn method(error: impl Explain + Send + Sync + 'static) -> Self {
        Self::Method(Box::new(error))
    }
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoFeature(_) | Self::Tensor(_) => ErrorKind::Internal,
            Self::Parameter { .. } => ErrorKind::BadModel,
            Self::Setting { .. } => ErrorKind::BadConfig,
            Self::Method(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Method(error) => error.hint(),
            _ => None,
        }
    }
}
