//! Why a run cannot begin, or cannot go on. What is wrong with single clips is a row in the cache.

use std::path::PathBuf;

use affekt_core::{ClipId, ErrorKind, Explain, Span};

/// Errors of a run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of the cache.
    #[error(transparent)]
    Cache(#[from] affekt_cache::Error),
    /// Of the networks.
    #[error(transparent)]
    Networks(#[from] crate::Error),
    /// Of the workers, where none can be started at all.
    #[error(transparent)]
    Workers(#[from] crate::isolate::Error),
    /// A clip that the cache knows as another part of its recording.
    #[error(
        "clip {clip} is cut from {} in the cache ({}), and from {} in the dataset",
        span(.cached), folder.display(), span(.wanted)
    )]
    Moved {
        /// The clip.
        clip: ClipId,
        /// The feature's folder.
        folder: PathBuf,
        /// The span in the cache.
        cached: Span,
        /// The span in the dataset.
        wanted: Span,
    },
    /// A clip whose words have changed.
    #[error("clip {clip} has other words in the cache ({}) than in the dataset", folder.display())]
    Reworded {
        /// The clip.
        clip: ClipId,
        /// The feature's folder.
        folder: PathBuf,
    },
}

fn span(span: &Span) -> String {
    let end = span.end.map_or("the end".to_owned(), |end| end.to_string());
    format!("{} to {end}", span.start)
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Cache(error) => error.kind(),
            Self::Networks(error) => error.kind(),
            Self::Workers(error) => error.kind(),
            Self::Moved { .. } | Self::Reworded { .. } => ErrorKind::BadDataset,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Cache(error) => error.hint(),
            Self::Networks(error) => error.hint(),
            Self::Workers(error) => error.hint(),
            Self::Moved { folder, .. } | Self::Reworded { folder, .. } => Some(format!(
                "features of both under one name would mix: use another --cache, or remove {} to make them anew",
                folder.display()
            )),
        }
    }
}
