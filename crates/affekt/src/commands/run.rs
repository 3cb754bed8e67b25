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
    /// Of the last repeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<run::Search>,
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
    let (mut outputs, mut search) = (run::Outputs::new(), None);
    for _ in 0..flags.repeat {
        // Two results at once would count twice in the peak of memory.
        outputs.clear();
        let start = Instant::now();
        (outputs, search) = forward()?;
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
    if let (Some(search), Some(seconds)) = (&mut search, seconds.last()) {
        search.took(*seconds);
    }
    Ok(Measured { seconds, peak_rss_mb, search })
}
