//! What can go wrong with faces. That there is none is no error.

use std::path::PathBuf;

use affekt_core::{ErrorKind, Explain};
use affekt_nn::finite::NotFinite;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The detector's model cannot be read.
    #[error("the face detector {detector} cannot be loaded")]
    Model {
        /// Name of the detector.
        detector: String,
        /// Why.
        source: std::io::Error,
    },
    /// Weights of a detector that cannot be read, or are another network's.
    #[error(transparent)]
    Weights(#[from] affekt_weights::Error),
    /// Numbers that are none inside a detector, and the layer that made them.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
    /// The tensor library's word.
    #[error(transparent)]
    Tensor(candle_core::Error),
    /// A picture file that the system does not give.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is no picture, or a damaged one.
    #[error("{} is not a picture that can be decoded", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// Why.
        source: image::ImageError,
    },
    /// A picture that cannot be written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: image::ImageError,
    },
    /// A picture that no JPEG file can hold.
    #[error("a picture of {width} x {height} pixels cannot be encoded")]
    Encode {
        /// Its width in pixels.
        width: usize,
        /// Its height in pixels.
        height: usize,
        /// Why.
        source: image::ImageError,
    },
    /// A folder that cannot be made.
    #[error("the folder {} cannot be made", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

// By hand, because candle's error may carry one that has more to say.
impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        match NotFinite::of(&error) {
            Some(found) => Self::NotFinite(found.clone()),
            None => Self::Tensor(error),
        }
    }
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Weights(error) => error.kind(),
            Self::Tensor(_) | Self::Encode { .. } => ErrorKind::Internal,
            Self::Model { .. } | Self::NotFinite(_) => ErrorKind::BadModel,
            Self::Read { source, path } => match source.kind() {
                std::io::ErrorKind::NotFound => ErrorKind::NotFound,
                _ if path.is_dir() => ErrorKind::IsFolder,
                _ => ErrorKind::Unreadable,
            },
            Self::Decode { .. } => ErrorKind::NotMedia,
            Self::Write { .. } | Self::Folder { .. } => ErrorKind::Unwritable,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Weights(error) => return error.hint(),
            Self::Tensor(_) => return None,
            Self::NotFinite(_) => "check the weights; the file may be damaged".into(),
            Self::Model { .. } => "rebuild affekt: the model is part of the program".into(),
            Self::Read { source, .. } => source.to_string(),
            Self::Decode { source, .. } => format!("JPEG and PNG are read; the decoder says: {source}"),
            Self::Write { source, .. } | Self::Encode { source, .. } => source.to_string(),
            Self::Folder { source, .. } => source.to_string(),
        };
        Some(hint)
    }
}
