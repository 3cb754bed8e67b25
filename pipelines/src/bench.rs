//! How fast this machine works.
//!
//! [`simulate`] measures the language model alone: many clips at once against one at a time, and how near that is to what
//! the machine can do. [`mod@train`] does so for a step of training, [`gpu`] for all networks on a GPU. All else is about extraction (feature `media`): a stage's cost is its CPU time, as the system counts
//! it, beside the wall time of all cores on it alone. From these follows the rate that no arrangement of the stages could
//! exceed, and the whole is held against it.
//!
//! | module | holds |
//! |---|---|
//! | [`lengths`] | how long MOSEI's clips are |
//! | [`machine`] | [`Machine`] |
//! | [`simulate`] | text generation and real text |
//! | [`mod@train`] | a step of training |
//! | [`gpu`] | every stage on a GPU, beside PyTorch and beside the GPU's limits |
//! | `tree` | a dataset in MOSEI's folders, made here |
//! | `scene` | what its recordings show |
//! | `clips` | the clips that are measured, generated or one's own |
//! | `stages` | `stages::measure`: each stage alone |
//! | `whole` | `whole::measure`: `affekt extract`, and a run of it that has nothing to do |
//! | `report` | `Report`: rates, what limits them, the projection |
//! | `clock` | wall time and CPU time |
//! | `error` | `Error` |

#[cfg(feature = "media")]
pub mod clips;
#[cfg(feature = "media")]
mod clock;
#[cfg(feature = "media")]
pub mod error;
pub mod gpu;
pub mod lengths;
pub mod machine;
#[cfg(feature = "media")]
pub mod report;
#[cfg(feature = "media")]
mod scene;
pub mod simulate;
#[cfg(feature = "media")]
pub mod stages;
pub mod train;
#[cfg(feature = "media")]
pub mod tree;
#[cfg(feature = "media")]
pub mod whole;

#[cfg(feature = "media")]
pub use clips::Clips;
#[cfg(feature = "media")]
pub use clock::Spent;
#[cfg(feature = "media")]
pub use error::Error;
pub use machine::Machine;
#[cfg(feature = "media")]
pub use report::Report;
#[cfg(feature = "media")]
pub use tree::Tree;
