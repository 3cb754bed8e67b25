//! What affekt tells: results as data and as text.
//!
//! | module | holds |
//! |---|---|
//! | [`prediction`] | [`Prediction`]: everything said about one input; its JSON is the command's contract |
//! | [`transcription`] | [`Transcription`]: recognised words; its JSON is the command's contract |
//! | [`exhibit`] | [`Exhibit`]: the material behind a prediction, for the page |
//! | [`failure`] | [`Failure`]: what is said about an input that could not be done |
//! | [`table`](mod@table) | several of both as a table for people |
//! | [`text`] | both as a block for people |
//! | [`page`] | [`Page`]: all of it as one self-contained HTML page |
//! | [`run`] | [`RunRecord`]: everything said about a batch run; its JSON, its file, its summary for people |
//! | [`mod@error_rate`] | [`error_rate()`]: word and character errors of a text against a transcript; the one normalisation |
//! | [`agreement`] | [`Agreement`]: transcripts held against generated words, the worst first |
//! | [`training`] | [`Training`]: the training of a method; its files, its page; [`training::Comparison`]: the table of runs |
//! | [`metrics`] | [`Metrics`]: how good predictions are; [`metrics::Spread`] over seeds, [`metrics::paired()`] tests |
//! | [`mod@duration`] | durations of work as people say them |

pub mod agreement;
mod atomic;
pub mod duration;
pub mod error_rate;
pub mod exhibit;
pub mod failure;
pub mod metrics;
pub mod page;
pub mod prediction;
pub mod run;
pub mod table;
pub mod text;
pub mod training;
pub mod transcription;

pub use agreement::{Agreement, Compared};
pub use duration::duration;
pub use error_rate::{ErrorRate, error_rate};
pub use exhibit::Exhibit;
pub use failure::Failure;
pub use metrics::Metrics;
pub use page::{Entry, Page};
pub use prediction::Prediction;
pub use run::RunRecord;
pub use training::Training;
pub use transcription::Transcription;
