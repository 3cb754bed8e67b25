//! The result of the main job.

use affekt_core::{Seconds, Stage, TextSource};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Everything said about one input. Field names and order are the contract of `predict --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// The input as it was named.
    pub input: String,
    /// Duration of what was judged.
    pub duration_s: Seconds,
    /// Name of the bundle that judged.
    pub bundle: String,
    /// The fusion model, where it was named in place of the bundle's; not a member otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fusion: Option<Fusion>,
    /// The valence in a word: with text where there is text, else without.
    pub label: Label,
    /// Where the text came from.
    pub text_source: Option<TextSource>,
    /// Sentiment valence, unclipped; labels lie in -3 to 3.
    pub valence: Valence,
    /// Share of each modality.
    pub attention: Attention,
    /// The same by window.
    pub timeline: Vec<Window>,
    /// What was seen of the speaker's face.
    pub faces: Faces,
    /// What was heard.
    pub audio: Audio,
    /// The text that was generated from the speech.
    pub simulated: Simulated,
    /// What a user should know before trusting the numbers.
    pub warnings: Vec<String>,
    /// Wall time by stage.
    pub timing_s: Timing,
}

/// A fusion model that was named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fusion {
    /// Its file.
    pub file: String,
    /// SHA-256 of it.
    pub sha256: String,
    /// What trained it: method, configuration, seed; `None` for released weights.
    pub run: Option<String>,
}

/// A valence in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// At most -0.5.
    Negative,
    /// Nearer to 0 than to the next whole step of the label scale.
    Neutral,
    /// At least 0.5.
    Positive,
}

impl Label {
    /// The word for `valence`: half a step of the label scale parts neutral from the rest.
    pub fn of(valence: f64) -> Self {
        match valence {
            valence if valence >= 0.5 => Self::Positive,
            valence if valence <= -0.5 => Self::Negative,
            _ => Self::Neutral,
        }
    }

    /// Lower-case word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Negative => "negative",
            Self::Neutral => "neutral",
            Self::Positive => "positive",
        }
    }
}

/// Valence by flow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Valence {
    /// Complete flow: voice, words, face. `None` without words.
    pub with_text: Option<f64>,
    /// Text-missing flow: the words are simulated from the voice.
    pub without_text: f64,
}

/// Shares by flow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Attention {
    /// Complete flow. `None` without words.
    pub with_text: Option<Shares>,
    /// Text-missing flow.
    pub without_text: Shares,
}

/// Share of each modality in a result; the three add up to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shares {
    /// The voice.
    pub audio: f64,
    /// The words, real or simulated.
    pub text: f64,
    /// The face.
    pub video: f64,
}

/// One window of the timeline, times from the start of the recording.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Window {
    /// First instant.
    pub start: Seconds,
    /// First instant after it.
    pub end: Seconds,
    /// Valence with text; `None` without words.
    pub with_text: Option<f64>,
    /// Valence without text; `None` where there is neither voice, nor face, nor words.
    pub without_text: Option<f64>,
}

/// What was seen of the speaker's face.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Faces {
    /// Frames decoded.
    pub frames: usize,
    /// Frames in which the speaker's face was found.
    pub with_face: usize,
    /// The one over the other; 0 without frames.
    pub coverage: f64,
    /// Tracks among which the speaker was chosen; of a long recording, most of any window.
    pub tracks: usize,
}

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Audio {
    /// Whether there is an audio stream that holds samples.
    pub present: bool,
    /// Whether nothing is to be heard in it.
    pub silent: bool,
    /// Its duration inside the span.
    pub seconds: Seconds,
}

/// The text that was generated from the speech.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Simulated {
    /// The generated text; `None` where there was no speech to generate from.
    pub hypothesis: Option<String>,
    /// Its tokens, the end token counted.
    pub tokens: usize,
    /// Sum of log probabilities over the number of tokens.
    pub score: Option<f64>,
    /// Whether it repeats itself at its end.
    pub looped: bool,
}

/// Wall time by stage, in the order of the flow, and in total.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timing {
    /// Stage and its share of the wall time: stages that run side by side divide it by the work that each did.
    pub stages: Vec<(Stage, Seconds)>,
    /// From the first to the last.
    pub total: Seconds,
}

impl Timing {
    /// Puts a stage before all others that took `seconds` before the total began.
    pub fn precede(&mut self, stage: Stage, seconds: Seconds) {
        self.stages.insert(0, (stage, seconds));
        self.total.0 += seconds.0;
    }
}

impl Serialize for Timing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.stages.len() + 1))?;
        for (stage, seconds) in &self.stages {
            map.serialize_entry(stage.name(), seconds)?;
        }
        map.serialize_entry("total", &self.total)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_step_parts_neutral_from_the_rest() {
        let words = [-3.2, -0.5, -0.49, 0.0, 0.49, 0.5].map(|valence| Label::of(valence).word());
        assert_eq!(words, ["negative", "negative", "neutral", "neutral", "neutral", "positive"]);
    }

    #[test]
    fn timing_is_a_map_in_the_order_of_the_flow() {
        let stages = vec![(Stage::Decode, Seconds(0.5)), (Stage::Audio, Seconds(0.25))];
        let json = serde_json::to_string(&Timing { stages, total: Seconds(0.75) }).unwrap();
        assert_eq!(json, r#"{"decode":0.5,"audio":0.25,"total":0.75}"#);
    }
}
