//! The record of a run: what is known before the work, and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use affekt::{Error, Extractor};
use affekt_core::Seconds;
use affekt_pipelines::device;
use affekt_pipelines::extract::ledger::Reading;
use affekt_pipelines::extract::{End, Outcome, Plan, Settings};
use affekt_report::run::{Bundle, Clips, Counts, Ending, RunRecord, Times, Work};
use serde_json::json;
use time::OffsetDateTime;

use crate::cli;
use crate::host;

/// The record at the start.
pub fn begun(
    flags: &cli::Extract,
    extractor: &Extractor,
    plan: &Plan,
    settings: &Settings,
) -> Result<RunRecord, Error> {
    let specs = extractor.specs()?;
    let bundle = extractor.bundle();
    let networks: BTreeSet<&str> = specs.iter().map(|spec| spec.encoder.as_str()).collect();
    let files = networks.into_iter().map(|name| Ok((name.to_owned(), bundle.weights_digest(name)?)));
    let files = files.collect::<Result<_, affekt_weights::Error>>()?;
    let held = plan.held.iter().zip(&specs);
    let held = held.map(|(held, spec)| (spec.kind, Counts { skipped: held.clips(), ..Counts::default() }));
    let config = json!({
        "dataset": flags.dataset.name,
        "root": flags.dataset.root,
        "labels": flags.dataset.labels,
        "cache": flags.cache,
        "features": specs.iter().map(|spec| spec.kind.name()).collect::<Vec<_>>(),
        "models": flags.making.models,
        "store": flags.making.store.name(),
        "shard": flags.shard.map(|share| format!("{}/{}", share.index, share.count)),
        "max_failures": settings.max_failures,
        "retry_failed": flags.retry_failed,
        "workers": settings.isolation.workers,
        "time_limit": settings.isolation.limit.as_secs(),
        "worker_memory_bytes": settings.isolation.memory,
        "batch": settings.batch,
        "commit_every": settings.commit_every,
        "yunet": flags.making.detector.yunet().map(|(weights, _)| weights),
    });
    Ok(RunRecord {
        affekt: env!("CARGO_PKG_VERSION").into(),
        command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        started: host::utc(OffsetDateTime::now_utc()),
        ended: None,
        ended_by: Ending::Running,
        host: host::host(),
        device: device::name(extractor.device()),
        config,
        bundle: Bundle { name: bundle.name().into(), files },
        counts: held.collect(),
        specs: specs.into_iter().map(Into::into).collect(),
        clips: Clips { total: plan.tasks().count(), ..Clips::default() },
        stages: BTreeMap::new(),
        limit: None,
        padding_waste: None,
        peak_memory_bytes: None,
        seconds: Times::default(),
        failures: Vec::new(),
        warnings: Vec::new(),
        message: None,
    })
}

/// Puts down what came of the run of `plan`.
pub fn end(record: &mut RunRecord, outcome: Outcome, plan: &Plan) {
    let Outcome { end, counts, made, failed, warned, stages, padding, limit, .. } = outcome;
    for (kind, made) in made {
        let counts = record.counts.entry(kind).or_default();
        (counts.done, counts.absent, counts.failed) = (made.done, made.absent, made.failed);
    }
    record.clips = Clips { total: counts.total, done: counts.committed, failed: counts.failed };
    let work = |read: Reading| Work {
        busy_s: read.busy.rounded(),
        cpu_s: read.cpu,
        clips: read.clips,
        per_second: if read.busy > Seconds::ZERO { read.clips as f64 / read.busy.0 } else { 0.0 },
    };
    record.stages = stages.into_iter().map(|(stage, read)| (stage, work(read))).collect();
    record.warnings = warned;
    record.limit = limit;
    record.padding_waste = (padding.computed > 0).then(|| padding.waste());
    record.seconds.media = counts.media;
    record.failures = failed;
    (record.ended_by, record.message) = match end {
        End::Finished => (Ending::Finished, None),
        End::Interrupted => (
            Ending::Interrupted,
            Some("what is done is in the cache; the same command goes on from there".into()),
        ),
        End::TooManyFailures => {
            // Of all clips, those of earlier runs included: what the bound is on.
            let (failed, all) = (plan.failed_before.len() + counts.failed, plan.clips);
            let percent = 100.0 * failed as f64 / all.max(1) as f64;
            let message = format!(
                "{failed} of {all} clips have failed, {percent:.1}%, more than --max-failures allows; what is done is \
                 in the cache, and the same command goes on from there, with --retry-failed from the failed ones too"
            );
            (Ending::Stopped, Some(message))
        }
        End::Broken(error) => {
            let message = format!(
                "{error}; what was committed before is in the cache, and the same command goes on from there"
            );
            (Ending::Failed, Some(message))
        }
    };
}

/// Puts down when the run ended, and what it took; `total` is its wall time so far, `work` that of the work alone.
pub fn close(record: &mut RunRecord, total: Seconds, work: Seconds) {
    record.ended = Some(host::utc(OffsetDateTime::now_utc()));
    record.peak_memory_bytes = host::peak_memory();
    record.seconds.total = total.rounded();
    record.seconds.stop = Seconds((total.0 - record.seconds.start.0 - work.0).max(0.0)).rounded();
}
