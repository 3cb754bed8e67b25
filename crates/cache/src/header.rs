//! What stands in a shard's metadata, and its version.

use std::collections::HashMap;
use std::path::Path;

use affekt_core::{Digest, FeatureSpec};
use serde::{Deserialize, Serialize};

use crate::{Clip, Error};

/// Version of the format. A change that an older program would misread raises it.
pub const VERSION: u32 = 1;

/// Metadata entry of the header, a JSON text.
pub(crate) const KEY: &str = "affekt";
/// Metadata entry of the SHA-256 of that text.
pub(crate) const CHECKSUM: &str = "checksum";

/// All that a shard says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    format: u32,
    /// The recipe of every feature in the shard.
    pub spec: FeatureSpec,
    /// Its clips, in the order in which they were added.
    pub clips: Vec<Clip>,
}

#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl Header {
    /// The header of `clips` made by `spec`.
    pub fn new(spec: FeatureSpec, clips: Vec<Clip>) -> Self {
        Self { format: VERSION, spec, clips }
    }

    /// As a JSON text, with its digest. The digests of the tensors are part of it: equal for shards of equal content.
    pub fn to_text(&self) -> (String, Digest) {
        let text = serde_json::to_string(self).expect("a header is plain data");
        let checksum = Digest::of(text.as_bytes());
        (text, checksum)
    }

    /// From the metadata of the shard at `path`: the version first, since everything else depends on it.
    pub fn from_metadata(metadata: Option<&HashMap<String, String>>, path: &Path) -> Result<Self, Error> {
        let damaged = |reason: String| Error::Damaged { path: path.into(), reason };
        let entry = |key: &str| {
            let entry = metadata.and_then(|metadata| metadata.get(key));
            entry.ok_or_else(|| damaged(format!("its header has no entry `{key}`")))
        };
        let text = entry(KEY)?;
        let unreadable = |error: serde_json::Error| damaged(format!("its header: {error}"));
        let version: Version = serde_json::from_str(text).map_err(unreadable)?;
        if version.format != VERSION {
            return Err(Error::Version { path: path.into(), found: version.format, wanted: VERSION });
        }
        if Digest::of(text.as_bytes()).as_str() != entry(CHECKSUM)? {
            return Err(damaged("its header does not have the checksum that it names".to_owned()));
        }
        serde_json::from_str(text).map_err(unreadable)
    }
}
