//! The record of a run: what is known before the work, and what came of it.

use std::collections::BTreeMap;

use affekt::Error;
use affekt_core::{FeatureSpec, Seconds};
use affekt_pipelines::batch::ledger::{Reading, Scope};
use affekt_pipelines::batch::occupancy::{Batches, Occupied};
use affekt_pipelines::batch::{Effort, End, Generated, Outcome, Padding, Tally};
use affekt_pipelines::{device, networks};
use affekt_report::run::{self, Bundle, Clips, Counts, Ending, Generation, RunRecord, Times, Work};
use candle_core::Device;
use time::OffsetDateTime;

use crate::host;

/// What is known of a run before it.
pub struct Beginning<'a> {
    /// The networks.
    pub bundle: &'a affekt_weights::Bundle,
    /// Those of them that take part, by name.
    pub networks: Vec<&'a str>,
    /// Where they run.
    pub devices: &'a [Device],
    /// What is made.
    pub specs: Vec<FeatureSpec>,
    /// What the cache holds of each already.
    pub held: &'a [Tally],
    /// Clips to do.
    pub tasks: usize,
    /// Every flag with the value that counts.
    pub config: serde_json::Value,
}

/// The record at the start.
pub fn begun(beginning: Beginning<'_>) -> Result<RunRecord, Error> {
    let Beginning { bundle, networks, devices, specs, held, tasks, config } = beginning;
    let caution = networks::caution(bundle.manifest(), &networks);
    let files = networks.into_iter().map(|name| Ok((name.to_owned(), bundle.weights_digest(name)?)));
    let files = files.collect::<Result<_, affekt_weights::Error>>()?;
    let held = held.iter().zip(&specs);
    let held = held.map(|(held, spec)| (spec.kind, Counts { skipped: held.clips(), ..Counts::default() }));
    Ok(RunRecord {
        affekt: env!("CARGO_PKG_VERSION").into(),
        command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        started: host::utc(OffsetDateTime::now_utc()),
        ended: None,
        ended_by: Ending::Running,
        host: host::host(),
        device: device::names(devices),
        tf32: device::allows_tf32(),
        config,
        bundle: Bundle { name: bundle.name().into(), caution, files },
        counts: held.collect(),
        specs: specs.into_iter().map(Into::into).collect(),
        clips: Clips { total: tasks, ..Clips::default() },
        stages: BTreeMap::new(),
        devices: Vec::new(),
        limit: None,
        padding_waste: None,
        generation: None,
        peak_memory_bytes: None,
        seconds: Times::default(),
        failures: Vec::new(),
        warnings: Vec::new(),
        message: None,
    })
}

/// Puts down what came of the run over `scope`.
pub fn end(record: &mut RunRecord, outcome: Outcome, scope: Scope) {
    let Outcome { end, counts, made, failed, warned, stages, effort, devices, limit, elapsed } = outcome;
    let Effort { padding, generated } = effort;
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
    record.devices = devices.into_iter().map(|device| occupied(device, elapsed)).collect();
    record.padding_waste = padding.map(Padding::waste);
    record.generation = generated.map(generation);
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
            let (failed, all) = (scope.failed_before + counts.failed, scope.clips);
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

fn occupied(device: Occupied, elapsed: Seconds) -> run::Device {
    let Occupied { name, busy, waited, batches } = device;
    let batches = batches.into_iter();
    let batches =
        batches.map(|Batches { stage, unit, first, last }| run::Batches { stage, unit, first, last });
    run::Device::new(name, busy, waited, batches.collect(), elapsed)
}

fn generation(tally: Generated) -> Generation {
    Generation {
        passes: tally.passes,
        rows: tally.beam_rows + tally.prompt_rows,
        mean_in_flight: tally.clips as f64 / tally.passes.max(1) as f64,
        most_in_flight: tally.most_clips,
        held_back: tally.held_back,
        peak_cache_bytes: tally.peak_bytes,
    }
}

/// Puts down when the run ended, and what it took; `total` is its wall time so far, `work` that of the work alone.
pub fn close(record: &mut RunRecord, total: Seconds, work: Seconds) {
    record.ended = Some(host::utc(OffsetDateTime::now_utc()));
    record.peak_memory_bytes = host::peak_memory();
    record.seconds.total = total.rounded();
    record.seconds.stop = Seconds((total.0 - record.seconds.start.0 - work.0).max(0.0)).rounded();
}
