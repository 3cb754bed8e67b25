//! affekt: sentiment valence from a raw video of a person speaking, with their words or without them.
//!
//! | module | holds |
//! |---|---|
//! | [`bundles`] | [`bundles::open`]: the embedded bundle `tiny`, or one from a folder |
//! | `extractor` | `Extractor`: a dataset's clips to features in a cache (feature `media`) |
//! | [`simulator`] | [`Simulator`]: cached speech to simulated text |
//! | `predictor` | `Predictor`: a media file in, a [`Prediction`] out (feature `media`) |
//! | `transcriber` | `Transcriber`: a media file in, a [`Transcription`] of its words out (feature `media`) |
//!
//! The binary `affekt` adds flags and printing, nothing else.

pub mod bundles;
#[cfg(feature = "media")]
pub mod extractor;
#[cfg(feature = "media")]
pub mod predictor;
pub mod simulator;
#[cfg(feature = "media")]
pub mod transcriber;

pub use affekt_pipelines::Error;
pub use affekt_report::{Prediction, Transcription};
#[cfg(feature = "media")]
pub use extractor::Extractor;
#[cfg(feature = "media")]
pub use predictor::Predictor;
pub use simulator::Simulator;
#[cfg(feature = "media")]
pub use transcriber::Transcriber;
