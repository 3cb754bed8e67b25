//! Batch extraction: the clips of a dataset to features in a cache.
//!
//! [`Plan`] holds the dataset against the cache; [`run`] makes what is lacking. Whatever ends a run, what was committed stays,
//! and the same command goes on from there.
//!
//! | module | holds |
//! |---|---|
//! | [`plan`] | [`Plan`]: what the cache lacks, by recording |
//! | [`flow`] | [`run`]: the stages from top to bottom |
//! | [`cutters`] | recordings to clips: threads, each with a worker process |
//! | [`encode`] | clips to features: the networks of one device |
//! | [`batcher`] | clips of similar length together |
//! | [`mod@write`] | features into shards, committed together |
//! | [`queue`] | what waits between two stages, bounded by bytes |
//! | [`ledger`] | how far each stage is, what failed, whether to go on |
//! | [`standing`] | how a run stands, once a second |
//! | [`error`] | [`Error`]: why a run cannot begin, or cannot go on |

pub mod batcher;
pub mod cutters;
pub mod encode;
pub mod error;
pub mod flow;
pub mod ledger;
pub mod plan;
pub mod queue;
pub mod standing;
pub mod write;

use std::collections::BTreeMap;

use affekt_core::{FeatureKind, Seconds, Stage};
use affekt_report::run::{Failed, Warned};

use crate::isolate;
use batcher::Padding;
use ledger::{Closed, Counts, Ledger, Reading};

pub use error::Error;
pub use flow::{Means, run};
pub use ledger::End;
pub use plan::{Plan, Tally};

/// How a run works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The workers that decode: how many, and what they may take.
    pub isolation: isolate::Settings,
    /// Clips that WavLM hears at once. One is best on a CPU: it keeps all cores busy, and nothing is padded.
    pub batch: usize,
    /// Clips that a shard has at most. A crash costs no more of them than that; there are commits by bytes and time, too.
    pub commit_every: usize,
    /// The run ends when more than so many percent of the clips that its plan was made for have failed, in it or before it.
    pub max_failures: Option<f64>,
}

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
    /// What grouping by length has cost.
    pub padding: Padding,
    /// The stage that the others waited for.
    pub limit: Option<Stage>,
    /// Wall time.
    pub elapsed: Seconds,
}

impl Outcome {
    fn of(ledger: Ledger<'_>, padding: Padding, workers: usize) -> Self {
        let (counts, stages) = (ledger.counts(), ledger.readings());
        let elapsed = Seconds(ledger.started().elapsed().as_secs_f64()).rounded();
        let Closed { end, failed, warned, made } = ledger.close();
        let limit = standing::limit_of(&stages, elapsed, workers);
        Self { end, counts, made, failed, warned, stages, padding, limit, elapsed }
    }
}
