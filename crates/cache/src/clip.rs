//! What a shard tells of each clip.

use affekt_core::{ClipId, Digest};
use serde::{Deserialize, Serialize};

/// The row of one clip in a shard's header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    /// Its name, and that of its tensor.
    pub id: ClipId,
    /// Digest of the media file that it was cut from.
    pub media: Digest,
    /// What came of it.
    pub status: Status,
    /// For simulated text: the words that were generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hypothesis: Option<String>,
    /// For video: which rows show a face.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub face_mask: Option<Mask>,
}

/// What came of a clip. Failures are kept too, with their reason, so that they need not be met twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase", deny_unknown_fields)]
pub enum Status {
    /// The shard holds its feature.
    Done {
        /// Rows of the tensor.
        rows: usize,
        /// Digest of the tensor's bytes.
        digest: Digest,
    },
    /// There is none.
    Failed {
        /// Why.
        reason: String,
    },
}

impl Clip {
    /// Whether the shard holds its feature.
    pub fn is_done(&self) -> bool {
        matches!(self.status, Status::Done { .. })
    }
}

/// One flag a row, written as a text of `0` and `1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mask(pub Vec<bool>);

/// A text that is no [`Mask`].
#[derive(Debug, thiserror::Error)]
#[error("a mask is written with 0 and 1, not {0:?}")]
pub struct BadMask(char);

impl TryFrom<String> for Mask {
    type Error = BadMask;
    fn try_from(text: String) -> Result<Self, BadMask> {
        let flag = |digit| match digit {
            '0' => Ok(false),
            '1' => Ok(true),
            other => Err(BadMask(other)),
        };
        text.chars().map(flag).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Mask> for String {
    fn from(mask: Mask) -> Self {
        mask.0.into_iter().map(|flag| if flag { '1' } else { '0' }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_is_plain_json() {
        let clip = Clip {
            id: ClipId::new("a_1").unwrap(),
            media: Digest::of(b"media"),
            status: Status::Failed { reason: "no stream".into() },
            hypothesis: None,
            face_mask: Some(Mask(vec![true, false])),
        };
        let json = serde_json::to_value(&clip).unwrap();
        assert_eq!(json["face_mask"], "10");
        assert_eq!(json["status"]["is"], "failed");
        assert_eq!(serde_json::from_value::<Clip>(json).unwrap(), clip);
        assert!(Mask::try_from("102".to_owned()).is_err());
    }
}
