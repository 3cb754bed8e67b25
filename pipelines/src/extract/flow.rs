//! The stages from top to bottom.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread;

use affekt_core::{Reporter, Stage};

use super::cutters::{Cutters, Item};
use super::encode::{Encoding, Shared};
use super::{Plan, Settings};
use crate::batch::ledger::Ledger;
use crate::batch::occupancy::Occupancy;
use crate::batch::queue::{Leaving, Queue};
use crate::batch::staff::{beside, each};
use crate::batch::write::Writing;
use crate::batch::{Crew, Effort, Entry, Error, Outcome, Task};
use crate::cut::Detector;
use crate::device;
use crate::isolate::{Pool, Program};
use crate::networks::Encoders;

/// Clips that wait for the networks, for each worker, and for the writer: enough that a long one stops nobody, few enough that
/// they take no memory to speak of.
const WAITING: usize = 2;
/// Bytes of them, for either.
const WAITING_BYTES: usize = 256 << 20;

/// What a run works with.
pub struct Means<'a> {
    /// The networks of the features that are lacking, once for each device; one device or more.
    pub encoders: &'a [Encoders],
    /// What finds faces.
    pub detector: &'a Detector,
    /// What runs as a worker.
    pub program: Program,
}

/// Makes what `plan` lacks: every clip of it is in the cache then, as its features, or as a row that says why not.
///
/// Recordings are cut by workers, encoded by a thread for each device, which takes the next clip when it is through with
/// others, and written by one. Setting `stop` ends the run early: what is in work is committed. Memory depends on the longest
/// clips, not on how many there are.
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
    let crew = Crew { workers, devices: means.encoders.len() };
    let most = WAITING * workers.max(settings.batch.unwrap_or_default() * crew.devices);
    let (items, entries) = (Queue::new(most, WAITING_BYTES), Queue::new(most, WAITING_BYTES));
    let cutters = Cutters {
        recordings: &plan.recordings,
        next: &AtomicUsize::new(0),
        pool: pool.as_ref(),
        detector: means.detector,
        decoder: settings.decoder,
        items: &items,
        ledger: &ledger,
    };
    let shared = Shared { plan, items: &items, entries: &entries, ledger: &ledger };
    let books: Vec<Occupancy> =
        means.encoders.iter().map(|encoders| Occupancy::of(device::name(&encoders.device))).collect();
    let encodings =
        means.encoders.iter().zip(&books).map(|(encoders, book)| {
            Encoding::new(shared, encoders, book, settings.batch, settings.generation)
        });
    let encodings = encodings.collect::<Result<Vec<_>, _>>()?;
    let waiting = |stage| waiting(stage, &items, &entries);
    let effort = beside(&ledger, reporter, (writing, &entries), crew, &waiting, || {
        thread::scope(|scope| {
            scope.spawn(|| {
                let _leaving = Leaving::closing(&items);
                thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(|| cutters.run()))));
            });
            each(encodings, |encoding| {
                // Cutters that wait for room shall not wait for ever.
                let _leaving = Leaving::abandoning(&items);
                encoding.run()
            })
        })
    });
    let devices = books.iter().map(Occupancy::read).collect();
    Ok(Outcome::of(ledger, Effort::sum(effort), crew, devices))
}

fn waiting(stage: Stage, items: &Queue<Item<'_>>, entries: &Queue<Entry>) -> usize {
    match stage {
        // All networks of a device run in one thread: what waits, waits for the first of them.
        Stage::Audio | Stage::Video | Stage::Recognise | Stage::Text => items.waiting(),
        Stage::Write => entries.waiting(),
        _ => 0,
    }
}
