//! How a bundle wants each feature made: the typed form of its `[features.*]` tables.
//!
//! | module | holds |
//! |---|---|
//! | `spec` | [`specs()`]: what a cache keeps features under, known before any weights are loaded |

mod spec;

use std::str::FromStr;

use affekt_core::{FeatureKind, LayerRule};
use affekt_weights::Bundle;
use serde::Deserialize;

use crate::Error;
pub use spec::specs;
pub(crate) use spec::width;

/// Every kind of feature, in the order in which they are told.
pub const KINDS: [FeatureKind; 5] =
    [FeatureKind::Audio, FeatureKind::Speech, FeatureKind::Video, FeatureKind::Text, FeatureKind::Simulated];

/// Version of the path from media file to waveform and frames; part of every feature spec.
pub const DECODE: &str = "decode-16k-mono-v1";

/// The recipes of all features that prediction needs.
#[derive(Clone, Debug)]
pub struct Recipes {
    /// Voice.
    pub audio: AudioRecipe,
    /// Projector input.
    pub speech: AudioRecipe,
    /// Face.
    pub video: VideoRecipe,
    /// Words.
    pub text: TextRecipe,
    /// Words generated from the voice.
    pub simulated: SimulatedRecipe,
}

/// Waveform to WavLM hidden states.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioRecipe {
    /// Network name in the bundle.
    pub network: String,
    /// Which hidden states.
    pub layers: LayerRule,
    /// `none`, `hf` or `slam`.
    pub normalize: String,
}

/// Faces to MANet embeddings.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoRecipe {
    /// Network name in the bundle.
    pub network: String,
    /// Ways to find faces that the fusion model takes, the preferred first; each as detector, tracking and crop, by name
    /// and version.
    pub faces: Vec<Vec<String>>,
    /// Side of the square picture that the network sees, in pixels.
    pub size: usize,
}

/// Transcript to LLM hidden states.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextRecipe {
    /// Network name in the bundle.
    pub network: String,
    /// Which hidden states, summed.
    pub layers: LayerRule,
}

/// Speech to generated text, and its LLM hidden states.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulatedRecipe {
    /// Network name of the LLM in the bundle.
    pub network: String,
    /// Network name of the projector in the bundle.
    pub projector: String,
    /// Which hidden states, summed.
    pub layers: LayerRule,
    /// Whose states.
    pub mode: Mode,
    /// Prompt, by name.
    pub prompt: Prompt,
    /// Beams of the search.
    pub beams: usize,
    /// Longest generation, in tokens.
    pub max_new_tokens: usize,
}

/// Whose hidden states make the simulated text (`spec`: both modes of the released pipeline).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Those along the winning hypothesis.
    Best,
    /// Those at beam slot 0, whichever hypothesis sits there: what the released features hold.
    Beam0,
}

/// The prompts that published checkpoints were trained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prompt {
    /// SDUMC's.
    Sdumc,
    /// SLAM-ASR's.
    Slam,
}

impl Prompt {
    /// The words, byte for byte as in training.
    pub fn text(self) -> &'static str {
        match self {
            Self::Sdumc => {
                "USER: Transcribe speech to text. Output the transcription directly without redundant content. \
                 Ensure that the output is not duplicated. \n ASSISTANT:"
            }
            Self::Slam => "USER: Transcribe speech to text. \n ASSISTANT:",
        }
    }
}

impl Recipes {
    /// Reads the recipes from a bundle and checks their names.
    pub fn of(bundle: &Bundle) -> Result<Self, Error> {
        let recipes = Self {
            audio: bundle.recipe(FeatureKind::Audio)?,
            speech: bundle.recipe(FeatureKind::Speech)?,
            video: bundle.recipe(FeatureKind::Video)?,
            text: bundle.recipe(FeatureKind::Text)?,
            simulated: bundle.recipe(FeatureKind::Simulated)?,
        };
        let network = |name: &str| bundle.network(name).map(|_| ());
        for name in [&recipes.audio.network, &recipes.speech.network, &recipes.video.network] {
            network(name)?;
        }
        if recipes.audio.network != recipes.speech.network {
            return Err(Error::Recipe { reason: "audio and speech name different networks".into() });
        }
        if recipes.video.faces.iter().any(|way| way.len() != 3) || recipes.video.faces.is_empty() {
            let reason = "faces of video must list ways of three words each: detector, tracking, crop".into();
            return Err(Error::Recipe { reason });
        }
        if recipes.simulated.beams == 0 || recipes.simulated.max_new_tokens == 0 {
            return Err(Error::Recipe {
                reason: "beams and max_new_tokens of simulated must be at least 1".into(),
            });
        }
        Ok(recipes)
    }
}

impl FromStr for Prompt {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "sdumc" => Ok(Self::Sdumc),
            "slam" => Ok(Self::Slam),
            _ => Err(format!("there is no prompt {name:?}: name sdumc or slam")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_pinned_byte_for_byte() {
        assert_eq!(Prompt::Slam.text(), "USER: Transcribe speech to text. \n ASSISTANT:");
        assert!(
            Prompt::Sdumc
                .text()
                .starts_with("USER: Transcribe speech to text. Output the transcription directly")
        );
        assert!(
            Prompt::Sdumc
                .text()
                .ends_with("content. Ensure that the output is not duplicated. \n ASSISTANT:")
        );
    }
}
