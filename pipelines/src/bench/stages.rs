//! Each stage alone, on the clips that it has in the flow.
//!
//! | module | holds |
//! |---|---|
//! | `cutting` | reading, decoding, faces, crops: in this process, by one worker, by all |
//! | `encoding` | the networks, on what was cut |
//! | `writing` | what they made, into a cache |

mod cutting;
mod encoding;
mod writing;

use std::path::Path;

use affekt_core::{ClipId, Event, FeatureKind, FeatureSpec, Reporter, RgbImage, Stage, Waveform};

use super::clock::Spent;
use super::{Clips, Error};
use crate::cut::Detector;
use crate::isolate::Program;
use crate::networks::Encoders;

/// What the stages work with.
pub struct Means<'a> {
    /// The networks of the features.
    pub encoders: &'a Encoders,
    /// The features' recipes.
    pub specs: &'a [FeatureSpec],
    /// What finds faces.
    pub detector: &'a Detector,
    /// What runs as a worker.
    pub program: &'a Program,
    /// How many of them there are in the flow.
    pub workers: usize,
    /// Clips that WavLM hears at once.
    pub batch: usize,
    /// Where features are written to; a folder of the measurement's own.
    pub cache: &'a Path,
}

impl Means<'_> {
    fn has(&self, kind: FeatureKind) -> bool {
        self.specs.iter().any(|spec| spec.kind == kind)
    }

    fn hears(&self) -> bool {
        self.encoders.voice.is_some()
    }

    fn looks(&self) -> bool {
        self.has(FeatureKind::Video)
    }
}

/// What one stage took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Which. [`Stage::Faces`] is the whole way from the file to the crops, decoding included.
    pub stage: Stage,
    /// Processes or threads that did it, as far as the stage decides that: networks use all cores as they see fit.
    pub workers: usize,
    /// Whether it is a stage of the flow, rather than a part of one or the same by fewer workers.
    pub in_flow: bool,
    /// Clips that it was through with.
    pub clips: usize,
    /// Length of these in seconds.
    pub seconds: f64,
    /// Length of the recordings that they are cut from, for stages that read them.
    pub video_seconds: f64,
    /// What that took.
    pub spent: Spent,
}

/// What the way from the files to the crops consists of: CPU time of the workers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cutting {
    /// Of reading and decoding, in seconds.
    pub decode: f64,
    /// Of finding and following faces, in seconds.
    pub faces: f64,
    /// Frames that were looked at for faces.
    pub frames: usize,
    /// Frames that showed one.
    pub with_face: usize,
}

/// All stages.
#[derive(Clone, Debug, Default)]
pub struct Stages {
    /// One after the other.
    pub measured: Vec<Measured>,
    /// Parts of the first.
    pub cutting: Cutting,
    /// Clips of which some feature could not be had.
    pub failed: usize,
}

/// A clip on its way.
struct Material {
    /// Which of [`Clips::rows`].
    row: usize,
    /// What of it there is, in seconds.
    seconds: f64,
    waveform: Option<Waveform>,
    crops: Vec<Option<RgbImage>>,
}

/// A feature of a clip.
struct Made {
    kind: FeatureKind,
    clip: ClipId,
    numbers: Vec<f32>,
}

/// Runs every stage that the features of `means` need over `clips`, one after the other; `reporter` hears which begins.
///
/// What is no stage of the flow is measured on a third of the recordings. Of many clips, the networks get the first: as many as fit into a gigabyte with their faces.
///
/// # Errors
/// Those of the stages; [`Error::Nothing`] where no clip can be had at all.
pub fn measure(clips: &Clips, means: &Means<'_>, reporter: &dyn Reporter) -> Result<Stages, Error> {
    let mut stages = Stages::default();
    let mut material = Vec::new();
    if means.hears() || means.looks() {
        material = cutting::measure(clips, means, &mut stages, reporter)?;
    }
    let made = encoding::measure(clips, means, &material, &mut stages, reporter)?;
    drop(material);
    begin(Stage::Write, reporter);
    stages.measured.push(writing::measure(clips, means, &made)?);
    Ok(stages)
}

fn begin(stage: Stage, reporter: &dyn Reporter) {
    reporter.report(&Event::Started { stage });
}
