//! `affekt train`: a method learns from cached features; running it again goes on.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use affekt_core::FeatureKind;
use affekt_pipelines::device;
use affekt_pipelines::train::data::Source;
use affekt_pipelines::train::{self, Config, Plan, Request};
use affekt_report::Failure;
use affekt_report::training::file::{self, PAGE};
use affekt_report::training::{Comparison, Training};
use candle_core::Device;
use serde::Serialize;
use time::OffsetDateTime;

use super::batch::{INTERRUPTED, Refusal, interruptible, refusal};
use super::made::made;
use crate::cli::{self, Global};
use crate::progress::Progress;
use crate::{host, output};

/// Runs the command: exit 0 where the run has ended, 130 where it was interrupted, 1 where it could not run or failed.
pub fn run(flags: &cli::Train, global: &Global) -> ExitCode {
    match go(flags, global) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::failure(&Failure::new(flags.out.display().to_string(), &*error), global.json);
            if is_interruption(&*error) { ExitCode::from(INTERRUPTED) } else { ExitCode::FAILURE }
        }
    }
}

fn go(flags: &cli::Train, global: &Global) -> Result<(), Refusal> {
    let trainer = Trainer::new(&flags.labelled, flags.tensorboard, global)?;
    let config = |seed: Option<u64>| configured(flags, seed);
    let Some(seeds) = flags.seeds else {
        let training = trainer.train(&flags.config, config(flags.seed)?, &flags.out)?;
        tell(&training, &flags.out, global);
        return Ok(());
    };
    let mut runs = Vec::new();
    for seed in 1..=seeds {
        let out = flags.out.join(format!("seed-{seed}"));
        runs.push((out.display().to_string(), trainer.train(&flags.config, config(Some(seed))?, &out)?));
    }
    compare(&runs, &flags.out, global)
}

/// The configuration that the flags ask for.
fn configured(flags: &cli::Train, seed: Option<u64>) -> Result<Config, Refusal> {
    let mut changes = flags.changes.clone();
    changes.extend(seed.map(|seed| format!("seed={seed}")));
    let config = Config::read(&flags.config, &changes).map_err(refusal)?;
    if let Some(wanted) = flags.method.as_ref().filter(|wanted| **wanted != config.method) {
        train::methods::named(wanted).map_err(refusal)?;
        let (found, wanted) = (config.method, wanted.clone());
        return Err(refusal(train::Error::OtherMethod { config: flags.config.clone(), found, wanted }));
    }
    Ok(config)
}

/// What several runs of one command share.
pub struct Trainer<'f> {
    labelled: &'f cli::Labelled,
    recipes: BTreeMap<FeatureKind, String>,
    device: Device,
    tensorboard: bool,
    global: &'f Global,
    stop: Arc<AtomicBool>,
}

impl<'f> Trainer<'f> {
    /// On the clips that the flags name.
    pub fn new(labelled: &'f cli::Labelled, tensorboard: bool, global: &'f Global) -> Result<Self, Refusal> {
        Ok(Self {
            labelled,
            recipes: labelled.recipes.iter().cloned().collect(),
            device: device::named(&labelled.device).map_err(refusal)?,
            tensorboard,
            global,
            stop: interruptible().map_err(refusal)?,
        })
    }

    /// The run of `config`, which is called `name`, in the folder `out`.
    pub fn train(&self, name: &str, config: Config, out: &Path) -> Result<Training, Refusal> {
        let plan = Plan::new(Config::called(name), config, &self.source()).map_err(refusal)?;
        let progress = Progress::new(self.global);
        let request = Request {
            plan: &plan,
            out,
            device: &self.device,
            started: host::utc(OffsetDateTime::now_utc()),
            made: made(),
            tensorboard: self.tensorboard,
            stop: &self.stop,
            peak_memory: &host::peak_memory,
            reporter: &progress,
        };
        let trained = train::train(&request);
        progress.clear();
        trained.map_err(refusal)
    }

    /// Where the clips lie.
    pub fn source(&self) -> Source<'_> {
        Source {
            cache: &self.labelled.cache,
            recipes: &self.recipes,
            labels: &self.labelled.labels,
            split_column: self.labelled.split_column.as_deref(),
        }
    }
}

/// What `--json` tells at the end.
#[derive(Serialize)]
struct Ended<'r> {
    event: &'static str,
    run: &'r Path,
    #[serde(flatten)]
    training: &'r Training,
}

fn tell(training: &Training, out: &Path, global: &Global) {
    if global.json {
        return output::json(&Ended { event: "ended", run: out, training });
    }
    let named = [(out.display().to_string(), training.clone())];
    output::data(&Comparison::of(&named).to_text(output::width()));
    if !global.quiet {
        output::note(&format!("{}: the page to look at\n", out.join(PAGE).display()));
    }
}

/// Several runs as a table, on stdout and in `out`: `runs.csv`, `runs.html`, `runs.json`.
fn compare(runs: &[(String, Training)], out: &Path, global: &Global) -> Result<(), Refusal> {
    let comparison = Comparison::of(runs);
    let write = |name: &str, text: &str| file::write(&out.join(name), text).map_err(refusal);
    write("runs.csv", &comparison.to_csv())?;
    write("runs.html", &comparison.to_html(&made()))?;
    write("runs.json", &comparison.to_json())?;
    if global.json {
        output::json(&comparison);
    } else {
        output::data(&comparison.to_text(output::width()));
    }
    Ok(())
}

fn is_interruption(error: &dyn affekt_core::Explain) -> bool {
    error.kind() == affekt_core::ErrorKind::Interrupted
}
