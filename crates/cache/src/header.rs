//! What stands in a shard's metadata, and its version.

use std::collections::HashMap;
use std::path::Path;

use affekt_core::{Digest, FeatureSpec};
use serde::{Deserialize, Serialize};

use crate::{Clip, Error};

/// Version of the format. A change that an older program would misread raises it.
pub const VERSION: u32 = 1;

/// The one key of the metadata. One, since safetensors keeps its metadata in no fixed order.
const KEY: &str = "affekt";

/// All that a shard says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    format: u32,
    /// The recipe of every feature in the shard.
    pub spec: FeatureSpec,
    /// Its clips, in the order in which they were added.
    pub clips: Vec<Clip>,
    checksum: Digest,
}

#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl Header {
    /// The header of `clips` made by `spec`.
    pub fn new(spec: FeatureSpec, clips: Vec<Clip>) -> Self {
        let checksum = checksum(&spec, &clips);
        Self { format: VERSION, spec, clips, checksum }
    }

    /// Digest of recipe and clips, the digests of the tensors among them: equal for shards of equal content.
    pub fn checksum(&self) -> &Digest {
        &self.checksum
    }

    /// As safetensors metadata.
    pub fn to_metadata(&self) -> HashMap<String, String> {
        let json = serde_json::to_string(self).expect("a header is plain data");
        HashMap::from([(KEY.to_owned(), json)])
    }

    /// From the metadata of the shard at `path`: the version first, since everything else depends on it.
    pub fn from_metadata(metadata: Option<&HashMap<String, String>>, path: &Path) -> Result<Self, Error> {
        let damaged = |reason: String| Error::Damaged { path: path.into(), reason };
        let json = metadata.and_then(|metadata| metadata.get(KEY));
        let json = json.ok_or_else(|| damaged(format!("its header has no entry `{KEY}`")))?;
        let unreadable = |error: serde_json::Error| damaged(format!("its header: {error}"));
        let version: Version = serde_json::from_str(json).map_err(unreadable)?;
        if version.format != VERSION {
            return Err(Error::Version { path: path.into(), found: version.format, wanted: VERSION });
        }
        let header: Self = serde_json::from_str(json).map_err(unreadable)?;
        if checksum(&header.spec, &header.clips) != header.checksum {
            return Err(damaged("its header does not have the checksum that it names".to_owned()));
        }
        Ok(header)
    }
}

fn checksum(spec: &FeatureSpec, clips: &[Clip]) -> Digest {
    Digest::of(&serde_json::to_vec(&(spec, clips)).expect("a header is plain data"))
}
