//! `affekt ablate`: every row of the paper's table, over several seeds; running it again goes on.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use affekt_core::{ErrorKind, Explain};
use affekt_pipelines::train::ablate::{Ablation, Failed, in_order};
use affekt_pipelines::train::{Config, Error, Plan};
use affekt_report::Failure;
use affekt_report::training::Training;
use serde::Serialize;

use super::batch::{INTERRUPTED, Refusal, refusal};
use super::train::Trainer;
use crate::cli::{self, Global};
use crate::output;

/// What `--json` tells before each run: the epochs that follow are its own.
#[derive(Serialize)]
struct Begun<'r> {
    event: &'static str,
    config: &'r str,
    seed: u64,
    /// From 1.
    number: usize,
    runs: usize,
    /// Its folder.
    run: &'r Path,
}

/// What `--json` tells at the end.
#[derive(Serialize)]
struct Ended<'a> {
    event: &'static str,
    #[serde(flatten)]
    ablation: &'a Ablation,
}

/// Why a configuration cannot be run.
#[derive(Debug, thiserror::Error)]
#[error("{config}: {error}")]
struct Unfit {
    config: String,
    error: Refusal,
}

impl Explain for Unfit {
    fn kind(&self) -> ErrorKind {
        self.error.kind()
    }

    fn hint(&self) -> Option<String> {
        self.error.hint()
    }
}

/// Runs the command: exit 0 where every run has ended, 2 where some failed, 130 where it was interrupted, 1 where it could not
/// run or every run failed.
pub fn run(flags: &cli::Ablate, global: &Global) -> ExitCode {
    let ended = Job::new(flags, global).and_then(|mut job| job.work());
    ended.unwrap_or_else(|error| {
        output::failure(&Failure::new(flags.out.display().to_string(), &*error), global.json);
        ExitCode::FAILURE
    })
}

/// The runs that there shall be, and those that are done.
struct Job<'f> {
    flags: &'f cli::Ablate,
    global: &'f Global,
    trainer: Trainer<'f>,
    /// As they were named.
    configs: Vec<String>,
    runs: Vec<(String, Training)>,
    failed: Vec<Failed>,
}

impl<'f> Job<'f> {
    /// Everything checked that can be known before the first run.
    fn new(flags: &'f cli::Ablate, global: &'f Global) -> Result<Self, Refusal> {
        let trainer = Trainer::new(&flags.labelled, false, global)?;
        let configs = in_order(&flags.configs);
        let job = Self { flags, global, trainer, configs, runs: Vec::new(), failed: Vec::new() };
        let mut called = BTreeMap::new();
        for name in &job.configs {
            let unfit = |error| refusal(Unfit { config: name.clone(), error });
            job.check(name, &mut called).map_err(unfit)?;
        }
        Ok(job)
    }

    fn check<'n>(&self, name: &'n str, called: &mut BTreeMap<String, &'n str>) -> Result<(), Refusal> {
        let config = self.config(name, 1)?;
        if let Some(other) = called.insert(Config::called(name), name) {
            let reason = format!("its runs would go where those of {other} go: give its file another name");
            return Err(refusal(Error::Config { name: name.into(), reason }));
        }
        Plan::new(Config::called(name), config, &self.trainer.source()).map_err(refusal)?;
        Ok(())
    }

    fn config(&self, name: &str, seed: u64) -> Result<Config, Refusal> {
        let mut changes = self.flags.changes.clone();
        changes.push(format!("seed={seed}"));
        Config::read(name, &changes).map_err(refusal)
    }

    /// Seed by seed, so that the table has all its rows early.
    fn work(&mut self) -> Result<ExitCode, Refusal> {
        let configs = std::mem::take(&mut self.configs);
        let seeds = self.flags.seeds;
        let all = configs.len() * seeds as usize;
        for seed in 1..=seeds {
            for name in &configs {
                let called = Config::called(name);
                let out = self.flags.out.join(&called).join(format!("seed-{seed}"));
                let number = self.runs.len() + self.failed.len() + 1;
                self.tell(&Begun { event: "run", config: &called, seed, number, runs: all, run: &out });
                if let Some(code) = self.one(name, seed, &out)? {
                    return Ok(code);
                }
            }
        }
        let ablation = self.save()?;
        if self.global.json {
            output::json(&Ended { event: "ended", ablation: &ablation });
        } else {
            output::data(&ablation.to_text(output::width()));
        }
        Ok(output::exit_code(all, self.failed.len()))
    }

    fn tell(&self, begun: &Begun) {
        let Begun { config, seed, number, runs, .. } = begun;
        if self.global.json {
            output::json(begun);
        } else if !self.global.quiet {
            output::note(&format!("{config}, seed {seed} (run {number} of {runs})\n"));
        }
    }

    /// One run. Where it fails, the others go on; the exit code where it was interrupted.
    fn one(&mut self, name: &str, seed: u64, out: &Path) -> Result<Option<ExitCode>, Refusal> {
        match self.config(name, seed).and_then(|config| self.trainer.train(name, config, out)) {
            Ok(training) => {
                self.runs.push((out.display().to_string(), training));
                self.save()?;
            }
            Err(error) => {
                output::failure(&Failure::new(out.display().to_string(), &*error), self.global.json);
                if error.kind() == ErrorKind::Interrupted {
                    return Ok(Some(ExitCode::from(INTERRUPTED)));
                }
                self.failed.push(Failed { config: Config::called(name), seed, reason: error.to_string() });
            }
        }
        Ok(None)
    }

    /// The table of the runs so far, in its files.
    fn save(&self) -> Result<Ablation, Refusal> {
        let ablation = Ablation::of(&self.runs, self.failed.clone());
        ablation.save(&self.flags.out, &super::made::made()).map_err(refusal)?;
        Ok(ablation)
    }
}
