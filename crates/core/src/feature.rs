//! What a feature is and how it was made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Digest;

/// The features that the fusion model and its preparation know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeatureKind {
    /// WavLM hidden states of layer -5, one row per 20 ms.
    Audio,
    /// WavLM hidden states of the last layer, the projector's input, one row per 20 ms.
    Speech,
    /// MANet embedding of the speaker's face, one row a frame.
    Video,
    /// LLM hidden states over the transcript, one row a token.
    Text,
    /// LLM hidden states of text generated from speech, one row a token.
    Simulated,
}

impl FeatureKind {
    /// Lower-case name, as on the command line and in folder names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Speech => "speech",
            Self::Video => "video",
            Self::Text => "text",
            Self::Simulated => "simulated",
        }
    }
}

/// Which entries of a network's hidden states make a feature: one, or the sum of several. Entries are counted from the
/// end by negative numbers: -1 is the last.
///
/// Written `-4` or `-4..-1` (both ends included).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LayerRule {
    first: i32,
    last: i32,
}

/// Why a text is no [`LayerRule`], or why a network has not the entries that it names.
#[derive(Debug, thiserror::Error)]
pub enum BadLayerRule {
    /// Not of the form `-4` or `-4..-1`.
    #[error("{0:?} is not a layer rule: write one entry, `-4`, or a sum, `-4..-1`")]
    Syntax(String),
    /// An entry that the network does not have.
    #[error("layer rule `{rule}` names an entry outside the network's {entries} hidden states")]
    Range {
        /// The rule.
        rule: LayerRule,
        /// How many entries the network has.
        entries: usize,
    },
}

impl LayerRule {
    /// A single entry.
    pub const fn entry(index: i32) -> Self {
        Self { first: index, last: index }
    }

    /// The sum of the entries `first` to `last`, both included.
    pub const fn sum(first: i32, last: i32) -> Self {
        Self { first, last }
    }

    /// The entries as indices from 0, for a network with `entries` hidden states.
    pub fn resolve(self, entries: usize) -> Result<std::ops::RangeInclusive<usize>, BadLayerRule> {
        let index = |at: i32| if at < 0 { entries as i64 + i64::from(at) } else { i64::from(at) };
        let (first, last) = (index(self.first), index(self.last));
        if first < 0 || last < first || last >= entries as i64 {
            return Err(BadLayerRule::Range { rule: self, entries });
        }
        Ok(first as usize..=last as usize)
    }
}

impl fmt::Display for LayerRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}..{}", self.first, self.last)
        }
    }
}

impl FromStr for LayerRule {
    type Err = BadLayerRule;
    fn from_str(text: &str) -> Result<Self, BadLayerRule> {
        let number = |part: &str| part.trim().parse().map_err(|_| BadLayerRule::Syntax(text.into()));
        match text.split_once("..") {
            Some((first, last)) => Ok(Self::sum(number(first)?, number(last)?)),
            None => Ok(Self::entry(number(text)?)),
        }
    }
}

impl TryFrom<String> for LayerRule {
    type Error = BadLayerRule;
    fn try_from(text: String) -> Result<Self, BadLayerRule> {
        text.parse()
    }
}

impl From<LayerRule> for String {
    fn from(rule: LayerRule) -> Self {
        rule.to_string()
    }
}

/// The recipe of a feature. Two features are interchangeable exactly when their specs are equal; the digest of the
/// spec is part of every place where the feature is kept, so that recipes never mix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSpec {
    /// What it is.
    pub kind: FeatureKind,
    /// The network, by name.
    pub encoder: String,
    /// Digest of the network's weights.
    pub weights: Digest,
    /// Which hidden states; `None` for a network with a single output.
    pub layers: Option<LayerRule>,
    /// What is done to the input, in order, with versions: normalisation, detector, crop, prompt, decoding.
    pub preprocessing: Vec<String>,
    /// Numbers a row.
    pub width: usize,
    /// Storage type of the numbers: `f32`, `f16` or `bf16`.
    pub dtype: String,
    /// What one row stands for: `20ms`, `frame`, `token`.
    pub row: String,
}

impl FeatureSpec {
    /// Digest of the spec: of its JSON text, whose field order is the order above.
    pub fn digest(&self) -> Digest {
        let json = serde_json::to_vec(self).expect("a feature spec is plain data");
        Digest::of(&json)
    }

    /// Folder name in a cache: `<feature>-<digest8>`.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.kind.name(), self.digest().short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_rules_count_from_the_end() {
        let rule: LayerRule = "-5".parse().unwrap();
        assert_eq!(rule.resolve(25).unwrap(), 20..=20);
        let rule: LayerRule = "-4..-1".parse().unwrap();
        assert_eq!(rule.resolve(33).unwrap(), 29..=32);
        assert_eq!(rule.to_string(), "-4..-1");
    }

    #[test]
    fn layer_rules_outside_the_network_are_refused() {
        for (rule, entries) in [("-5", 4), ("4", 4), ("-1..-4", 33)] {
            assert!(rule.parse::<LayerRule>().unwrap().resolve(entries).is_err(), "{rule}");
        }
        assert!("four".parse::<LayerRule>().is_err());
        assert!("-4..".parse::<LayerRule>().is_err());
    }

    #[test]
    fn the_digest_changes_with_any_part_of_the_recipe() {
        let spec = FeatureSpec {
            kind: FeatureKind::Audio,
            encoder: "wavlm".into(),
            weights: Digest::of(b"weights"),
            layers: Some(LayerRule::entry(-5)),
            preprocessing: vec!["resample-16k-v1".into(), "normalize-hf-v1".into()],
            width: 1024,
            dtype: "f32".into(),
            row: "20ms".into(),
        };
        let mut other = spec.clone();
        assert_eq!(spec.digest(), other.digest());
        other.layers = Some(LayerRule::entry(-1));
        assert_ne!(spec.digest(), other.digest());
        assert_eq!(spec.folder(), format!("audio-{}", spec.digest().short()));
    }
}
