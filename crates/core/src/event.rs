//! What libraries tell while they work. Only binaries print.

use serde::{Deserialize, Serialize};

use crate::{ClipId, FeatureKind, Seconds};

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
    /// Waveform to recognised words.
    Recognise,
    /// Transcript to LLM hidden states.
    Text,
    /// Speech to simulated text: projector and generation.
    Simulate,
    /// Features to valence.
    Fuse,
    /// The material of the page.
    Report,
    /// Features into the cache.
    Write,
}

impl Stage {
    /// All of them, in the order of the data flow.
    pub const ALL: [Self; 12] = [
        Self::Download,
        Self::Load,
        Self::Decode,
        Self::Faces,
        Self::Audio,
        Self::Video,
        Self::Recognise,
        Self::Text,
        Self::Simulate,
        Self::Fuse,
        Self::Report,
        Self::Write,
    ];

    /// The stage called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }

    /// Lower-case name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Load => "load",
            Self::Decode => "decode",
            Self::Faces => "faces",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Recognise => "recognise",
            Self::Text => "text",
            Self::Simulate => "simulate",
            Self::Fuse => "fuse",
            Self::Report => "report",
            Self::Write => "write",
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
    /// Of a batch run: one clip failed, or one of its features.
    Failed {
        /// The clip.
        clip: ClipId,
        /// Its features that there are not, therefore.
        features: Vec<FeatureKind>,
        /// Where it went wrong.
        stage: Stage,
        /// Why.
        reason: String,
    },
    /// Of a batch run: a clip is there, with something doubtful about it.
    Warned {
        /// The clip.
        clip: ClipId,
        /// What it is.
        warning: String,
    },
    /// Of a batch run: clips are safe in the cache.
    Committed {
        /// The feature.
        feature: FeatureKind,
        /// How many rows the shard has, failures among them.
        clips: usize,
        /// The shard's file.
        shard: String,
    },
    /// Of a batch run: the memory of a device did not hold a batch; batches of this stage are smaller from here on.
    Shrunk {
        /// What the device is called: `cuda:0`.
        device: String,
        /// The stage.
        stage: Stage,
        /// What the size of a batch is counted in: `samples`, `faces`, `rows`, or `bytes` of keys and values.
        unit: String,
        /// Its size at first, at most.
        first: usize,
        /// Its size from here on, at most.
        last: usize,
    },
    /// How a batch run stands; about once a second.
    Standing(Standing),
    /// Of training: a batch has been learnt from.
    Step {
        /// Phase of the method, by name.
        phase: &'static str,
        /// Epoch of the phase, from 1.
        epoch: usize,
        /// How many epochs there are at most.
        epochs: usize,
        /// Batch of the epoch, from 1.
        step: usize,
        /// How many there are.
        steps: usize,
        /// The loss that was descended along.
        loss: f64,
    },
    /// Of training: an epoch is over, and its state is on disk.
    Epoch {
        /// Phase of the method, by name.
        phase: &'static str,
        /// Epoch of the phase, from 1.
        epoch: usize,
        /// How many epochs there are at most.
        epochs: usize,
        /// Mean of each loss over the batches, by name.
        losses: Vec<(String, f64)>,
        /// Validation MAE of each flow, by name; empty without a validation split.
        valid: Vec<(String, f64)>,
        /// Whether it is the best so far.
        best: bool,
        /// Wall time.
        seconds: Seconds,
    },
}

/// How a batch run stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// Wall time since it began.
    pub elapsed: Seconds,
    /// Clips of the run that were not in the cache when it began.
    pub total: usize,
    /// Clips of these that are through all networks, failed ones among them.
    pub done: usize,
    /// Clips of these that are safe in the cache.
    pub committed: usize,
    /// Clips that failed, or one of whose features did.
    pub failed: usize,
    /// Its stages, in the order of the data flow.
    pub stages: Vec<StageStanding>,
    /// The stage that holds up the others; `None` while that is not known.
    pub limit: Option<Stage>,
    /// Estimated time left; `None` while it is not known.
    pub left: Option<Seconds>,
}

/// How one stage of a batch run stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageStanding {
    /// Which.
    pub stage: Stage,
    /// Clips that it is through with.
    pub done: usize,
    /// Clips that it has to do in this run, as far as known.
    pub total: usize,
    /// Clips a second, over the last minute.
    pub per_second: f64,
    /// Share of its time, 0 to 1, that it worked rather than waited, over the last minute; the mean of its workers.
    pub busy: f64,
    /// Clips that wait for it.
    pub waiting: usize,
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
