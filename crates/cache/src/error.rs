//! What can be wrong with a feature store.

use std::path::PathBuf;

use affekt_core::{ClipId, ErrorKind, Explain};

/// Errors of this crate. Each names the file or the clip.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system's word on a file that is read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The system's word on a file that is written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Bytes that are no shard: truncated, overwritten, or another kind of file.
    #[error("shard {path} is damaged: {reason}")]
    Damaged {
        /// The shard.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A shard of another version of the format.
    #[error("shard {path} has format version {found}, and this program reads version {wanted}")]
    Version {
        /// The shard.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        wanted: u32,
    },
    /// A shard made by another recipe than its folder's.
    #[error("shard {path} holds feature {found}, but lies in the folder of {wanted}")]
    Recipe {
        /// The shard.
        path: PathBuf,
        /// Folder name of the recipe in the shard.
        found: String,
        /// Folder name of the recipe asked for.
        wanted: String,
    },
    /// A recipe with numbers of a type that cannot be kept.
    #[error("features cannot be kept as {0:?}: only as f32, f16 or bf16")]
    UnknownNumber(String),
    /// A feature that may not be stored.
    #[error("the feature of clip {clip} cannot be stored: {reason}")]
    BadFeature {
        /// The clip.
        clip: ClipId,
        /// What is wrong.
        reason: String,
    },
    /// A clip that the store has not, or has without a feature.
    #[error("{place} has no feature of clip {clip}")]
    NoClip {
        /// Shard or folder.
        place: PathBuf,
        /// The clip.
        clip: ClipId,
    },
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            Self::Read { .. } | Self::Damaged { .. } => ErrorKind::Unreadable,
            Self::Write { .. } => ErrorKind::Unwritable,
            Self::Version { .. } | Self::Recipe { .. } | Self::UnknownNumber(_) => ErrorKind::BadConfig,
            Self::BadFeature { .. } => ErrorKind::BadInput,
            Self::NoClip { .. } => ErrorKind::NotFound,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Read { .. } => "check the path and its permissions".into(),
            Self::Write { .. } => "choose a cache folder that can be written, on a disk with room".into(),
            Self::Damaged { .. } => "delete this shard and extract its clips again".into(),
            Self::Version { .. } => {
                "extract into a new cache folder, or use the version that wrote it".into()
            }
            Self::Recipe { .. } => "put the shard back into the folder that it was written to".into(),
            Self::NoClip { .. } => "extract this clip first".into(),
            Self::UnknownNumber(_) | Self::BadFeature { .. } => return None,
        })
    }
}
