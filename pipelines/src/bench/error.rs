//! Why nothing could be measured.

use std::path::PathBuf;

use affekt_core::{ErrorKind, Explain};

/// Errors of a measurement.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of the films.
    #[error(transparent)]
    Film(#[from] affekt_media::write::Error),
    /// Of decoding.
    #[error(transparent)]
    Media(#[from] affekt_media::Error),
    /// Of the networks.
    #[error(transparent)]
    Networks(#[from] crate::Error),
    /// Of the workers.
    #[error(transparent)]
    Workers(#[from] crate::isolate::Error),
    /// Of the cache.
    #[error(transparent)]
    Cache(#[from] affekt_cache::Error),
    /// Of the dataset.
    #[error(transparent)]
    Dataset(#[from] crate::dataset::Error),
    /// A file of the measurement itself.
    #[error("{}: cannot be written: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// There is nothing to measure.
    #[error("there is nothing to measure: {reason}")]
    Nothing {
        /// Why.
        reason: String,
    },
    /// `affekt extract` did not do its work.
    #[error("`affekt extract` {reason}")]
    Extract {
        /// How it ended, and what it said last.
        reason: String,
    },
    /// CPU time is not known.
    #[error("this system does not tell how much CPU time a process has taken: {reason}")]
    Clock {
        /// What it says instead.
        reason: String,
    },
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Film(error) => error.kind(),
            Self::Media(error) => error.kind(),
            Self::Networks(error) => error.kind(),
            Self::Workers(error) => error.kind(),
            Self::Cache(error) => error.kind(),
            Self::Dataset(error) => error.kind(),
            Self::Write { .. } => ErrorKind::Unwritable,
            Self::Nothing { .. } => ErrorKind::BadDataset,
            Self::Extract { .. } | Self::Clock { .. } => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Film(error) => return error.hint(),
            Self::Media(error) => return error.hint(),
            Self::Networks(error) => return error.hint(),
            Self::Workers(error) => return error.hint(),
            Self::Cache(error) => return error.hint(),
            Self::Dataset(error) => return error.hint(),
            Self::Write { .. } => "make room, or name another folder: TMPDIR is where temporary files go".into(),
            Self::Nothing { .. } => {
                "name a dataset whose recordings are there, or leave --dataset out to measure on generated clips".into()
            }
            Self::Extract { .. } => "run `affekt extract` on the same dataset: it says more".into(),
            Self::Clock { .. } => "measure on Linux, where /proc tells".into(),
        })
    }
}
