//! The three ways a person shows sentiment, and where their words come from.

use serde::{Deserialize, Serialize};

/// One of the three modalities. Everywhere the order is audio, text, video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// The voice.
    Audio,
    /// The words.
    Text,
    /// The face.
    Video,
}

impl Modality {
    /// All, in the order in which networks take them.
    pub const ALL: [Self; 3] = [Self::Audio, Self::Text, Self::Video];

    /// Lower-case name, as in tensor names and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Text => "text",
            Self::Video => "video",
        }
    }
}

/// Where a text came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextSource {
    /// It was given.
    Transcript,
    /// A recogniser heard it.
    Asr,
}
