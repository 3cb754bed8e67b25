//! What affekt tells: results as data and as text.
//!
//! | module | holds |
//! |---|---|
//! | [`prediction`] | [`Prediction`]: everything said about one input; its JSON is the command's contract |
//! | [`exhibit`] | [`Exhibit`]: the material behind a prediction, for the page |
//! | [`failure`] | [`Failure`]: what is said about an input that could not be done |
//! | [`table`](mod@table) | several of both as a table for people |
//! | [`text`] | both as a block for people |
//! | [`page`] | [`Page`]: all of it as one self-contained HTML page |
//! | [`run`] | [`RunRecord`]: everything said about a batch run; its JSON, its file, its summary for people |
//! | [`mod@duration`] | durations of work as people say them |

pub mod duration;
pub mod exhibit;
pub mod failure;
pub mod page;
pub mod prediction;
pub mod run;
pub mod table;
pub mod text;

pub use duration::duration;
pub use exhibit::Exhibit;
pub use failure::Failure;
pub use page::{Entry, Page};
pub use prediction::Prediction;
pub use run::RunRecord;
