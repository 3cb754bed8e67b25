//! The speech that `simulate` lacks, heard before it.

use std::process::ExitCode;
use std::time::Instant;

use affekt::Extractor;
use affekt_core::FeatureKind;
use affekt_pipelines::dataset::{Manifest, Row};
use affekt_pipelines::extract::Settings;
use affekt_pipelines::{device, isolate};
use affekt_report::run::Ending;
use candle_core::Device;
use serde_json::json;

use super::batch::record::{Beginning, begun};
use super::batch::{Refusal, Run, refusal};
use super::extract;
use crate::cli::{self, Global};

/// Makes the `speech` of the clips of `rows` that lack it, kept as `store`: an extraction with a record of its own.
pub fn hear(
    flags: &cli::Simulate,
    rows: &[Row],
    store: &str,
    global: &Global,
) -> Result<(ExitCode, Ending), Refusal> {
    let started = Instant::now();
    let extractor = Extractor::open(&flags.models, &flags.device, &[FeatureKind::Speech], store);
    let extractor = extractor.map_err(refusal)?;
    let manifest = Manifest::of(rows.to_vec());
    let plan = extractor.plan(&manifest, &flags.cache, flags.retry_failed).map_err(refusal)?;
    let settings = settings(flags, extractor.devices());
    let beginning = Beginning {
        bundle: extractor.bundle(),
        networks: extractor.networks(),
        devices: extractor.devices(),
        specs: extractor.specs().map_err(refusal)?,
        held: &plan.held,
        tasks: plan.tasks().count(),
        config: json!({
            "dataset": flags.dataset,
            "root": flags.root,
            "labels": flags.labels,
            "cache": flags.cache,
            "features": ["speech"],
            "models": flags.models,
            "store": store,
            "shard": flags.shard.map(|share| share.to_string()),
            "max_failures": settings.max_failures,
            "retry_failed": flags.retry_failed,
            "workers": settings.isolation.workers,
            "batch": settings.batch,
            "device": flags.device,
            "commit_every": settings.commit_every,
        }),
    };
    let record = begun(beginning).map_err(refusal)?;
    let run = Run::new(record, plan.scope(), &flags.cache, started);
    Ok(run.go(global, || extract::work(&extractor, &plan, &settings, global)))
}

fn settings(flags: &cli::Simulate, devices: &[Device]) -> Settings {
    let workers = flags.workers.map_or_else(|| device::decoders(devices), usize::from);
    Settings {
        isolation: isolate::Settings { workers, ..isolate::Settings::default() },
        batch: None,
        decoder: affekt_media::Decoder::Cpu,
        generation: flags.generating.allowance(devices),
        commit_every: flags.commit_every as usize,
        max_failures: flags.max_failures,
    }
}
