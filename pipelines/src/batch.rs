//! What every batch run does, whatever it makes: clips in work, into the cache, counted and told.
//!
//! | module | holds |
//! |---|---|
//! | [`task`] | [`Task`]: a clip, and what the cache lacks of it; [`Tally`]: clips by what came of them |
//! | [`known`] | [`Known`]: what the cache knows of a clip |
//! | [`entry`] | [`Draft`] to [`Entry`]: the features of a clip in the making |
//! | [`speech`] | the `speech` of a clip, out of a cache |
//! | [`simulating`] | [`Simulating`]: many voices at once to simulated text |
//! | [`staff`] | who works beside the networks: the writer, the watch |
//! | [`queue`] | what waits between two stages, bounded by bytes |
//! | [`mod@write`] | features into shards, committed together |
//! | [`ledger`] | how far each stage is, what failed, whether to go on |
//! | [`standing`] | how a run stands, once a second |
//! | [`error`] | [`Error`]: why a run cannot begin, or cannot go on |

pub mod entry;
pub mod error;
pub mod known;
pub mod ledger;
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

pub use affekt_generate::Tally as Generated;
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
    /// The stage that the others waited for.
    pub limit: Option<Stage>,
    /// Wall time.
    pub elapsed: Seconds,
}

/// What networks did beside their clips.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Effort {
    /// Share, 0 to 1, of what the voice encoder computed that was padding; `None` where it computed nothing.
    pub padding_waste: Option<f64>,
    /// What text generation did; `None` where there was none.
    pub generated: Option<Generated>,
}

impl Outcome {
    pub(crate) fn of(ledger: Ledger<'_>, effort: Effort, workers: usize) -> Self {
        let (counts, stages) = (ledger.counts(), ledger.readings());
        let elapsed = Seconds(ledger.started().elapsed().as_secs_f64()).rounded();
        let Closed { end, failed, warned, made } = ledger.close();
        let limit = standing::limit_of(&stages, elapsed, workers);
        Self { end, counts, made, failed, warned, stages, effort, limit, elapsed }
    }
}
