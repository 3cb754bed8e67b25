//! Network weights: where they lie, whether they are the right ones, and how they get into a network.
//!
//! | module | holds |
//! |---|---|
//! | [`checkpoint`] | [`Checkpoint`]: files of any published form (single, sharded, embedded) behind one memory-mapped view |
//! | `torch` | PyTorch's files, read without executing anything |
//! | [`keys`] | [`KeyTable`]: from published tensor names to ours, and the extras that may be ignored |
//! | `onnx` | the weights in an ONNX file |
//! | [`protobuf`] | the encoding of ONNX files and of SentencePiece vocabularies |
//! | `ledger` | the strict loader: every missing, misshapen or unused tensor is an error that lists them |
//! | `memory` | returns what loading freed |
//! | [`bundle`] | [`Bundle`]: all files of a working system with digests, licences and recipes (`bundle.toml`, `bundle.lock`) |
//! | [`gguf`] | [`Gguf`]: quantised weights with their configuration, in one file |
//! | [`hub`] | [`Hub`]: files of the Hugging Face hub, resumed and compared |
//! | [`tensors`] | plain tensor files: what `affekt run` reads and writes |
//! | [`error`] | [`Error`] |

pub mod bundle;
pub mod checkpoint;
pub mod error;
pub mod gguf;
pub mod hub;
pub mod keys;
mod ledger;
mod memory;
mod onnx;
pub mod protobuf;
pub mod tensors;
mod torch;

pub use bundle::Bundle;
pub use checkpoint::{Checkpoint, read_config};
pub use error::Error;
pub use gguf::Gguf;
pub use hub::{Hub, HubError};
pub use keys::KeyTable;
