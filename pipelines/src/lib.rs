//! The flows: raw media through every stage to a result.
//!
//! | module | holds |
//! |---|---|
//! | [`features`] | from waveform, faces, words and speech to the features of the fusion model |
//! | [`recipe`] | how a bundle wants each feature made |
//! | [`networks`] | a bundle's networks, loaded on a device |
//! | [`batch`] | what every batch run does, whatever it makes |
//! | [`dataset`] | the clips of a dataset: manifests, labels, splits, shards; held against each other |
//! | [`tokenizer`] | from words to token ids and back |
//! | [`transcript`] | words from the command line or a file, for a span of time |
//! | [`recognise`] | the words that a voice says |
//! | [`simulate`] | simulated text, from cached speech |
//! | [`windows`] | a long recording cut at its pauses, while its sound streams in |
//! | [`train`](mod@train) | a method learns from cached features |
//! | [`check`] | every network on a device against its reference tensors |
//! | [`seeded`] | weights that any program can make by itself |
//! | [`mod@bench`] | how fast this machine simulates text and extracts, and what limits it |
//! | `predict` | a media file in, its valence out (feature `media`) |
//! | `transcribe` | a media file in, its words out (feature `media`) |
//! | `cut` | the clips of one recording, from one pass over it (feature `media`) |
//! | `extract` | the clips of a dataset to features in a cache (feature `media`) |
//! | `isolate` | media work in processes of their own (feature `media`) |
//! | `finder` | what finds faces (feature `media`) |
//! | [`device`] | `auto`, `cpu`, `cuda:1`, `cuda:0,1` |
//! | [`fitting`] | batches that shrink where the memory of a device does not hold them |
//! | [`error`] | [`Error`] |

pub mod batch;
pub mod bench;
pub mod check;
#[cfg(feature = "media")]
pub mod cut;
pub mod dataset;
pub mod device;
pub mod error;
#[cfg(feature = "media")]
pub mod extract;
pub mod features;
#[cfg(feature = "media")]
pub mod finder;
pub mod fitting;
#[cfg(feature = "media")]
pub mod isolate;
pub mod networks;
#[cfg(feature = "media")]
pub mod predict;
pub mod recipe;
pub mod recognise;
pub mod seeded;
pub mod simulate;
pub mod tokenizer;
pub mod train;
#[cfg(feature = "media")]
pub mod transcribe;
pub mod transcript;
pub mod windows;

pub use error::Error;
pub use networks::Networks;
