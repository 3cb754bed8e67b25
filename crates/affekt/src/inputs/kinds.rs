//! Which files of a folder are inputs.

use std::path::Path;

use super::ends_in;

/// Endings of recordings: containers with a picture first, then those with sound alone.
const MEDIA: [&str; 40] = [
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "m1v", "m2v", "vob", "ts", "mts", "m2ts",
    "wmv", "asf", "flv", "f4v", "3gp", "3g2", "ogv", "ogm", "mxf", "dv", "wav", "flac", "mp3", "m4a", "aac",
    "ogg", "oga", "opus", "wma", "aif", "aiff", "amr", "ac3", "mka", "weba", "caf",
];
/// Endings of pictures.
const PICTURES: [&str; 3] = ["jpg", "jpeg", "png"];

/// What a command takes, by the ending of the name: folders hold more than recordings, and opening every file to see
/// would be slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// Recordings.
    Media,
    /// Recordings and pictures.
    MediaAndPictures,
}

impl Kinds {
    /// Whether the name of `path` ends as one of these, in any case.
    pub fn include(self, path: &Path) -> bool {
        self.endings().any(|ending| ends_in(path, ending))
    }

    /// The endings.
    pub fn endings(self) -> impl Iterator<Item = &'static str> {
        let pictures = match self {
            Self::Media => &[][..],
            Self::MediaAndPictures => &PICTURES,
        };
        MEDIA.iter().chain(pictures).copied()
    }

    /// What they are called.
    pub fn what(self) -> &'static str {
        match self {
            Self::Media => "media file",
            Self::MediaAndPictures => "media file or picture",
        }
    }
}
