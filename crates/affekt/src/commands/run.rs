//! `affekt run`: loads a network, runs it on tensors, prints seconds and peak memory.

use std::process::ExitCode;
use std::time::Instant;

use affekt_pipelines::Error;
use affekt_weights::tensors;
use candle_core::Device;
use serde::Serialize;

use crate::cli::{self, Global};
use crate::{host, output, run};

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
    let peak_rss_mb = host::peak_memory().map(|bytes| bytes as f64 / f64::from(1 << 20));
    Ok(Measured { seconds, peak_rss_mb })
}
