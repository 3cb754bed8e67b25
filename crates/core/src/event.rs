//! What libraries tell while they work. Only binaries print.

use serde::{Deserialize, Serialize};

use crate::Seconds;

/// A stage of the system, in the order of the data flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Files of a bundle from the hub; its units are bytes.
    Download,
    /// Weights into memory.
    Load,
    /// Container to waveform and frames.
    Decode,
    /// Detection, track and crops.
    Faces,
    /// Waveform to WavLM hidden states.
    Audio,
    /// Crops to MANet embeddings.
    Video,
    /// Transcript to LLM hidden states.
    Text,
    /// Speech to simulated text: projector and generation.
    Simulate,
    /// Features to valence.
    Fuse,
    /// The material of the page.
    Report,
}

impl Stage {
    /// Lower-case name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Load => "load",
            Self::Decode => "decode",
            Self::Faces => "faces",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Text => "text",
            Self::Simulate => "simulate",
            Self::Fuse => "fuse",
            Self::Report => "report",
        }
    }
}

/// Something worth telling while work goes on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// An input is taken up.
    Input {
        /// Its name.
        name: String,
        /// How many were before it.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A window of a long recording is judged; times from the start of the recording.
    Window {
        /// Name of the input.
        input: String,
        /// First instant.
        start: Seconds,
        /// First instant after it.
        end: Seconds,
        /// Valence with text; `None` without words.
        with_text: Option<f64>,
        /// Valence without text; `None` where there is nothing to judge.
        without_text: Option<f64>,
    },
    /// A stage begins.
    Started {
        /// Which.
        stage: Stage,
    },
    /// A stage has done `done` of its units (frames, tokens), of `total` where that is known.
    Advanced {
        /// Which.
        stage: Stage,
        /// Units done.
        done: usize,
        /// Units in all.
        total: Option<usize>,
    },
    /// A stage is through.
    Finished {
        /// Which.
        stage: Stage,
        /// Wall time that it took.
        seconds: Seconds,
    },
}

/// Hears events. Implementations must be cheap: they are called from inner loops.
pub trait Reporter: Sync {
    /// Takes one event.
    fn report(&self, event: &Event);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _event: &Event) {}
}
