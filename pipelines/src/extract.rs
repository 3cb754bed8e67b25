//! Batch extraction: the clips of a dataset to features in a cache.
//!
//! [`Plan`] holds the dataset against the cache; [`run`] makes what is lacking. Whatever ends a run, what was committed stays,
//! and the same command goes on from there. What it shares with other runs is in [`crate::batch`].
//!
//! | module | holds |
//! |---|---|
//! | [`plan`] | [`Plan`]: what the cache lacks, by recording |
//! | [`flow`] | [`run`]: the stages from top to bottom |
//! | [`cutters`] | recordings to clips: threads, each with a worker process |
//! | [`encode`] | clips to features: the networks of one device |
//! | [`batcher`] | clips of similar length together |

pub mod batcher;
pub mod cutters;
pub mod encode;
pub mod flow;
pub mod plan;

use affekt_media::Decoder;

use crate::batch::Allowance;
use crate::isolate;

pub use crate::batch::{End, Error, Outcome, Tally};
pub use flow::{Means, run};
pub use plan::Plan;

/// How a run works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The workers that decode: how many, and what they may take.
    pub isolation: isolate::Settings,
    /// Clips that WavLM hears at once; `None` for what suits the device: one on a CPU, which keeps all cores busy and pads
    /// nothing, and on a card as many as its memory holds.
    pub batch: Option<usize>,
    /// What finds pictures in the packets of the film.
    pub decoder: Decoder,
    /// What text generation may take, on each device.
    pub generation: Allowance,
    /// Clips that a shard has at most. A crash costs no more of them than that; there are commits by bytes and time, too.
    pub commit_every: usize,
    /// The run ends when more than so many percent of the clips that its plan was made for have failed, in it or before it.
    pub max_failures: Option<f64>,
}
