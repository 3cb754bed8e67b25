//! `affekt run`: loads a network, runs it on tensors, prints seconds and peak memory.

use std::process::ExitCode;
use std::time::Instant;

use affekt_pipelines::Error;
use affekt_weights::tensors;
use candle_core::Device;
use serde::Serialize;

use crate::cli::{self, Global};
use crate::{output, run};

#[derive(Serialize)]
struct Measured {
    /// One a repeat, the forward pass only.
    seconds: Vec<f64>,
    /// Largest resident memory of the process so far.
    peak_rss_mb: Option<f64>,
}

/// Runs the command.
pub fn run(flags: &cli::Run, global: &Global) -> ExitCode {
    match measure(flags) {
        Ok(measured) => {
            output::json(&measured);
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::failed(&flags.input.display().to_string(), &error, global.json);
            ExitCode::FAILURE
        }
    }
}

fn measure(flags: &cli::Run) -> Result<Measured, Error> {
    let forward = run::prepare(flags)?;
    let mut seconds = Vec::new();
    let mut outputs = run::Outputs::new();
    for _ in 0..flags.repeat {
        // Two results at once would count twice in the peak of memory.
        outputs.clear();
        let start = Instant::now();
        outputs = forward()?;
        // A GPU works on after the call: the pass is over when its results are there.
        if let Some(tensor) = outputs.values().next() {
            tensor.device().synchronize()?;
        }
        seconds.push(start.elapsed().as_secs_f64());
    }
    for tensor in outputs.values_mut() {
        *tensor = tensor.to_device(&Device::Cpu)?.contiguous()?;
    }
    tensors::write(&flags.output, &outputs)?;
    Ok(Measured { seconds, peak_rss_mb: peak_rss_mb() })
}

/// Peak resident memory in MiB, where the system tells (Linux).
fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024.0)
}
