//! What every batch run does, whatever it makes: clips in work, into the cache, counted and told.
//!
//! | module | holds |
//! |---|---|
//! | [`task`] | [`Task`]: a clip, and what the cache lacks of it; [`Tally`]: clips by what came of them |
//! | [`known`] | [`Known`]: what the cache knows of a clip |
//! | [`allowance`] | [`Allowance`]: what text generation may take |
//! | [`entry`] | [`Draft`] to [`Entry`]: the features of a clip in the making |
//! | [`speech`] | the `speech` of a clip, out of a cache |
//! | [`simulating`] | [`Simulating`]: many voices at once to simulated text |
//! | [`occupancy`] | [`Occupancy`](occupancy::Occupancy): how much of its time a device has work |
//! | [`staff`] | who works beside the networks: the writer, the watch |
//! | [`queue`] | what waits between two stages, bounded by bytes |
//! | [`mod@write`] | features into shards, committed together |
//! | [`ledger`] | how far each stage is, what failed, whether to go on |
//! | [`standing`] | how a run stands, once a second |
//! | [`error`] | [`Error`]: why a run cannot begin, or cannot go on |

pub mod allowance;
pub mod entry;
pub mod error;
pub mod known;
pub mod ledger;
pub mod occupancy;
pub mod queue;
pub mod simulating;
pub mod speech;
pub mod staff;
pub mod standing;
pub mod task;
pub mod write;

use std::collections::BTreeMap;

use affekt_core::{FeatureKind, Seconds, Stage};
use affekt_report::run::{Failed, Warned};

use ledger::{Closed, Counts, Ledger, Reading};
use occupancy::Occupied;

pub use affekt_generate::Tally as Generated;
pub use allowance::Allowance;
pub use entry::{Draft, Entry, Made, Numbers};
pub use error::Error;
pub use known::Known;
pub use ledger::End;
pub use simulating::Simulating;
pub use task::{Tally, Task};

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Why it has ended.
    pub end: End,
    /// How many clips were to do, are in the cache, have failed.
    pub counts: Counts,
    /// What was made of each feature.
    pub made: BTreeMap<FeatureKind, Tally>,
    /// What failed.
    pub failed: Vec<Failed>,
    /// What is doubtful though it is there, by clip.
    pub warned: Vec<Warned>,
    /// Each stage's work.
    pub stages: Vec<(Stage, Reading)>,
    /// What the networks did beside their clips.
    pub effort: Effort,
    /// What each device did.
    pub devices: Vec<Occupied>,
    /// The stage that the others waited for.
    pub limit: Option<Stage>,
    /// Wall time.
    pub elapsed: Seconds,
}

/// What networks did beside their clips.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Effort {
    /// What the batches of the voice encoder had to pad; `None` where it computed nothing.
    pub padding: Option<Padding>,
    /// What text generation did; `None` where there was none.
    pub generated: Option<Generated>,
}

/// What batches have cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Padding {
    /// Units of length of the items.
    pub real: u64,
    /// Units that the batches had, the longest item deciding for all.
    pub computed: u64,
}

impl Padding {
    /// Share of the work that was padding, 0 to 1.
    pub fn waste(self) -> f64 {
        if self.computed == 0 { 0.0 } else { 1.0 - self.real as f64 / self.computed as f64 }
    }
}

impl Effort {
    /// The effort of several devices.
    pub(crate) fn sum(efforts: impl IntoIterator<Item = Self>) -> Self {
        efforts.into_iter().fold(Self::default(), |sum, effort| Self {
            padding: both(sum.padding, effort.padding, |a, b| Padding {
                real: a.real + b.real,
                computed: a.computed + b.computed,
            }),
            generated: both(sum.generated, effort.generated, |a, b| Generated {
                passes: a.passes + b.passes,
                beam_rows: a.beam_rows + b.beam_rows,
                prompt_rows: a.prompt_rows + b.prompt_rows,
                clips: a.clips + b.clips,
                most_clips: a.most_clips.max(b.most_clips),
                held_back: a.held_back + b.held_back,
                shrunk: a.shrunk + b.shrunk,
                peak_bytes: a.peak_bytes.max(b.peak_bytes),
            }),
        })
    }
}

fn both<T>(a: Option<T>, b: Option<T>, sum: impl FnOnce(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(sum(a, b)),
        (a, b) => a.or(b),
    }
}

/// Who works in a run: threads that decode, and a thread for each device.
#[derive(Clone, Copy, Debug)]
pub struct Crew {
    /// Threads that decode.
    pub workers: usize,
    /// Devices.
    pub devices: usize,
}

impl Outcome {
    pub(crate) fn of(ledger: Ledger<'_>, effort: Effort, crew: Crew, devices: Vec<Occupied>) -> Self {
        let (counts, stages) = (ledger.counts(), ledger.readings());
        let elapsed = Seconds(ledger.started().elapsed().as_secs_f64()).rounded();
        let Closed { end, failed, warned, made } = ledger.close();
        let limit = standing::limit_of(&stages, elapsed, crew);
        Self { end, counts, made, failed, warned, stages, effort, devices, limit, elapsed }
    }
}
