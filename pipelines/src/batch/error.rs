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
    #[cfg(feature = "media")]
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
    /// Speech by one recipe, kept in several types.
    #[error("{} has speech kept as {}", cache.display(), types.join(" and as "))]
    SeveralSpeeches {
        /// The cache.
        cache: PathBuf,
        /// The types.
        types: Vec<String>,
    },
    /// Clips whose voice is not in the cache.
    #[error("{count} clips have no speech in {}, the first is {first}", folder.display())]
    Unheard {
        /// The first of them.
        first: ClipId,
        /// How many.
        count: usize,
        /// The feature's folder.
        folder: PathBuf,
    },
    /// Speech that is not what was written.
    #[error("the speech of {clip} in {} {what}: it is damaged; `affekt cache verify` tells the shard, which is to be deleted", folder.display())]
    DamagedSpeech {
        /// The clip.
        clip: ClipId,
        /// The feature's folder.
        folder: PathBuf,
        /// What is wrong with it.
        what: &'static str,
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
            #[cfg(feature = "media")]
            Self::Workers(error) => error.kind(),
            Self::Moved { .. } | Self::Reworded { .. } | Self::Unheard { .. } => ErrorKind::BadDataset,
            Self::SeveralSpeeches { .. } => ErrorKind::BadConfig,
            Self::DamagedSpeech { .. } => ErrorKind::Unreadable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Cache(error) => error.hint(),
            Self::Networks(error) => error.hint(),
            #[cfg(feature = "media")]
            Self::Workers(error) => error.hint(),
            Self::DamagedSpeech { .. } => Some("delete that shard and extract its clips again".into()),
            Self::SeveralSpeeches { .. } => Some("--speech names the one to take".into()),
            Self::Unheard { .. } => Some("--dataset and --root say where to hear them first".into()),
            Self::Moved { folder, .. } | Self::Reworded { folder, .. } => Some(format!(
                "features of both under one name would mix: use another --cache, or remove {} to make them anew",
                folder.display()
            )),
        }
    }
}
