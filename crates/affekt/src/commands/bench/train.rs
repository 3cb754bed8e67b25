//! `affekt bench train`: how long a training step of SDUMC takes, and how near that is to its arithmetic.

use std::process::ExitCode;

use affekt_pipelines::bench::train::{Report, Size, Step, measure};
use affekt_pipelines::device;
use affekt_report::Failure;
use serde::Serialize;

use crate::cli::{self, Global};
use crate::commands::batch::{Refusal, refusal};
use crate::{host, output};

/// What is printed with `--json`.
#[derive(Serialize)]
struct Measured {
    #[serde(flatten)]
    report: Report,
    /// Of each step, in order.
    seconds: Vec<f64>,
    /// Largest resident memory of the process so far.
    peak_rss_mb: Option<f64>,
}

/// Runs the command: exit 0 where everything was measured, 1 where not.
pub fn run(flags: &cli::BenchTrain, global: &Global) -> ExitCode {
    match measured(flags) {
        Ok(measured) if global.json => output::json(&measured),
        Ok(measured) => output::data(&text(&measured)),
        Err(error) => {
            output::failure(&Failure::new("bench train", &*error), global.json);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn measured(flags: &cli::BenchTrain) -> Result<Measured, Refusal> {
    let device = device::named(&flags.device).map_err(refusal)?;
    let [audio, text, video] = flags.frames.map(usize::from);
    let size = Size { clips: flags.clips.into(), audio, text, video };
    let report = measure(size, flags.steps.into(), &device).map_err(refusal)?;
    let seconds = report.steps.iter().map(|step| step.seconds()).collect();
    let peak_rss_mb = host::peak_memory().map(|bytes| bytes as f64 / f64::from(1 << 20));
    Ok(Measured { report, seconds, peak_rss_mb })
}

fn text(measured: &Measured) -> String {
    let Measured { report, peak_rss_mb, .. } = measured;
    let (size, machine) = (report.size, &report.machine);
    let mut lines = vec![
        format!(
            "SDUMC, {:.2} million parameters; {} clips of {} frames of audio, {} rows of text and {} frames of video",
            report.parameters as f64 / 1e6,
            size.clips,
            size.audio,
            size.text,
            size.video
        ),
        format!("{} cores; on {}", machine.cores, machine.device),
        String::new(),
        format!("  {:>8}{:>10}{:>10}{:>10}", "step, s", "losses", "backward", "update"),
    ];
    lines.extend(report.steps.iter().map(row));
    lines.push(String::new());
    lines.push(format!("median of {} steps: {:.3} s", report.steps.len(), report.median()));
    if let (Some(rate), Some(floor), Some(ratio)) = (report.gflop_per_s, report.floor_s, report.to_floor) {
        lines.push(format!(
            "its projections are {:.0} GFLOP: {floor:.3} s at the {rate:.0} GFLOP/s that plain products reach here; the \
             step takes {ratio:.2} times that",
            report.gflop
        ));
    }
    lines.extend(peak_rss_mb.map(|peak| format!("peak memory: {peak:.0} MiB")));
    lines.join("\n") + "\n"
}

fn row(step: &Step) -> String {
    format!("  {:>8.3}{:>10.3}{:>10.3}{:>10.3}", step.seconds(), step.losses, step.backward, step.update)
}
