//! The feature store: immutable shards named by feature spec, header index, verification.
//!
//! `CACHE/<feature>-<digest8>/part-*.safetensors`, one tensor a clip. There is no database and no lock: a store is
//! what the headers of its shards say, so that several writers may work at once, also on shared storage.
//!
//! | module | holds |
//! |---|---|
//! | [`store`] | [`Store`]: all shards of one feature, and where each clip lies |
//! | [`writer`] | [`ShardWriter`]: clips into one new shard, atomically |
//! | [`shard`] | [`Shard`]: one shard, memory-mapped, read in any order |
//! | [`clip`] | [`Clip`], [`Status`], [`Mask`]: what a shard tells of each clip |
//! | [`number`] | [`Number`]: how numbers are kept |
//! | [`mod@verify`] | [`Report`]: every byte held against its header |
//! | `header` | what stands in a shard's metadata, and its version |
//! | [`error`] | [`Error`] |

pub mod clip;
pub mod error;
mod header;
pub mod number;
pub mod shard;
pub mod store;
pub mod verify;
pub mod writer;

pub use clip::{Clip, Mask, Status};
pub use error::Error;
pub use number::Number;
pub use shard::{Feature, Shard};
pub use store::Store;
pub use verify::{Report, verify};
pub use writer::ShardWriter;
