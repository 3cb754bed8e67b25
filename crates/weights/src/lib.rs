//! Network weights: where they lie, whether they are the right ones, and how they get into a network.
//!
//! | module | holds |
//! |---|---|
//! | [`checkpoint`] | [`Checkpoint`]: safetensors files (single, sharded, embedded) behind one memory-mapped view |
//! | [`keys`] | [`KeyTable`]: from published tensor names to ours, and the extras that may be ignored |
//! | `ledger` | the strict loader: every missing, misshapen or unused tensor is an error that lists them |
//! | [`bundle`] | [`Bundle`]: all files of a working system with digests, licences and recipes (`bundle.toml`) |
//! | [`tensors`] | plain tensor files: what `affekt run` reads and writes |
//! | [`error`] | [`Error`] |

pub mod bundle;
pub mod checkpoint;
pub mod error;
pub mod keys;
mod ledger;
pub mod tensors;

pub use bundle::Bundle;
pub use checkpoint::{Checkpoint, read_config};
pub use error::Error;
pub use keys::KeyTable;
