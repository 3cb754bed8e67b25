//! What affekt tells: results as data and as text.
//!
//! | module | holds |
//! |---|---|
//! | [`prediction`] | [`Prediction`]: everything said about one input; its JSON is the command's contract |
//! | [`exhibit`] | [`Exhibit`]: the material behind a prediction, for the page |
//! | [`failure`] | [`Failure`]: what is said about an input that could not be done |
//! | [`text`] | both as a block for people |

pub mod exhibit;
pub mod failure;
pub mod prediction;
pub mod text;

pub use exhibit::Exhibit;
pub use failure::Failure;
pub use prediction::Prediction;
