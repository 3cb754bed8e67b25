//! How a bundle wants each feature made: the typed form of its `[features.*]` tables.
//!
//! | module | holds |
//! |---|---|
//! | `prompt` | [`Prompt`]: what the language model is asked to do |
//! | `spec` | [`specs()`]: what a cache keeps features under, known before any weights are loaded |

mod prompt;
mod spec;

use affekt_core::{FeatureKind, LayerRule, Seconds};
use affekt_weights::Bundle;
use serde::Deserialize;

use crate::Error;
pub use prompt::{BadPrompt, Prompt};
pub(crate) use spec::{settings, width};
pub use spec::{simulated_spec, specs};

/// Every kind of feature, in the order in which they are told.
pub const KINDS: [FeatureKind; 5] =
    [FeatureKind::Audio, FeatureKind::Speech, FeatureKind::Video, FeatureKind::Text, FeatureKind::Simulated];

/// Version of the path from media file to waveform and frames; part of every feature spec.
pub const DECODE: &str = "decode-16k-mono-v1";

/// Tokens of a robust text beyond those that the clip's seconds allow: its end, and names that are spelled out.
const ROBUST_TOKENS: usize = 16;
/// Tokens of a robust text for each second of the clip. Fast speech has 5 words a second, of 1.4 tokens each.
const ROBUST_TOKENS_PER_SECOND: f64 = 8.0;

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
    /// Whose words. No bundle says so: the user has them, or has them recognised.
    #[serde(skip)]
    pub words: Words,
    /// The language of recognised words, by its code; `None` finds it out for each clip.
    #[serde(skip)]
    pub language: Option<String>,
}

/// Where the words of a clip come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Words {
    /// Its transcript.
    #[default]
    Given,
    /// A recogniser, whatever its transcript says.
    Recognised,
    /// Its transcript; a recogniser where it has none.
    Filled,
}

impl Words {
    /// Whether a clip, which has a transcript or has none, is given to the recogniser.
    pub fn recognises(self, has_transcript: bool) -> bool {
        match self {
            Self::Given => false,
            Self::Recognised => true,
            Self::Filled => !has_transcript,
        }
    }
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
    /// What the language model is asked to do.
    pub prompt: Prompt,
    /// Beams of the search.
    pub beams: usize,
    /// Longest generation, in tokens.
    pub max_new_tokens: usize,
    /// Whether short clips may only have short texts: a language model that loops stops soon. The published features have no
    /// such limit.
    #[serde(default)]
    pub robust: bool,
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

impl Mode {
    /// Lower-case name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Beam0 => "beam0",
        }
    }
}

impl SimulatedRecipe {
    /// Most tokens of the text of a voice of `duration`.
    pub fn most_tokens(&self, duration: Seconds) -> usize {
        if !self.robust {
            return self.max_new_tokens;
        }
        let spoken = (ROBUST_TOKENS_PER_SECOND * duration.0.max(0.0)).ceil() as usize;
        self.max_new_tokens.min(ROBUST_TOKENS.saturating_add(spoken))
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
        recipes.check()?;
        Ok(recipes)
    }

    /// Refuses what no search can run with.
    pub fn check(&self) -> Result<(), Error> {
        if self.simulated.beams == 0 || self.simulated.max_new_tokens == 0 {
            return Err(Error::Recipe {
                reason: "beams and max_new_tokens of simulated must be at least 1".into(),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_robust_text_is_no_longer_than_what_can_be_said() {
        let recipe = SimulatedRecipe {
            network: "llama".into(),
            projector: "slam".into(),
            layers: LayerRule::entry(-4),
            mode: Mode::Best,
            prompt: Prompt::Sdumc,
            beams: 4,
            max_new_tokens: 200,
            robust: false,
        };
        assert_eq!(recipe.most_tokens(Seconds(0.5)), 200);
        let robust = SimulatedRecipe { robust: true, ..recipe };
        assert_eq!(robust.most_tokens(Seconds(0.5)), 20);
        assert_eq!(robust.most_tokens(Seconds(8.0)), 80);
        assert_eq!(robust.most_tokens(Seconds(60.0)), 200);
    }
}
