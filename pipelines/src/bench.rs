//! How fast this machine extracts: each stage alone, the whole, and what all of MOSEI would take.
//!
//! A stage's cost is its CPU time, as the system counts it, beside the wall time of all cores on it alone. From these
//! follows the rate that no arrangement of the stages could exceed, and the whole is held against it.
//!
//! | module | holds |
//! |---|---|
//! | [`tree`] | a dataset in MOSEI's folders, made here |
//! | [`lengths`] | how long its clips are |
//! | `scene` | what its recordings show |
//! | [`clips`] | the clips that are measured, generated or one's own |
//! | [`stages`] | [`stages::measure`]: each stage alone |
//! | [`whole`] | [`whole::measure`]: `affekt extract`, and a run of it that has nothing to do |
//! | [`report`] | [`Report`]: rates, what limits them, the projection |
//! | `clock` | wall time and CPU time |
//! | [`error`] | [`Error`] |

pub mod clips;
mod clock;
pub mod error;
pub mod lengths;
pub mod report;
mod scene;
pub mod stages;
pub mod tree;
pub mod whole;

pub use clips::Clips;
pub use clock::Spent;
pub use error::Error;
pub use report::Report;
pub use tree::Tree;
