//! The feature store: immutable shards named by feature spec, header index, verification.
//!
//! `CACHE/<feature>-<digest8>/part-*.safetensors`, one tensor a clip. There is no database and no lock: a store is
//! what the headers of its shards say, so that several writers may work at once, also on shared storage.
//!
//! | module | holds |
//! |---|---|
//! | [`store`] | [`Store`]: all shards of one feature, and where each clip lies |
//! | [`mod@folders`] | [`Folder`]: the features of a cache, side by side |
//! | [`writer`] | [`ShardWriter`]: clips into one new shard, atomically |
//! | [`shard`] | [`Shard`]: one shard, memory-mapped, read in any order |
//! | [`clip`] | [`Clip`], [`Facts`], [`Status`], [`Mask`]: what a shard tells of each clip |
//! | [`number`] | [`Number`]: how numbers are kept |
//! | [`mod@verify`] | [`Report`]: every byte held against its header, clips against a list |
//! | [`manifest`] | lists of clips that should be there |
//! | [`npy`] | arrays in NumPy's file format |
//! | [`mod@export`], [`mod@import`] | features as `.npy` files, out and in: a file a clip, or one of all clips with an index |
//! | [`mod@waste`] | [`Waste`]: superseded recipes, and what dead writers left |
//! | `header` | what stands in a shard's metadata, and its version |
//! | `commit` | a file that is there whole or not at all |
//! | [`error`] | [`Error`] |

pub mod clip;
mod commit;
pub mod error;
pub mod export;
pub mod folders;
mod header;
pub mod import;
pub mod manifest;
pub mod npy;
pub mod number;
pub mod shard;
pub mod store;
pub mod verify;
pub mod waste;
pub mod writer;

pub use clip::{Clip, Facts, Mask, Status};
pub use error::Error;
pub use export::{Exported, export};
pub use folders::{Folder, folders};
pub use import::{Description, Imported, Index, import, import_table};
pub use number::Number;
pub use shard::{Feature, Shard};
pub use store::Store;
pub use verify::{Report, verify};
pub use waste::{Waste, waste};
pub use writer::ShardWriter;
