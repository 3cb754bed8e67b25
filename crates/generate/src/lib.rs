//! Text generation over any causal language model. No network is named here.
//!
//! | module | holds |
//! |---|---|
//! | [`model`] | [`CausalLm`]: what a network must offer; [`Batch`] and [`Step`], what a forward pass takes and gives |
//! | [`settings`] | [`Settings`], [`Scorer`] |
//! | [`engine`] | [`Engine`]: many clips through a model at once, within a [`Budget`]; its [`Tally`] |
//! | [`search`] | [`beam_search`] and its [`Generation`]: one clip through a model |
//! | `beams` | the search's book of one clip, apart from any model: candidates in, tokens and parents out |
//! | `candidates` | log-softmax and the best continuations of all beams |
//! | `hypotheses` | ended candidates and the rule that stops a search |
//! | [`repetition`] | [`looped`]: whether a text has run into a loop |
//! | [`refusal`] | [`refused`]: whether a text talks about the task instead of doing it |
//! | [`error`] | [`Error`] |

mod beams;
mod candidates;
pub mod engine;
pub mod error;
mod hypotheses;
pub mod model;
pub mod refusal;
pub mod repetition;
pub mod search;
pub mod settings;

pub use engine::{Budget, Engine, Tally};
pub use error::Error;
pub use model::{Batch, CausalLm, Step};
pub use refusal::refused;
pub use repetition::looped;
pub use search::{Generation, beam_search};
pub use settings::{Scorer, Settings};
