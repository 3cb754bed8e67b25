//! The stages from top to bottom.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread;

use affekt_core::{Reporter, Stage};

use super::cutters::{Cutters, Item};
use super::encode::Encoding;
use super::{Plan, Settings};
use crate::batch::ledger::Ledger;
use crate::batch::queue::{Leaving, Queue};
use crate::batch::staff::beside;
use crate::batch::write::Writing;
use crate::batch::{Entry, Error, Outcome, Simulating, Task};
use crate::cut::Detector;
use crate::isolate::{Pool, Program};
use crate::networks::Encoders;

/// Clips that wait for the networks, for each worker, and for the writer: enough that a long one stops nobody, few enough that
/// they take no memory to speak of.
const WAITING: usize = 2;
/// Bytes of them, for either.
const WAITING_BYTES: usize = 256 << 20;

/// What a run works with.
pub struct Means<'a> {
    /// The networks of the features that are lacking.
    pub encoders: &'a Encoders,
    /// What finds faces.
    pub detector: &'a Detector,
    /// What runs as a worker.
    pub program: Program,
}

/// Makes what `plan` lacks: every clip of it is in the cache then, as its features, or as a row that says why not.
///
/// Recordings are cut by workers, encoded here, and written by a thread. Setting `stop` ends the run early: what is in
/// work is committed. Memory depends on the longest clips, not on how many there are.
///
/// # Errors
/// Only before the work. What ends it later is in [`Outcome::end`].
pub fn run(
    plan: &Plan,
    means: &Means<'_>,
    settings: &Settings,
    stop: &AtomicBool,
    reporter: &dyn Reporter,
) -> Result<Outcome, Error> {
    let ledger = Ledger::new(plan.tasks(), plan.scope(), settings.max_failures, stop, reporter);
    let decodes = plan.tasks().any(Task::needs_media);
    let pool = decodes.then(|| Pool::start(means.program.clone(), settings.isolation)).transpose()?;
    let writing = Writing::new(&plan.stores, settings.commit_every, &ledger)?;
    let workers = settings.isolation.workers.clamp(1, plan.recordings.len().max(1));
    let most = WAITING * workers.max(settings.batch);
    let (items, entries) = (Queue::new(most, WAITING_BYTES), Queue::new(most, WAITING_BYTES));
    let cutters = Cutters {
        recordings: &plan.recordings,
        next: &AtomicUsize::new(0),
        pool: pool.as_ref(),
        detector: means.detector,
        items: &items,
        ledger: &ledger,
    };
    let simulator = means.encoders.simulator.as_ref();
    let simulating = simulator.map(|simulator| Simulating::new(simulator, settings.generation, &ledger));
    let encoding = Encoding {
        encoders: means.encoders,
        plan,
        items: &items,
        entries: &entries,
        ledger: &ledger,
        simulating: simulating.transpose()?,
        texts: Vec::new(),
    };
    let waiting = |stage| waiting(stage, &items, &entries);
    let effort = beside(&ledger, reporter, (writing, &entries), workers, &waiting, || {
        thread::scope(|scope| {
            scope.spawn(|| {
                let _leaving = Leaving::closing(&items);
                thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(|| cutters.run()))));
            });
            // Cutters that wait for room shall not wait for ever.
            let _leaving = Leaving::abandoning(&items);
            encoding.run(settings.batch)
        })
    });
    Ok(Outcome::of(ledger, effort, workers))
}

fn waiting(stage: Stage, items: &Queue<Item<'_>>, entries: &Queue<Entry>) -> usize {
    match stage {
        // All networks run in one thread: what waits, waits for the first of them.
        Stage::Audio | Stage::Video | Stage::Recognise | Stage::Text => items.waiting(),
        Stage::Write => entries.waiting(),
        _ => 0,
    }
}
