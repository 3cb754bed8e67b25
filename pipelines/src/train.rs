//! A method learns from cached features: one harness for all methods.
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | [`Config`]: everything that decides what a run learns; those that come with affekt |
//! | [`methods`] | the methods there are, by name |
//! | [`data`] | clips with labels from a cache, as batches |
//! | [`plan`] | [`Plan`]: a configuration with its clips, everything checked |
//! | [`flow`] | [`train()`]: the run from beginning to end |
//! | [`folder`] | the folder of a run |
//! | `epoch` | one epoch: losses, gradients, updates |
//! | [`mod@judge`] | what a method says of a split, with its metrics |
//! | `choice` | which epoch's parameters are kept |
//! | `state` | what a run that is continued begins with |
//! | [`tensorboard`] | epochs as event files for TensorBoard |
//! | [`checkpoint`] | parameters with everything that is needed to use them |
//! | [`mod@eval`] | trained parameters judged on labelled clips |
//! | [`ablate`] | the rows of the paper's table, with what was published |
//! | [`error`] | [`Error`] |

pub mod ablate;
pub mod checkpoint;
mod choice;
pub mod config;
pub mod data;
mod epoch;
pub mod error;
pub mod eval;
pub mod flow;
pub mod folder;
pub mod judge;
pub mod methods;
pub mod plan;
mod state;
pub mod tensorboard;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use error::Error;
pub use flow::{Request, train};
pub use plan::Plan;
