//! `affekt extract`: the features of a dataset's clips into a cache; running it again goes on.

mod record;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use affekt::{Error, Extractor};
use affekt_core::{Explain, Seconds};
use affekt_pipelines::dataset::{Manifest, Severity, Source};
use affekt_pipelines::extract::{Plan, Settings};
use affekt_pipelines::isolate;
use affekt_report::Failure;
use affekt_report::run::{Ending, RunRecord};
use candle_core::Device;
use serde::Serialize;

use super::worker;
use crate::cli::{self, Global};
use crate::launch;
use crate::output;
use crate::progress::Progress;

/// Exit code of a run that was interrupted: that of a program killed by Ctrl-C.
const INTERRUPTED: u8 = 130;

/// What `extract --json` tells at the end.
#[derive(Serialize)]
struct Ended<'r> {
    event: &'static str,
    /// The file of the record.
    path: &'r Path,
    #[serde(flatten)]
    run: &'r RunRecord,
}

/// Runs the command: exit 0 where every clip is done or absent, 2 where some have failed, 130 where it was interrupted, 1 where
/// it could not run, or not to its end, or every clip failed.
pub fn run(flags: &cli::Extract, global: &Global) -> ExitCode {
    let started = launch::moment();
    let refused = |error: &dyn Explain| {
        output::failure(&Failure::new(&flags.dataset.name, error), global.json);
        ExitCode::FAILURE
    };
    match prepare(flags, global, started) {
        Ok(run) => run.go(global),
        Err(error) => refused(&*error),
    }
}

/// Set by the first Ctrl-C from here on, or the first request to terminate; the second ends the process. Before the work
/// there is nothing to commit, and the first one ends it.
fn interruptible() -> Result<Arc<AtomicBool>, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, stop.clone())
            .and_then(|_| signal_hook::flag::register(signal, stop.clone()))
            .map_err(|error| Error::Setting { name: "signals".into(), reason: error.to_string() })?;
    }
    Ok(stop)
}

/// A run that can begin.
struct Run {
    /// Wall time of the work itself.
    worked: Seconds,
    started: Instant,
    extractor: Extractor,
    plan: Plan,
    settings: Settings,
    record: RunRecord,
    path: PathBuf,
    cache: PathBuf,
}

type Refusal = Box<dyn Explain>;

fn refusal(error: impl Explain + 'static) -> Refusal {
    Box::new(error)
}

fn prepare(flags: &cli::Extract, global: &Global, started: Instant) -> Result<Run, Refusal> {
    let manifest = manifest(flags, global).map_err(refusal)?;
    let extractor = extractor(flags).map_err(refusal)?;
    let plan = extractor.plan(&manifest, &flags.cache, flags.retry_failed).map_err(refusal)?;
    let settings = settings(flags, extractor.device());
    let record = record::begun(flags, &extractor, &plan, &settings).map_err(refusal)?;
    let path = record.path(&flags.cache, std::process::id());
    Ok(Run {
        worked: Seconds::ZERO,
        started,
        extractor,
        plan,
        settings,
        record,
        path,
        cache: flags.cache.clone(),
    })
}

/// The clips that this run is about. With labels, those that have one.
fn manifest(flags: &cli::Extract, global: &Global) -> Result<Manifest, Error> {
    let cli::Dataset { name, root, labels } = &flags.dataset;
    let source = Source { dataset: name, root: root.as_deref(), labels: labels.as_deref() };
    let mut manifest = Manifest::read(&source)?.sound()?;
    let note = |text: String| {
        if !global.quiet {
            output::note(&(text + "\n"));
        }
    };
    let grave = manifest.problems.iter().filter(|problem| problem.severity == Severity::Error);
    if let (Some(first), count) = (grave.clone().next(), grave.count()) {
        note(format!(
            "warning: {count} problems in the dataset, the first: {first}; `affekt inventory` has them all"
        ));
    }
    let none = |name: &str, reason: String| Error::Setting { name: name.into(), reason };
    if manifest.rows.is_empty() {
        return Err(none("--dataset", format!("{name} has no clips")));
    }
    if let Some(labels) = labels {
        let all = manifest.rows.len();
        manifest.rows.retain(|row| row.label.is_some());
        let left_out = all - manifest.rows.len();
        if manifest.rows.is_empty() {
            return Err(none("--labels", format!("{} labels none of the {all} clips", labels.display())));
        }
        if left_out > 0 {
            note(format!("{left_out} of {all} clips have no label: they are left out"));
        }
    }
    match flags.shard {
        Some(cli::Share { index, count }) => Ok(manifest.shard(index, count)?),
        None => Ok(manifest),
    }
}

fn extractor(flags: &cli::Extract) -> Result<Extractor, Error> {
    let making = &flags.making;
    let extractor = Extractor::open(&making.models, &making.device, &making.kinds(), making.store.name())?;
    match making.detector.yunet() {
        Some((weights, namer)) => {
            extractor.with_yunet(&weights).map_err(|source| Error::named_by(namer, source))
        }
        None => Ok(extractor),
    }
}

fn settings(flags: &cli::Extract, device: &Device) -> Settings {
    let default = isolate::Settings::default();
    let limit = Duration::from_secs(flags.time_limit.into());
    let isolation = isolate::Settings { workers: flags.making.workers(), limit, ..default };
    let batch = flags.making.batch(device);
    Settings { isolation, batch, commit_every: flags.commit_every as usize, max_failures: flags.max_failures }
}

impl Run {
    fn go(mut self, global: &Global) -> ExitCode {
        let place = self.cache.display().to_string();
        let refused = |error: &dyn Explain| {
            output::failure(&Failure::new(place.clone(), error), global.json);
            ExitCode::FAILURE
        };
        // The record is there before the work, in case that this process is killed.
        if let Err(error) = self.record.save(&self.path) {
            return refused(&error);
        }
        let code = self.work(global).unwrap_or_else(|error| {
            self.record.message.get_or_insert_with(|| error.to_string());
            self.record.ended_by = Ending::Failed;
            refused(&*error)
        });
        record::close(&mut self.record, Seconds(self.started.elapsed().as_secs_f64()), self.worked);
        let saved = self.record.save(&self.path);
        self.tell(global);
        saved.map_or_else(|error| refused(&error), |()| code)
    }

    /// Makes what is lacking.
    fn work(&mut self, global: &Global) -> Result<ExitCode, Refusal> {
        let before = self.plan.failed_before.len();
        self.record.seconds.start = Seconds(self.started.elapsed().as_secs_f64()).rounded();
        if self.plan.recordings.is_empty() {
            self.record.ended_by = Ending::Finished;
            return Ok(self.code(before));
        }
        let program = worker::program().map_err(refusal)?;
        let encoders = self.extractor.load(&self.plan).map_err(refusal)?;
        let stop = interruptible().map_err(refusal)?;
        let progress = Progress::new(global);
        let outcome = self.extractor.run(&self.plan, &encoders, program, &self.settings, &stop, &progress);
        progress.clear();
        let outcome = outcome.map_err(refusal)?;
        self.worked = outcome.elapsed;
        self.record.seconds.start = Seconds(self.started.elapsed().as_secs_f64() - self.worked.0).rounded();
        record::end(&mut self.record, outcome, &self.plan);
        Ok(self.code(before))
    }

    /// The exit code, where `before` clips had failed in earlier runs and were left alone.
    fn code(&self, before: usize) -> ExitCode {
        match self.record.ended_by {
            Ending::Interrupted => ExitCode::from(INTERRUPTED),
            Ending::Finished => output::exit_code(self.plan.clips, before + self.record.clips.failed),
            _ => ExitCode::FAILURE,
        }
    }

    fn tell(&self, global: &Global) {
        if global.json {
            return output::json(&Ended { event: "ended", path: &self.path, run: &self.record });
        }
        if !global.quiet {
            output::data(&self.record.summary(&self.path));
            let before = self.plan.failed_before.len();
            if before > 0 {
                let again = "--retry-failed takes them up again";
                output::data(&format!("  {before} clips failed in earlier runs: {again}\n"));
            }
        }
        // What ended the run before its time is said even where nothing else is.
        match (&self.record.message, self.record.ended_by) {
            (Some(message), Ending::Interrupted) => output::note(&format!("interrupted: {message}\n")),
            (Some(message), Ending::Failed | Ending::Stopped) if self.worked > Seconds::ZERO => {
                output::note(&format!("error: {message}\n"));
            }
            _ => {}
        }
    }
}
