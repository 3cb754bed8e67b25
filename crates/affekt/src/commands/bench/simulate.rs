//! `affekt bench simulate`: the language model with one clip at a time and with many, what limits it, and what all of MOSEI
//! would take.

use std::process::ExitCode;

use affekt::bundles;
use affekt_pipelines::bench::simulate::{Error, FEATURES, Report, Voices, measure};
use affekt_pipelines::device;
use affekt_pipelines::networks::Encoders;
use affekt_pipelines::recipe::Recipes;
use affekt_report::Failure;

use super::rates;
use crate::cli::{self, Global};
use crate::commands::batch::{Refusal, refusal};
use crate::output;
use crate::progress::Progress;

/// Runs the command: exit 0 where everything was measured, 1 where not, or where a clip's text depends on the others.
pub fn run(flags: &cli::BenchSimulate, global: &Global) -> ExitCode {
    match measured(flags, global) {
        Ok(report) if global.json => output::json(&report),
        Ok(report) => output::data(&rates::text(&report)),
        Err(error) => {
            output::failure(&Failure::new("bench simulate", &*error), global.json);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn measured(flags: &cli::BenchSimulate, global: &Global) -> Result<Report, Refusal> {
    let prompt = flags.recipe.prompt().map_err(refusal)?;
    let device = device::named(&flags.device).map_err(refusal)?;
    let bundle = bundles::open(&flags.models).map_err(refusal)?;
    let mut recipes = Recipes::of(&bundle).map_err(refusal)?;
    flags.recipe.change(prompt, &mut recipes.simulated);
    recipes.check().map_err(refusal)?;
    let encoders = Encoders::load(&bundle, &recipes, &FEATURES, &device).map_err(refusal)?;
    let voices = voices(flags, &encoders).map_err(refusal)?;
    let mut in_flight: Vec<usize> = flags.in_flight.iter().map(|&clips| clips.into()).collect();
    in_flight.sort_unstable();
    in_flight.dedup();
    let progress = Progress::new(global);
    let report = measure(&encoders, &voices, &in_flight, flags.kv_memory, &progress);
    progress.clear();
    report.map_err(refusal)
}

fn voices(flags: &cli::BenchSimulate, encoders: &Encoders) -> Result<Voices, Error> {
    let count = flags.clips as usize;
    match &flags.cache {
        Some(cache) => Voices::cached(encoders, cache, flags.speech.map(cli::Store::name), count),
        None => Voices::drawn_for(encoders, count),
    }
}
