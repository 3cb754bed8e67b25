//! Whisper (Radford et al., 2022, "Robust Speech Recognition via Large-Scale Weak Supervision"): speech in, words with
//! times out. The network is candle-transformers'; the front end and the decoding rules are here.
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | [`Config`], read from a published `config.json` |
//! | `suppressed` | tokens that stand for no speech, where the configuration names none |
//! | [`names`] | [`KEYS`]: from the published tensor names to ours |
//! | [`mel`] | [`Mel`]: waveform -> log-mel frames of 10 ms |
//! | [`vocabulary`] | [`Vocabulary`]: the special tokens |
//! | [`model`] | [`Whisper`]: encoder and decoder |
//! | `rules` | which token may follow, with its log-probability |
//! | `decode` | one window of 30 s -> tokens |
//! | `segments` | tokens of a window -> segments, and where the next window starts |
//! | [`recognise`] | [`Whisper::recognise`]: a recording of any length, window by window |
//! | [`error`] | [`Error`] |

pub mod config;
mod decode;
pub mod error;
pub mod mel;
pub mod model;
pub mod names;
pub mod recognise;
mod rules;
mod segments;
mod suppressed;
pub mod vocabulary;

pub use config::Config;
pub use error::Error;
pub use mel::Mel;
pub use model::Whisper;
pub use names::KEYS;
pub use recognise::{Options, Recognition, Segment};
pub use vocabulary::Vocabulary;
