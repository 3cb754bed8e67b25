//! Rates, what limits them, and what they make of all of MOSEI.

mod derived;

use affekt_core::{FeatureKind, Stage};
use serde::Serialize;

use super::stages::Stages;
use super::whole::Whole;
use super::{Clips, Machine, Tree};

/// Everything that was measured, and what follows from it. Times are in seconds where their names do not say hours.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of affekt.
    pub affekt: &'static str,
    /// The machine and what ran on it.
    pub machine: Machine,
    /// The features that were made.
    pub features: Vec<FeatureKind>,
    /// The clips that were measured.
    pub data: Data,
    /// Each stage alone.
    pub stages: Vec<Row>,
    /// The rate that no arrangement of these stages exceeds.
    pub bound: Bound,
    /// The whole.
    pub whole: WholeRow,
    /// All of MOSEI.
    pub projection: Projection,
}

/// The clips that were measured.
#[derive(Clone, Debug, Serialize)]
pub struct Data {
    /// How they were made; `None` for one's own.
    pub generated: Option<Tree>,
    /// Recordings.
    pub videos: usize,
    /// Clips.
    pub clips: usize,
    /// Length of the recordings.
    pub video_s: f64,
    /// Length of the clips.
    pub clip_s: f64,
    /// Frames of the clips, where faces were looked for.
    pub frames: usize,
    /// Frames that showed a face.
    pub with_face: usize,
    /// Clips that could not be had.
    pub failed: usize,
}

/// One stage alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Which; `faces` is the whole way from the file to the crops.
    pub stage: Stage,
    /// What it was measured with: processes of `decode` and `faces`; networks use all cores as they see fit.
    pub workers: usize,
    /// Whether it counts in the bound.
    pub in_flow: bool,
    /// Clips that it was measured on.
    pub clips: usize,
    /// Wall time of it.
    pub wall_s: f64,
    /// CPU time of it.
    pub cpu_s: f64,
    /// CPU time of a clip of mean length.
    pub cpu_s_per_clip: f64,
    /// Clips of mean length a second.
    pub clips_per_s: f64,
    /// Recordings (of `decode` and `faces`) or clips, in seconds a second.
    pub times_real_time: f64,
}

/// The rate that no arrangement of the stages exceeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bound {
    /// CPU time of a clip in all stages together.
    pub cpu_s_per_clip: f64,
    /// Time of a clip on the networks' own device; `None` where they run on the cores.
    pub device_s_per_clip: Option<f64>,
    /// What is exhausted first: `cores` or `device`.
    pub resource: &'static str,
    /// The stage that takes most of it.
    pub stage: Stage,
    /// Its share of what all stages take of it.
    pub share: f64,
    /// The rate.
    pub clips_per_s: f64,
}

/// The whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WholeRow {
    /// From the start of the process to its end.
    pub wall_s: f64,
    /// CPU time of it and its workers.
    pub cpu_s: f64,
    /// Clips a second.
    pub clips_per_s: f64,
    /// Clips, in seconds a second.
    pub times_real_time: f64,
    /// Its rate, of the bound's.
    pub ratio: f64,
    /// Wall time of a run that has nothing to do.
    pub start_stop_s: f64,
    /// Of the wall time, what was before the first clip was taken up and after the last was through, as the run says.
    pub around_s: Option<f64>,
    /// The stage that the others waited for, as the run says.
    pub limit: Option<String>,
    /// Largest resident memory of the process, as the run says.
    pub peak_memory_bytes: Option<u64>,
}

/// What all of MOSEI would take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Projection {
    /// Its clips.
    pub clips: usize,
    /// Hours of them.
    pub clip_hours: f64,
    /// Hours of the recordings.
    pub video_hours: f64,
    /// Each stage alone with the whole machine.
    pub stages: Vec<Share>,
    /// The whole: all stages on what they share, at the measured share of the bound.
    pub hours: f64,
}

/// One stage's part of a projection.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    /// Which.
    pub stage: Stage,
    /// Hours of all cores, or of the device, where it is slower.
    pub hours: f64,
}

impl Report {
    /// From what was measured.
    pub fn new(
        machine: Machine,
        features: Vec<FeatureKind>,
        clips: &Clips,
        generated: Option<Tree>,
        stages: &Stages,
        whole: &Whole,
    ) -> Self {
        let bound = Bound::of(&machine, clips, stages);
        let whole = WholeRow::of(clips, whole, &bound);
        let projection = Projection::of(&machine, clips, stages, &whole);
        let data = Data {
            generated,
            videos: clips.recordings.len(),
            clips: clips.rows.len(),
            video_s: clips.video_seconds(),
            clip_s: clips.seconds(),
            frames: stages.cutting.frames,
            with_face: stages.cutting.with_face,
            failed: stages.failed,
        };
        let stages = stages.measured.iter().map(|measured| Row::of(measured, clips)).collect();
        let affekt = env!("CARGO_PKG_VERSION");
        Self { affekt, machine, features, data, stages, bound, whole, projection }
    }
}

#[cfg(test)]
mod tests;
