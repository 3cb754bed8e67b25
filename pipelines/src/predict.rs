//! The main job: a media file in, its valence out, with text and without.
//!
//! | module | holds |
//! |---|---|
//! | [`flow`] | [`predict`]: the stages from top to bottom; [`examine`]: with the material for the page |
//! | `recording` | a file to clips: sound and picture decoded side by side, cut into windows where it is long |
//! | `watch` | frames to their windows, and in each to the speaker's face |
//! | `words` | the words of each window |
//! | `judge` | one clip through the networks |
//! | `fusion` | features to both valences |
//! | `tally` | windows to the answer for the whole |
//! | `sampler`, `exhibit` | frames and facts kept for the page |
//! | `clock` | wall time by stage |

mod clock;
mod exhibit;
pub mod flow;
mod fusion;
mod judge;
pub(crate) mod recording;
mod sampler;
mod tally;
mod watch;
mod words;

pub use flow::{Request, examine, predict};
pub use words::Words;
