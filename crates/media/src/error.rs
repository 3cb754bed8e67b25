//! What can be wrong with a media file.

use std::io;
use std::path::PathBuf;

use affekt_core::{ErrorKind, Explain, Seconds};

/// Why a file gives no [`crate::MediaInfo`] or no [`crate::Decoded`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing has this name.
    #[error("{}: no such file", path.display())]
    NotFound {
        /// The name.
        path: PathBuf,
    },
    /// A folder.
    #[error("{}: is a folder", path.display())]
    IsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A file of 0 bytes.
    #[error("{}: is empty (0 bytes)", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The system refuses to read it.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its content is no recording.
    #[error("{}: is not a media file: {reason}", path.display())]
    NotMedia {
        /// The file.
        path: PathBuf,
        /// How that shows.
        reason: String,
    },
    /// A container without picture and sound.
    #[error("{}: has neither sound nor moving picture ({container}, {streams} streams)", path.display())]
    NoStreams {
        /// The file.
        path: PathBuf,
        /// Name of the container format.
        container: String,
        /// Streams of other kinds: subtitles, cover art, data.
        streams: usize,
    },
    /// The span lies outside the recording.
    #[error("{}: the span starts at {start}, but the recording ends at {duration}", path.display())]
    BadSpan {
        /// The file.
        path: PathBuf,
        /// Where the span starts.
        start: Seconds,
        /// How long the recording is.
        duration: Seconds,
    },
    /// A card that cannot decode here.
    #[error("NVDEC on card {card} cannot be used: {reason}")]
    NoNvdec {
        /// Index of the card.
        card: usize,
        /// What is missing.
        reason: String,
    },
    /// Neither a frame nor a sample could be decoded.
    #[error("{}: nothing in it can be decoded: {reason}", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::IsFolder { .. } => ErrorKind::IsFolder,
            Self::Empty { .. } => ErrorKind::Empty,
            Self::Unreadable { .. } => ErrorKind::Unreadable,
            Self::NotMedia { .. } | Self::Decode { .. } => ErrorKind::NotMedia,
            Self::NoStreams { .. } => ErrorKind::NoStreams,
            Self::BadSpan { .. } => ErrorKind::BadSpan,
            Self::NoNvdec { .. } => ErrorKind::Device,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotFound { .. } => "check the spelling; a relative name counts from the current folder",
            Self::IsFolder { .. } => "name the media files inside it",
            Self::Empty { .. } => "copy or download it again: the transfer was cut off before the first byte",
            Self::Unreadable { .. } => "allow reading it (`ls -l` shows the permissions), or check the disk",
            Self::NotMedia { .. } => {
                "give a video or audio file; if it should be one, it is damaged or cut off: copy it again"
            }
            Self::NoStreams { .. } => "give a file that plays: one with a sound or a video track",
            Self::BadSpan { duration, .. } => {
                return Some(format!("start the span before {duration}"));
            }
            Self::NoNvdec { .. } => {
                "it takes an FFmpeg with nvdec, an NVIDIA driver with its video library (in a container: \
                 NVIDIA_DRIVER_CAPABILITIES=compute,video) and a card of this index (`nvidia-smi -L`); --decode cpu needs \
                 none of it"
            }
            Self::Decode { .. } => {
                "check that a player shows it; re-encoding helps where it does: `ffmpeg -i IN OUT.mp4`"
            }
        };
        Some(hint.into())
    }
}
