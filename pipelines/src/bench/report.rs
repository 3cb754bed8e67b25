//! Rates, what limits them, and what they make of all of MOSEI.

use affekt_core::{FeatureKind, Stage};
use serde::Serialize;

use super::stages::{Cutting, Measured, Stages};
use super::whole::Whole;
use super::{Clips, Tree};

/// CMU-MOSEI: its labelled clips.
const CLIPS: f64 = 22_856.0;
/// Hours of these, and of the recordings that they are cut from.
const CLIP_HOURS: f64 = 46.0;
const VIDEO_HOURS: f64 = 65.0;
/// Frames of the clips: 30 a second.
const FRAMES: f64 = CLIP_HOURS * 3600.0 * 30.0;

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

/// A machine, and what ran on it.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// Where the networks ran.
    pub device: String,
    /// The bundle of networks.
    pub bundle: String,
}

impl Machine {
    /// Whether networks have a resource of their own.
    fn has_device(&self) -> bool {
        self.device != "cpu"
    }
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

/// Length of a mean clip.
fn mean(clips: &Clips) -> f64 {
    clips.seconds() / clips.rows.len() as f64
}

/// Times of a clip of mean length, from a stage that was measured on clips of other lengths.
fn per_clip(measured: &Measured, clips: &Clips) -> (f64, f64) {
    let clips = measured.seconds.max(1e-9) / mean(clips);
    (measured.spent.cpu / clips, measured.spent.wall / clips)
}

/// Whether the stage runs on the networks' device.
fn is_network(stage: Stage) -> bool {
    matches!(stage, Stage::Audio | Stage::Video | Stage::Text | Stage::Simulate)
}

impl Row {
    fn of(measured: &Measured, clips: &Clips) -> Self {
        let Measured { stage, workers, in_flow, seconds, video_seconds, spent, .. } = *measured;
        let (cpu, wall) = per_clip(measured, clips);
        let passed = if is_network(stage) || stage == Stage::Write { seconds } else { video_seconds };
        Self {
            stage,
            workers,
            in_flow,
            clips: measured.clips,
            wall_s: spent.wall,
            cpu_s: spent.cpu,
            cpu_s_per_clip: cpu,
            clips_per_s: 1.0 / wall.max(1e-9),
            times_real_time: passed / spent.wall.max(1e-9),
        }
    }
}

impl Bound {
    fn of(machine: &Machine, clips: &Clips, stages: &Stages) -> Self {
        let flow = || stages.measured.iter().filter(|measured| measured.in_flow);
        let on_device = |measured: &&Measured| machine.has_device() && is_network(measured.stage);
        let cpu = |measured: &Measured| per_clip(measured, clips).0;
        let device = |measured: &Measured| per_clip(measured, clips).1;
        let cpu_s_per_clip: f64 = flow().map(cpu).sum();
        let device_s_per_clip: f64 = flow().filter(on_device).map(device).sum();
        let cores = cpu_s_per_clip / machine.cores as f64;
        let of_device = device_s_per_clip > cores;
        let most = if of_device {
            flow().filter(on_device).max_by(|a, b| device(a).total_cmp(&device(b)))
        } else {
            flow().max_by(|a, b| cpu(a).total_cmp(&cpu(b)))
        };
        let share = match most {
            Some(most) if of_device => device(most) / device_s_per_clip,
            Some(most) => cpu(most) / cpu_s_per_clip.max(1e-12),
            None => 0.0,
        };
        Self {
            cpu_s_per_clip,
            device_s_per_clip: machine.has_device().then_some(device_s_per_clip),
            resource: if of_device { "device" } else { "cores" },
            stage: most.map_or(Stage::Write, |most| most.stage),
            share,
            clips_per_s: 1.0 / cores.max(device_s_per_clip).max(1e-12),
        }
    }
}

impl WholeRow {
    fn of(clips: &Clips, whole: &Whole, bound: &Bound) -> Self {
        let Whole { spent, start_stop, around, limit, peak_memory } = whole.clone();
        let clips_per_s = clips.rows.len() as f64 / spent.wall;
        Self {
            wall_s: spent.wall,
            cpu_s: spent.cpu,
            clips_per_s,
            times_real_time: clips.seconds() / spent.wall,
            ratio: clips_per_s / bound.clips_per_s,
            start_stop_s: start_stop,
            around_s: around,
            limit,
            peak_memory_bytes: peak_memory,
        }
    }
}

impl Projection {
    fn of(machine: &Machine, clips: &Clips, stages: &Stages, whole: &WholeRow) -> Self {
        let flow = || stages.measured.iter().filter(|measured| measured.in_flow);
        let scaled = |measured: &Measured| -> (f64, f64) {
            let factor = factor(measured, clips, &stages.cutting);
            let wall =
                if machine.has_device() && is_network(measured.stage) { measured.spent.wall } else { 0.0 };
            (measured.spent.cpu * factor / machine.cores as f64, wall * factor)
        };
        let share = |measured: &Measured| {
            let (cores, device) = scaled(measured);
            Share { stage: measured.stage, hours: cores.max(device) / 3600.0 }
        };
        let (cores, device) = flow().map(scaled).fold((0.0, 0.0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        Self {
            clips: CLIPS as usize,
            clip_hours: CLIP_HOURS,
            video_hours: VIDEO_HOURS,
            stages: flow().map(share).collect(),
            hours: f64::max(cores, device) / 3600.0 / whole.ratio.clamp(1e-9, 1.0),
        }
    }
}

/// How many times what was measured all of MOSEI is: decoding grows with hours of video, faces with frames of clips, words
/// with clips, all else with hours of clips.
fn factor(measured: &Measured, clips: &Clips, cutting: &Cutting) -> f64 {
    let by_clip_hours = CLIP_HOURS * 3600.0 / measured.seconds.max(1e-9);
    match measured.stage {
        Stage::Text => CLIPS / (measured.clips as f64).max(1e-9),
        Stage::Decode | Stage::Faces => {
            let cpu = measured.spent.cpu.max(1e-9);
            let decode = cutting.decode * VIDEO_HOURS * 3600.0 / clips.video_seconds().max(1e-9);
            let faces =
                if cutting.frames == 0 { 0.0 } else { cutting.faces * FRAMES / cutting.frames as f64 };
            // What the workers do beside, and what they are asked with.
            let rest = (cpu - cutting.decode - cutting.faces).max(0.0) * by_clip_hours;
            (decode + faces + rest) / cpu
        }
        _ => by_clip_hours,
    }
}

#[cfg(test)]
mod tests;
