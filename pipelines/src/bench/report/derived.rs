//! From what was measured to what follows.

use affekt_core::Stage;

use super::{Bound, Projection, Row, Share, WholeRow};
use crate::bench::lengths::{CLIP_HOURS, CLIPS, VIDEO_HOURS};
use crate::bench::stages::{Cutting, Measured, Stages};
use crate::bench::whole::Whole;
use crate::bench::{Clips, Machine};

/// Frames of the clips of CMU-MOSEI: 30 a second.
const FRAMES: f64 = CLIP_HOURS * 3600.0 * 30.0;

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
    pub(super) fn of(measured: &Measured, clips: &Clips) -> Self {
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
    pub(super) fn of(machine: &Machine, clips: &Clips, stages: &Stages) -> Self {
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
    pub(super) fn of(clips: &Clips, whole: &Whole, bound: &Bound) -> Self {
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
    pub(super) fn of(machine: &Machine, clips: &Clips, stages: &Stages, whole: &WholeRow) -> Self {
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
