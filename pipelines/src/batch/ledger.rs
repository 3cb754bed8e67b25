//! What all threads of a run know of each other: how far each stage is, what failed, and whether to go on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use affekt_core::{ClipId, Event, FeatureKind, Reporter, Seconds, Stage};
use affekt_report::run::{Failed, Warned};

use super::occupancy::Batches;
use super::{Error, Tally, Task};

/// Why a run has ended.
#[derive(Debug)]
pub enum End {
    /// Nothing is left to do.
    Finished,
    /// The caller asked for it.
    Interrupted,
    /// More clips failed than its user allows.
    TooManyFailures,
    /// It cannot go on.
    Broken(Error),
}

/// What one stage has done.
#[derive(Debug, Default)]
struct Gauge {
    /// Clips that it has to do.
    total: usize,
    done: AtomicUsize,
    /// Clips that it has worked on: of one that failed before, nothing came.
    clips: AtomicUsize,
    busy: AtomicU64,
    /// CPU time, where it is known: of the workers.
    cpu: AtomicU64,
}

/// A reading of a stage's gauge.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Clips that it has to do.
    pub total: usize,
    /// Clips that it is through with.
    pub done: usize,
    /// Clips that it has worked on: not those that had failed before, or had nothing for it.
    pub clips: usize,
    /// Time that it worked rather than waited, all of its threads together.
    pub busy: Seconds,
    /// CPU time of it, where it has processes of its own.
    pub cpu: Option<Seconds>,
}

/// What a run is about.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// All clips, those that are through before it among them.
    pub clips: usize,
    /// Clips that have failed before it, and are not tried again.
    pub failed_before: usize,
}

/// The state of a run.
pub struct Ledger<'r> {
    reporter: &'r dyn Reporter,
    /// Set by the caller to end the run.
    stop: &'r AtomicBool,
    halted: AtomicBool,
    started: Instant,
    /// Clips that may fail.
    allowed: usize,
    total: usize,
    gauges: BTreeMap<Stage, Gauge>,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    end: Option<End>,
    /// Clips that have gone to the writer.
    through: usize,
    /// Seconds of these.
    media: f64,
    committed: usize,
    failed: Vec<Failed>,
    warned: Vec<Warned>,
    clips_failed: BTreeSet<ClipId>,
    made: BTreeMap<FeatureKind, Tally>,
}

impl<'r> Ledger<'r> {
    /// For the work on `tasks`; of all clips of `scope`, no more than `max_failures` percent may fail, before the run or in it.
    pub fn new<'t>(
        tasks: impl Iterator<Item = &'t Task>,
        scope: Scope,
        max_failures: Option<f64>,
        stop: &'r AtomicBool,
        reporter: &'r dyn Reporter,
    ) -> Self {
        let mut total = 0;
        let mut gauges: BTreeMap<Stage, Gauge> = BTreeMap::new();
        for task in tasks {
            total += 1;
            for stage in task.stages() {
                gauges.entry(stage).or_default().total += 1;
            }
        }
        // Of all clips of the share, those of earlier runs included: a run that goes on has the bound of one run.
        let allowed = max_failures.map_or(usize::MAX, |percent| {
            let allowed = (percent / 100.0 * scope.clips as f64) as usize;
            allowed.saturating_sub(scope.failed_before)
        });
        Self {
            reporter,
            stop,
            halted: AtomicBool::new(false),
            started: Instant::now(),
            allowed,
            total,
            gauges,
            book: Mutex::default(),
        }
    }

    /// Whether to leave off.
    pub fn is_halted(&self) -> bool {
        if self.stop.load(Ordering::Relaxed) {
            self.halt(End::Interrupted);
        }
        self.halted.load(Ordering::Relaxed)
    }

    /// Ends the run; the first reason counts.
    pub fn halt(&self, end: End) {
        self.book().end.get_or_insert(end);
        self.halted.store(true, Ordering::Relaxed);
    }

    /// `error`, where it is one of a clip. That of a card that is lost is none: it ends the run, and the clip, of which
    /// nothing goes into the cache then, is for a later one.
    pub fn spare(&self, error: crate::Error) -> Option<crate::Error> {
        if !error.is_lost() {
            return Some(error);
        }
        self.halt(End::Broken(error.into()));
        None
    }

    /// Takes down work of `stage` on `clips` clips.
    pub fn worked(&self, stage: Stage, clips: usize, time: Duration) {
        if let Some(gauge) = self.gauges.get(&stage) {
            gauge.clips.fetch_add(clips, Ordering::Relaxed);
            gauge.busy.fetch_add(nanoseconds(time), Ordering::Relaxed);
        }
    }

    /// Does work of `stage` on `clips` clips.
    pub fn stage<T>(&self, stage: Stage, clips: usize, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.worked(stage, clips, start.elapsed());
        result
    }

    /// Takes down that `stage` is through with so many more clips.
    pub fn passed(&self, stage: Stage, clips: usize) {
        if let Some(gauge) = self.gauges.get(&stage) {
            gauge.done.fetch_add(clips, Ordering::Relaxed);
        }
    }

    /// Takes down CPU time of `stage`'s own processes.
    pub fn spent(&self, stage: Stage, cpu: Seconds) {
        if let Some(gauge) = self.gauges.get(&stage) {
            gauge.cpu.fetch_add((cpu.0.max(0.0) * 1e9) as u64, Ordering::Relaxed);
        }
    }

    /// Takes down a failure and tells of it; ends the run where there are too many.
    pub fn fail(&self, failed: Failed) {
        let Failed { clip, features, stage, reason } = failed.clone();
        self.reporter.report(&Event::Failed { clip, features, stage, reason });
        let mut book = self.book();
        book.clips_failed.insert(failed.clip.clone());
        book.failed.push(failed);
        let too_many = book.clips_failed.len() > self.allowed;
        drop(book);
        if too_many {
            self.halt(End::TooManyFailures);
        }
    }

    /// Takes down something doubtful about a clip and tells of it.
    pub fn warn(&self, clip: &ClipId, warning: String) {
        self.reporter.report(&Event::Warned { clip: clip.clone(), warning: warning.clone() });
        self.book().warned.push(Warned { clip: clip.clone(), warning });
    }

    /// Tells that the memory of `device` did not hold batches, which are smaller from here on.
    pub fn shrunk(&self, device: &str, batches: &Batches) {
        let Batches { stage, unit, first, last } = *batches;
        let (device, unit) = (device.to_owned(), unit.to_owned());
        self.reporter.report(&Event::Shrunk { device, stage, unit, first, last });
    }

    /// Takes down that a clip of which there were `seconds` has gone to the writer: all networks are through with it.
    pub fn encoded(&self, task: &Task, seconds: Seconds) {
        let mut book = self.book();
        book.through += 1;
        book.media += seconds.0;
        drop(book);
        for stage in task.stages().filter(|stage| !matches!(stage, Stage::Decode | Stage::Write)) {
            self.passed(stage, 1);
        }
    }

    /// Takes down that so many more clips are through, all their features in the cache.
    pub fn committed(&self, clips: usize) {
        self.book().committed += clips;
        self.passed(Stage::Write, clips);
    }

    /// Takes down what a shard has of a feature and tells of it.
    pub fn shard(&self, feature: FeatureKind, made: Tally, path: &Path) {
        let mut book = self.book();
        let sum = book.made.entry(feature).or_default();
        sum.done += made.done;
        sum.absent += made.absent;
        sum.failed += made.failed;
        drop(book);
        let clips = made.clips();
        self.reporter.report(&Event::Committed { feature, clips, shard: path.display().to_string() });
    }

    /// Since when it runs.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Clips that are committed, gone to the writer, failed, and all that there are to do.
    pub fn counts(&self) -> Counts {
        let book = self.book();
        Counts {
            committed: book.committed,
            through: book.through,
            failed: book.clips_failed.len(),
            total: self.total,
            media: Seconds(book.media).rounded(),
        }
    }

    /// The stages of this run, in the order of the data flow.
    pub fn readings(&self) -> Vec<(Stage, Reading)> {
        let seconds = |counter: &AtomicU64| Seconds(counter.load(Ordering::Relaxed) as f64 / 1e9);
        let read = |gauge: &Gauge| Reading {
            total: gauge.total,
            done: gauge.done.load(Ordering::Relaxed),
            clips: gauge.clips.load(Ordering::Relaxed),
            busy: seconds(&gauge.busy),
            cpu: Some(seconds(&gauge.cpu)).filter(|cpu| *cpu > Seconds::ZERO),
        };
        self.gauges.iter().map(|(stage, gauge)| (*stage, read(gauge))).collect()
    }

    /// Ends the book.
    pub fn close(self) -> Closed {
        let book = self.book.into_inner().unwrap_or_else(PoisonError::into_inner);
        let end = book.end.unwrap_or(End::Finished);
        Closed { end, failed: book.failed, warned: book.warned, made: book.made }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A book that is closed.
#[derive(Debug)]
pub struct Closed {
    /// Why the run has ended.
    pub end: End,
    /// What failed.
    pub failed: Vec<Failed>,
    /// What is doubtful, by clip.
    pub warned: Vec<Warned>,
    /// What was made of each feature.
    pub made: BTreeMap<FeatureKind, Tally>,
}

/// How many clips are how far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counts {
    /// In the cache.
    pub committed: usize,
    /// At the writer, or further.
    pub through: usize,
    /// Failed, wholly or in part.
    pub failed: usize,
    /// All that the run has to do.
    pub total: usize,
    /// Length of those that are at the writer, or further.
    pub media: Seconds,
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
