//! `affekt extract`: the features of a dataset's clips into a cache; running it again goes on.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use affekt::{Error, Extractor};
use affekt_core::Explain;
use affekt_pipelines::extract::{Outcome, Plan, Settings};
use affekt_pipelines::isolate;
use affekt_report::Failure;
use serde_json::json;

use super::batch::record::{Beginning, begun};
use super::batch::{Refusal, Run, interruptible, refusal};
use super::{manifest, worker};
use crate::cli::{self, Global};
use crate::launch;
use crate::output;
use crate::progress::Progress;

/// Runs the command: exit 0 where every clip is done or absent, 2 where some have failed, 130 where it was interrupted, 1 where
/// it could not run, or not to its end, or every clip failed.
pub fn run(flags: &cli::Extract, global: &Global) -> ExitCode {
    let started = launch::moment();
    let refused = |error: &dyn Explain| {
        output::failure(&Failure::new(&flags.dataset.name, error), global.json);
        ExitCode::FAILURE
    };
    match prepare(flags, global, started) {
        Ok((run, extractor, plan, settings)) => {
            run.go(global, || work(&extractor, &plan, &settings, global)).0
        }
        Err(error) => refused(&*error),
    }
}

/// Makes what `plan` lacks.
pub fn work(
    extractor: &Extractor,
    plan: &Plan,
    settings: &Settings,
    global: &Global,
) -> Result<Outcome, Refusal> {
    let program = worker::program().map_err(refusal)?;
    let encoders = extractor.load(plan).map_err(refusal)?;
    let stop = interruptible().map_err(refusal)?;
    let progress = Progress::new(global);
    let outcome = extractor.run(plan, &encoders, program, settings, &stop, &progress);
    progress.clear();
    outcome.map_err(refusal)
}

fn prepare(
    flags: &cli::Extract,
    global: &Global,
    started: Instant,
) -> Result<(Run, Extractor, Plan, Settings), Refusal> {
    flags.decode.check().map_err(refusal)?;
    let manifest = manifest::read(&flags.dataset, flags.shard, global).map_err(refusal)?;
    let extractor = extractor(flags).map_err(refusal)?;
    let plan = extractor.plan(&manifest, &flags.cache, flags.retry_failed).map_err(refusal)?;
    let settings = settings(flags, &extractor);
    let beginning = Beginning {
        bundle: extractor.bundle(),
        networks: extractor.networks(),
        devices: extractor.devices(),
        specs: extractor.specs().map_err(refusal)?,
        held: &plan.held,
        tasks: plan.tasks().count(),
        config: config(flags, &plan, &settings),
    };
    let record = begun(beginning).map_err(refusal)?;
    Ok((Run::new(record, plan.scope(), &flags.cache, started), extractor, plan, settings))
}

/// Every flag with the value that counts, defaults included.
fn config(flags: &cli::Extract, plan: &Plan, settings: &Settings) -> serde_json::Value {
    json!({
        "dataset": flags.dataset.name,
        "root": flags.dataset.root,
        "labels": flags.dataset.labels,
        "cache": flags.cache,
        "features": plan.stores.iter().map(|store| store.spec().kind.name()).collect::<Vec<_>>(),
        "transcript": flags.transcript.name(),
        "language": flags.language,
        "models": flags.making.models,
        "store": flags.making.store.name(),
        "shard": flags.shard.map(|share| share.to_string()),
        "max_failures": settings.max_failures,
        "retry_failed": flags.retry_failed,
        "workers": settings.isolation.workers,
        "time_limit": settings.isolation.limit.as_secs(),
        "worker_memory_bytes": settings.isolation.memory,
        "batch": settings.batch,
        "device": flags.making.device,
        "decode": settings.decoder.to_string(),
        "in_flight": settings.generation.clips,
        "kv_memory_bytes": settings.generation.bytes,
        "commit_every": settings.commit_every,
        "yunet": flags.making.detector.yunet().map(|(weights, _)| weights),
        "faces_device": flags.making.detector.faces_device,
    })
}

fn extractor(flags: &cli::Extract) -> Result<Extractor, Error> {
    let making = &flags.making;
    let extractor = Extractor::open(&making.models, &making.device, &making.kinds(), making.store.name())?
        .with_words(flags.transcript.into(), flags.language.as_deref())?;
    let extractor = match making.detector.yunet() {
        Some((weights, namer)) => {
            extractor.with_yunet(&weights).map_err(|source| Error::named_by(namer, source))?
        }
        None => extractor,
    };
    let device = &making.detector.faces_device;
    extractor.with_faces_on(device).map_err(|source| Error::named_by("--faces-device", source))
}

fn settings(flags: &cli::Extract, extractor: &Extractor) -> Settings {
    let devices = extractor.devices();
    let limit = Duration::from_secs(flags.time_limit.into());
    let memory = isolate::memory_of(flags.decode, &extractor.detector());
    Settings {
        isolation: isolate::Settings { workers: flags.making.workers(devices), limit, memory },
        batch: flags.making.batch(),
        decoder: flags.decode,
        generation: flags.making.generating.allowance(devices),
        commit_every: flags.commit_every as usize,
        max_failures: flags.max_failures,
    }
}
