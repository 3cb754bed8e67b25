//! Simulated text, from cached `speech`: nothing is decoded or heard again.
//!
//! [`Plan`] holds the clips against the cache; [`run`] makes what is lacking. Whatever ends a run, what was committed stays,
//! and the same command goes on from there.
//!
//! | module | holds |
//! |---|---|
//! | [`source`] | the cached speech, and the clips that have it |
//! | [`plan`] | [`Plan`]: what the cache lacks |
//! | [`flow`] | [`run`]: the stages from top to bottom |
//! | [`mod@agreement`] | hypotheses held against transcripts |

pub mod agreement;
pub mod flow;
pub mod plan;
pub mod source;

use crate::batch::Allowance;

pub use agreement::agreement;
pub use flow::run;
pub use plan::Plan;

/// How a run works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What text generation may take, on each device.
    pub generation: Allowance,
    /// Clips that a shard has at most.
    pub commit_every: usize,
    /// The run ends when more than so many percent of the clips that its plan was made for have failed, in it or before it.
    pub max_failures: Option<f64>,
}
