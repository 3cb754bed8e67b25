//! The clips of one recording, from one pass over it: sound cut to the sample, and the speaker's crops.
//!
//! [`Cutting::cut`] opens the recording once and decodes it once for all of its clips, and hands each of them out as
//! soon as it is complete: memory holds the clips that are open, not the recording. What a clip gets is, bit for bit, what
//! [`affekt_media::decode()`] of its span alone and a [`affekt_faces::Tracker`] of its own give. Spans may overlap, and come in any
//! order. [`crate::isolate::Pool::cut`] does the same in another process.
//!
//! | module | holds |
//! |---|---|
//! | [`pass`] | [`Cutting`]: one recording after the other; [`Sign`]: what it tells meanwhile |
//! | `clips` | the open clips, and what they come to |
//! | `detector` | detectors by order, shared by the clips that are open at the same time |
//! | `digest`, `meter` | the media file's digest; CPU time |
//! | [`thinning`] | how many frames are looked at |
//! | `told` | what is told of streams that are missing or end early |
//! | `wire` | an order as JSON |

mod clips;
mod detector;
mod digest;
mod meter;
pub mod pass;
pub mod thinning;
pub(crate) mod told;
mod wire;

use std::collections::BTreeSet;
use std::path::PathBuf;

use affekt_core::{Digest, RgbImage, Seconds, Span, Stage, Waveform};
use affekt_media::Decoder;
use serde::{Deserialize, Serialize};

pub use pass::{Cutting, Sign};

/// A clip may last so long: the cost of attention grows with its square, and so would memory. The longest of CMU-MOSEI
/// lasts 109 s.
pub const LONGEST: Seconds = Seconds(120.0);

/// Containers round durations, in seconds: this much over a limit is still within it.
pub(crate) const ROUNDING: f64 = 0.1;

/// What is asked of one recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The recording.
    #[serde(with = "wire::path")]
    pub media: PathBuf,
    /// Its clips.
    #[serde(with = "wire::spans")]
    pub spans: Vec<Span>,
    /// Which of them are not handed out. They are decoded all the same: some codecs draw noise that depends on what they
    /// have decoded before, so that a clip sounds as ever only where the pass goes the same way.
    pub unwanted: BTreeSet<usize>,
    /// Whether their sound is wanted.
    pub sound: bool,
    /// What finds faces in their picture, where that is wanted.
    pub faces: Option<Detector>,
    /// What decodes the picture.
    #[serde(with = "wire::decoder")]
    pub decoder: Decoder,
}

/// What finds faces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// The embedded detector.
    RustFace,
    /// YuNet.
    YuNet {
        /// The file with its weights.
        #[serde(with = "wire::path")]
        weights: PathBuf,
        /// Where it runs: `cpu`, `cuda:INDEX`.
        device: String,
    },
}

/// One clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// Which of [`Order::spans`].
    pub index: usize,
    /// What was really covered: its end is known, and lies inside the recording.
    pub span: Span,
    /// Its sound: mono, 16 kHz.
    pub sound: Part<Waveform>,
    /// Its picture.
    pub picture: Part<Picture>,
    /// What is missing or damaged.
    pub warnings: Vec<String>,
}

/// The sound of a clip, or its picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part<T> {
    /// It was not asked for.
    Unasked,
    /// The recording has no such stream, or it is over before the clip begins: which of the two.
    Absent(String),
    /// It cannot be decoded: why.
    Failed(String),
    /// Here it is.
    There(T),
}

/// The picture of a clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The speaker's face, [`affekt_faces::CROP_SIZE`] pixels squared: one a frame, `None` where it shows no face.
    pub crops: Vec<Option<RgbImage>>,
}

/// A clip that cannot be had; the others go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which of [`Order::spans`].
    pub index: usize,
    /// Where it went wrong.
    pub stage: Stage,
    /// Why.
    pub reason: String,
}

/// What comes of a recording, while the pass goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// First of all: the file can be read.
    Opened {
        /// SHA-256 of the media file.
        digest: Digest,
    },
    /// A clip is through.
    Clip(Result<Cut, Failure>),
}

/// What a pass has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// CPU time of reading and decoding.
    pub decode: Seconds,
    /// CPU time of finding and following faces.
    pub faces: Seconds,
    /// Frames that were looked at for faces, those of overlapping clips once for each.
    pub frames: usize,
}
