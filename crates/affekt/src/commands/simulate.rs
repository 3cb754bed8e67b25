//! `affekt simulate`: text simulated from cached speech, anew; running it again goes on.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use affekt::{Error, Simulator};
use affekt_cache::Store;
use affekt_core::Explain;
use affekt_pipelines::batch::Outcome;
use affekt_pipelines::dataset::Row;
use affekt_pipelines::recipe::SimulatedRecipe;
use affekt_pipelines::simulate::{Plan, Settings, agreement, source};
use affekt_report::Failure;
use affekt_report::agreement::{About, Agreement};
use affekt_report::run::Ending;
use serde_json::json;
use time::OffsetDateTime;

use super::batch::record::{Beginning, begun};
use super::batch::{Refusal, Run, interruptible, refusal};
#[cfg(feature = "media")]
use super::speech;
use crate::cli::{self, Global};
use crate::progress::Progress;
use crate::{host, launch, output};

/// How speech comes into a cache.
const HEAR: &str = "--dataset and --root say where to hear it, or `affekt extract --features speech` does";

/// Runs the command: exit 0 where every clip is done or absent, 2 where some have failed, 130 where it was interrupted, 1 where
/// it could not run, or not to its end, or every clip failed.
pub fn run(flags: &cli::Simulate, global: &Global) -> ExitCode {
    let started = launch::moment();
    let mut job = match Job::new(flags) {
        Ok(job) => job,
        Err(error) => return refused(flags, global, &*error),
    };
    match job.go(global, started) {
        Ok(code) => code,
        Err(error) => refused(flags, global, &*error),
    }
}

fn refused(flags: &cli::Simulate, global: &Global, error: &dyn Explain) -> ExitCode {
    let place = flags.dataset.clone().unwrap_or_else(|| flags.cache.display().to_string());
    output::failure(&Failure::new(place, error), global.json);
    ExitCode::FAILURE
}

/// What the command line asks for, checked.
struct Job<'f> {
    flags: &'f cli::Simulate,
    simulator: Simulator,
}

impl<'f> Job<'f> {
    fn new(flags: &'f cli::Simulate) -> Result<Self, Refusal> {
        if let Some(path) = &flags.agreement {
            Agreement::check(path).map_err(refusal)?;
        }
        let prompt = flags.recipe.prompt().map_err(refusal)?;
        let change = |recipe: &mut SimulatedRecipe| flags.recipe.change(prompt, recipe);
        let simulator = Simulator::open(&flags.models, &flags.device, change).map_err(refusal)?;
        let there = flags.dataset.is_some() || flags.cache.is_dir();
        if !there {
            let reason = format!("there is no folder {}: {HEAR}", flags.cache.display());
            return Err(refusal(Error::Setting { name: "--cache".into(), reason }));
        }
        Ok(Self { flags, simulator })
    }

    fn go(&mut self, global: &Global, started: Instant) -> Result<ExitCode, Refusal> {
        self.refuse_other_speech()?;
        let mut rows = self.rows(global)?;
        let mut heard = None;
        if let Some(rows) = &rows
            && self.lacks_speech(rows)?
        {
            let (code, ending) = self.hear(rows, global)?;
            if ending != Ending::Finished {
                return Ok(code);
            }
            heard = Some(Instant::now());
        }
        let speech = self.speech()?.ok_or_else(|| refusal(self.no_speech()))?;
        let rows = match rows.take() {
            Some(rows) => rows,
            None => self.cached(&speech)?,
        };
        let store = self.flags.store.map_or(speech.spec().dtype.clone(), |store| store.name().into());
        let plan = self.simulator.plan(&rows, speech, &self.flags.cache, &store, self.flags.retry_failed);
        let plan = plan.map_err(refusal)?;
        if plan.reworded > 0 && !global.quiet {
            let count = plan.reworded;
            output::note(&format!(
                "{count} clips have other words in the dataset than their text was held against: their rows keep those \
                 error rates, and --agreement takes the dataset's words\n"
            ));
        }
        let (code, _) = self.simulate(&plan, global, heard.unwrap_or(started))?;
        self.compare(&rows, &plan, global)?;
        Ok(code)
    }

    /// The clips of the dataset; `None` where none is named.
    fn rows(&self, global: &Global) -> Result<Option<Vec<Row>>, Refusal> {
        let Some(name) = self.flags.dataset.clone() else { return Ok(None) };
        let (root, labels) = (self.flags.root.clone(), self.flags.labels.clone());
        let dataset = cli::Dataset { name, root, labels };
        let manifest = super::manifest::read(&dataset, self.flags.shard, global).map_err(refusal)?;
        Ok(Some(manifest.rows))
    }

    /// The clips of the cache.
    fn cached(&self, speech: &Store) -> Result<Vec<Row>, Refusal> {
        let rows = source::clips(&self.flags.cache, speech).map_err(refusal)?;
        Ok(match self.flags.shard {
            Some(cli::Share { index, count }) => source::share(rows, index, count),
            None => rows,
        })
    }

    fn speech(&self) -> Result<Option<Store>, Refusal> {
        let store = self.flags.speech.map(cli::Store::name);
        self.simulator.speech(&self.flags.cache, store).map_err(refusal)
    }

    /// Refuses a type that `--speech` names and the cache has not, where it has others: to hear all clips again would be an
    /// accident.
    fn refuse_other_speech(&self) -> Result<(), Refusal> {
        let Some(wanted) = self.flags.speech else { return Ok(()) };
        if self.speech()?.is_some() {
            return Ok(());
        }
        let (cache, types) = (&self.flags.cache, [cli::Store::F32, cli::Store::F16, cli::Store::Bf16]);
        let mut kept = Vec::new();
        for store in types {
            let found = self.simulator.speech(cache, Some(store.name())).map_err(refusal)?;
            kept.extend(found.map(|_| store.name()));
        }
        if kept.is_empty() {
            return Ok(());
        }
        let reason = format!(
            "{} has speech kept as {}, not as {}",
            cache.display(),
            kept.join(" and "),
            wanted.name()
        );
        Err(refusal(Error::Setting { name: "--speech".into(), reason }))
    }

    fn lacks_speech(&self, rows: &[Row]) -> Result<bool, Refusal> {
        let speech = self.speech()?;
        let is_there = |row: &Row| {
            let clip = speech.as_ref().and_then(|speech| speech.clip(&row.id));
            clip.is_some_and(|clip| !(clip.is_failed() && self.flags.retry_failed))
        };
        Ok(!rows.iter().all(is_there))
    }

    fn no_speech(&self) -> Error {
        Error::Setting {
            name: "--cache".into(),
            reason: format!(
                "{} has no speech by the bundle {}: {HEAR}",
                self.flags.cache.display(),
                self.simulator.bundle().name()
            ),
        }
    }

    /// Hears the clips whose speech the cache lacks.
    #[cfg(feature = "media")]
    fn hear(&self, rows: &[Row], global: &Global) -> Result<(ExitCode, Ending), Refusal> {
        let kept = self.speech()?.map(|speech| speech.spec().dtype.clone());
        let asked = self.flags.speech.or(self.flags.store).map(|store| store.name().to_owned());
        let store = kept.or(asked).unwrap_or_else(|| "f32".into());
        speech::hear(self.flags, rows, &store, global)
    }

    #[cfg(not(feature = "media"))]
    fn hear(&self, _rows: &[Row], _global: &Global) -> Result<(ExitCode, Ending), Refusal> {
        Err(refusal(Error::Setting {
            name: "--dataset".into(),
            reason: "it has clips without speech in the cache, and this affekt was built without media to hear them".into(),
        }))
    }

    fn simulate(
        &self,
        plan: &Plan,
        global: &Global,
        started: Instant,
    ) -> Result<(ExitCode, Ending), Refusal> {
        let settings = Settings {
            generation: self.flags.generating.allowance(self.simulator.devices()),
            commit_every: self.flags.commit_every as usize,
            max_failures: self.flags.max_failures,
        };
        let beginning = Beginning {
            bundle: self.simulator.bundle(),
            networks: self.simulator.networks(),
            devices: self.simulator.devices(),
            specs: plan.stores.iter().map(|store| store.spec().clone()).collect(),
            held: &[plan.held],
            tasks: plan.tasks.len(),
            config: self.config(plan, &settings),
        };
        let record = begun(beginning).map_err(refusal)?;
        let run = Run::new(record, plan.scope(), &self.flags.cache, started);
        Ok(run.go(global, || self.work(plan, &settings, global)))
    }

    fn work(&self, plan: &Plan, settings: &Settings, global: &Global) -> Result<Outcome, Refusal> {
        let encoders = self.simulator.load().map_err(refusal)?;
        let stop = interruptible().map_err(refusal)?;
        let progress = Progress::new(global);
        let outcome = self.simulator.run(plan, &encoders, settings, &stop, &progress);
        progress.clear();
        outcome.map_err(refusal)
    }

    /// Every flag with the value that counts, defaults included.
    fn config(&self, plan: &Plan, settings: &Settings) -> serde_json::Value {
        let (flags, recipe) = (self.flags, self.simulator.recipe());
        json!({
            "dataset": flags.dataset,
            "root": flags.root,
            "labels": flags.labels,
            "cache": flags.cache,
            "speech": plan.speech.spec().folder(),
            "models": flags.models,
            "device": flags.device,
            "mode": recipe.mode.name(),
            "layers": recipe.layers,
            "prompt": recipe.prompt.text(),
            "beams": recipe.beams,
            "max_new_tokens": recipe.max_new_tokens,
            "robust": recipe.robust,
            "store": plan.stores[0].spec().dtype,
            "shard": flags.shard.map(|share| share.to_string()),
            "max_failures": settings.max_failures,
            "retry_failed": flags.retry_failed,
            "in_flight": settings.generation.clips,
            "kv_memory_bytes": settings.generation.bytes,
            "commit_every": settings.commit_every,
            "agreement": flags.agreement,
        })
    }

    /// Writes the report of clips whose words disagree, where it is asked for.
    fn compare(&self, rows: &[Row], plan: &Plan, global: &Global) -> Result<(), Refusal> {
        let Some(path) = &self.flags.agreement else { return Ok(()) };
        // What this run has committed is in shards that have come since.
        let simulated = Store::open(&self.flags.cache, plan.stores[0].spec()).map_err(refusal)?;
        let agreement = agreement(self.about(&simulated, path), rows, &simulated);
        agreement.write(path).map_err(refusal)?;
        if !global.quiet && !global.json {
            output::data(&agreement.summary());
            output::data(&format!("  agreement   {}\n", path.display()));
        }
        Ok(())
    }

    fn about(&self, simulated: &Store, path: &Path) -> About {
        let spec = simulated.spec();
        let title = self.flags.dataset.clone().unwrap_or_else(|| self.flags.cache.display().to_string());
        let mut recipe = vec![
            ("bundle".to_owned(), self.simulator.bundle().name().to_owned()),
            ("feature".to_owned(), spec.folder()),
            ("language model".to_owned(), format!("{} ({})", spec.encoder, spec.weights.short())),
        ];
        recipe.extend(spec.preprocessing.iter().map(|step| ("step".to_owned(), step.clone())));
        let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
        About {
            warnings: self.simulator.caution().into_iter().collect(),
            title: format!("Agreement of {title}"),
            program: format!("affekt {}", env!("CARGO_PKG_VERSION")),
            command: words.collect::<Vec<_>>().join(" "),
            made: format!("{}, as {}", host::utc(OffsetDateTime::now_utc()), path.display()),
            recipe,
        }
    }
}
