//! `affekt bench gpu`: every network on a GPU, beside PyTorch and beside the GPU's limits.

mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use affekt_pipelines::bench::gpu::{Peer, Plan, Report, Scale, Stage, measure};
use affekt_pipelines::{Error, device};
use affekt_report::Failure;

use crate::cli::{self, Global, Sizes};
use crate::commands::batch::{Refusal, refusal};
use crate::output;

/// Names a Python with PyTorch and transformers.
const PYTHON: &str = "AFFEKT_PYTHON";

/// Runs the command: exit 0 where everything was measured and both programs had the same networks, 1 where not.
pub fn run(flags: &cli::BenchGpu, global: &Global) -> ExitCode {
    let report = match measured(flags, global) {
        Ok(report) => report,
        Err(error) => {
            output::failure(&Failure::new("bench gpu", &*error), global.json);
            return ExitCode::FAILURE;
        }
    };
    if global.json {
        output::json(&report);
    } else {
        output::data(&table::text(&report));
    }
    let saved = output::saved(flags.save.as_deref(), &report);
    let same = report.agreements.iter().all(|agreement| agreement.same);
    if same && saved { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measured(flags: &cli::BenchGpu, global: &Global) -> Result<Report, Refusal> {
    let device = device::named(&flags.device).map_err(refusal)?;
    let scale = match flags.scale {
        Sizes::Published => Scale::Published,
        Sizes::Tiny => Scale::Tiny,
    };
    if device.is_cpu() && scale == Scale::Published {
        let reason =
            "the published sizes want a GPU: name one with --device, or see with --scale tiny that it works";
        return Err(refusal(Error::Setting { name: "--scale".into(), reason: reason.into() }));
    }
    let stages = if flags.only.is_empty() { Stage::ALL.to_vec() } else { flags.only.clone() };
    let plan = Plan { device: &device, scale, stages: &stages, peer: peer(flags), runs: flags.runs.into() };
    let tell = |what: &str| {
        if !global.quiet {
            output::note(&format!("{what}\n"));
        }
    };
    measure(&plan, &tell).map_err(refusal)
}

/// The flag's Python, else the environment's.
fn peer(flags: &cli::BenchGpu) -> Result<Peer, String> {
    let set = || std::env::var_os(PYTHON).filter(|value| !value.is_empty()).map(PathBuf::from);
    let Some(python) = flags.peer.clone().or_else(set) else {
        return Err(format!("no Python with PyTorch is named, by --peer or {PYTHON}"));
    };
    if !flags.script.is_file() {
        return Err(format!("there is no {}: name it with --script", flags.script.display()));
    }
    Ok(Peer { python, script: flags.script.clone() })
}
