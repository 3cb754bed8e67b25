//! What every method under training shares. It knows no method by name.
//!
//! | module | holds |
//! |---|---|
//! | [`method`] | [`Recipe`], [`Method`]: what a method gives: features it needs, losses of a batch, judgement of a batch |
//! | [`batch`] | [`Batch`], [`Padded`]: padded features of a few clips, with their labels |
//! | [`key`] | [`Key`]: where all randomness comes from, so that a run can be repeated and continued |
//! | [`parameters`] | [`Parameters`]: named variables, drawn or read |
//! | [`adam`] | [`Adam`], with L2 in the gradient |
//! | [`schedule`] | [`Schedule`]: warm-up, then steps |
//! | [`gradients`] | [`Gradients`]: by name; their norm, clipped |
//! | [`error`] | [`Error`] |

pub mod adam;
pub mod batch;
pub mod error;
pub mod gradients;
pub mod key;
pub mod method;
pub mod parameters;
pub mod schedule;

pub use adam::{Adam, AdamConfig};
pub use batch::{Batch, Padded};
pub use error::Error;
pub use gradients::Gradients;
pub use key::Key;
pub use method::{Judged, Losses, Method, Need, Pass, Phase, Recipe, Registration, Share, Update};
pub use parameters::Parameters;
pub use schedule::Schedule;
