//! Wall time by stage.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use affekt_core::{Event, Reporter, Seconds, Stage};
use affekt_report::prediction::Timing;

/// Work of the threads that decode and track beside the caller's.
#[derive(Debug, Default)]
pub struct Meter {
    decode: AtomicU64,
    faces: AtomicU64,
}

impl Meter {
    /// Takes down work since `start`.
    pub fn decoded_since(&self, start: Instant) {
        Self::add(&self.decode, start.elapsed());
    }

    /// Takes down work since `start`.
    pub fn tracked_since(&self, start: Instant) {
        Self::add(&self.faces, start.elapsed());
    }

    fn add(counter: &AtomicU64, time: Duration) {
        counter.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Nanoseconds of both since the last reading.
    fn read(&self) -> (f64, f64) {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed) as f64;
        (take(&self.decode), take(&self.faces))
    }
}

/// Times the stages of one recording and tells of them.
pub struct Clock<'r> {
    reporter: &'r dyn Reporter,
    meter: &'r Meter,
    start: Instant,
    stages: BTreeMap<Stage, f64>,
}

impl<'r> Clock<'r> {
    /// Starts the total.
    pub fn new(reporter: &'r dyn Reporter, meter: &'r Meter) -> Self {
        Self { reporter, meter, start: Instant::now(), stages: BTreeMap::new() }
    }

    /// Waits for what the two stages that run beside make, decoding and faces: they share the time by what each did.
    pub fn wait<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        let waited = start.elapsed().as_secs_f64();
        let (decode, faces) = self.meter.read();
        let share = if decode + faces > 0.0 { decode / (decode + faces) } else { 1.0 };
        self.add(Stage::Decode, waited * share);
        self.add(Stage::Faces, waited * (1.0 - share));
        result
    }

    /// Runs one stage; `work` may tell how far it is.
    pub fn stage<T>(&mut self, stage: Stage, work: impl FnOnce(&dyn Fn(usize, Option<usize>)) -> T) -> T {
        self.reporter.report(&Event::Started { stage });
        let start = Instant::now();
        let reporter = self.reporter;
        let result = work(&|done, total| reporter.report(&Event::Advanced { stage, done, total }));
        let seconds = start.elapsed().as_secs_f64();
        self.add(stage, seconds);
        self.reporter.report(&Event::Finished { stage, seconds: Seconds(seconds) });
        result
    }

    fn add(&mut self, stage: Stage, seconds: f64) {
        *self.stages.entry(stage).or_default() += seconds;
    }

    /// All stages in the order of the flow, and the total until now.
    pub fn read(&self) -> Timing {
        let stages = self.stages.iter().map(|(&stage, &seconds)| (stage, Seconds(seconds)));
        Timing { stages: stages.collect(), total: Seconds(self.start.elapsed().as_secs_f64()) }
    }
}
