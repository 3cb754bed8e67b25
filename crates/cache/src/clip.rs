//! What a shard tells of each clip.

use affekt_core::{ClipId, Digest, Seconds, Span, TextSource};
use serde::{Deserialize, Serialize};

/// The row of one clip in a shard's header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clip {
    /// Its name, and that of its tensor.
    pub id: ClipId,
    /// Where it comes from, and what its extraction found beside the numbers.
    #[serde(flatten)]
    pub facts: Facts,
    /// What came of it.
    pub status: Status,
}

/// What is known of a clip beside its numbers; each where it applies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Digest of the file that it was made from; `None` where that could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Digest>,
    /// The part of the file that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// How much of it there was: what the rows cover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<Seconds>,
    /// For speech and audio: the samples (16 kHz) that the rows were made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// What is doubtful though it is there: damage, an end before its time, words that were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// For video: which rows show a face.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub face_mask: Option<Mask>,
    /// For simulated text: the words that were generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hypothesis: Option<String>,
    /// For simulated text: the score of the hypothesis, its log-probability over its length; for recognised text: the mean
    /// log-probability of a token of its windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// For text: the words that were read; for simulated text: the transcript that the hypothesis was held against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// For text: where the words came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_source: Option<TextSource>,
    /// For recognised text: the language, by its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// For text: digest of the words, as UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Digest>,
    /// For text: tokens of the words; for simulated text: tokens that were generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<usize>,
    /// For simulated text: whether the generation ran into a loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looped: Option<bool>,
    /// For simulated text: whether it refuses to transcribe instead of transcribing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<bool>,
    /// For simulated text: whether the limit of tokens ended it rather than the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capped: Option<bool>,
    /// For simulated text: word errors of the hypothesis over the words of the transcript; more than 1 where there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wer: Option<f64>,
    /// The same for characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cer: Option<f64>,
}

/// What came of a clip. Failures are kept too, with their reason, so that they need not be met twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Status {
    /// The shard holds its feature.
    Done {
        /// Rows of the tensor.
        rows: usize,
        /// Digest of the tensor's bytes.
        digest: Digest,
    },
    /// The clip has no such feature, and that is no fault: no transcript, no sound.
    Absent {
        /// Why.
        reason: String,
    },
    /// It could not be had; another try may do better.
    Failed {
        /// The stage of the work, by name.
        stage: String,
        /// Why.
        reason: String,
    },
}

impl Clip {
    /// Of several rows of one clip, the one with the highest rank counts: a feature above none, a settled answer above a
    /// failure, and, among equals, one that knows what was said.
    pub(crate) fn rank(&self) -> (u8, bool) {
        let settled = match self.status {
            Status::Done { .. } => 2,
            Status::Absent { .. } => 1,
            Status::Failed { .. } => 0,
        };
        (settled, self.facts.transcript.is_some())
    }

    /// Whether it failed.
    pub fn is_failed(&self) -> bool {
        matches!(self.status, Status::Failed { .. })
    }

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
        let facts = Facts {
            media: Some(Digest::of(b"media")),
            span: Some(Span::new(Some(0.1), Some(29.737)).unwrap()),
            seconds: Some(Seconds(29.637)),
            face_mask: Some(Mask(vec![true, false])),
            score: Some(-0.125),
            ..Facts::default()
        };
        let status = Status::Failed { stage: "decode".into(), reason: "no stream".into() };
        let clip = Clip { id: ClipId::new("a_1").unwrap(), facts, status };
        let json = serde_json::to_value(&clip).unwrap();
        assert_eq!(json["face_mask"], "10");
        assert_eq!((&json["status"]["is"], &json["status"]["stage"]), (&"failed".into(), &"decode".into()));
        assert_eq!(json["span"]["end"], 29.737);
        assert!(json.get("hypothesis").is_none());
        assert_eq!(serde_json::from_str::<Clip>(&json.to_string()).unwrap(), clip);
        assert!(Mask::try_from("102".to_owned()).is_err());
    }
}
