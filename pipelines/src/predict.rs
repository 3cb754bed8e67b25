//! The main job: a media file in, its valence out, with text and without.
//!
//! | module | holds |
//! |---|---|
//! | [`flow`] | [`predict`]: the stages from top to bottom |
//! | `clip` | the file to a waveform and the speaker's faces: decoding and tracking side by side |
//! | `fusion` | features to both valences |
//! | `clock` | wall time by stage |

mod clip;
mod clock;
pub mod flow;
mod fusion;

pub use flow::{MOST_SECONDS, Request, predict};
