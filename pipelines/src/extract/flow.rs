//! The stages from top to bottom.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread;

use affekt_core::{Reporter, Stage};
use crossbeam_channel::bounded;

use super::cutters::{Cutters, Item};
use super::encode::{Encoding, Entry};
use super::ledger::{End, Ledger};
use super::queue::Queue;
use super::standing::Watch;
use super::write::Writing;
use super::{Error, Outcome, Plan, Settings};
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
    let ledger = Ledger::new(plan, settings.max_failures, stop, reporter);
    let decodes = plan.tasks().any(super::plan::Task::needs_media);
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
    let encoding = Encoding {
        encoders: means.encoders,
        items: &items,
        entries: &entries,
        batch: settings.batch,
        ledger: &ledger,
    };
    let waiting = |stage| waiting(stage, &items, &entries);
    let padding = thread::scope(|scope| {
        let (over, end) = bounded::<()>(0);
        let (watched, waiting) = (&ledger, &waiting);
        let watch = scope.spawn(move || Watch::new(watched, reporter, workers, waiting).run(&end));
        let writer = scope.spawn(|| {
            if let Err(error) = writing.run(&entries) {
                ledger.halt(End::Broken(error));
            }
            entries.abandon();
        });
        let cut = scope.spawn(|| {
            thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(|| cutters.run()))));
            items.close();
        });
        let padding = encoding.run();
        // Cutters that wait for room shall not wait for ever.
        items.abandon();
        entries.close();
        let ended = [cut.join(), writer.join()];
        drop(over);
        let _ = watch.join();
        ended.into_iter().for_each(|thread| thread.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        padding
    });
    Ok(Outcome::of(ledger, padding, workers))
}

fn waiting(stage: Stage, items: &Queue<Item<'_>>, entries: &Queue<Entry>) -> usize {
    match stage {
        // All networks run in one thread: what waits, waits for the first of them.
        Stage::Audio | Stage::Video | Stage::Text => items.waiting(),
        Stage::Write => entries.waiting(),
        _ => 0,
    }
}
