//! What lies behind a prediction: the material of the HTML page that no number of the JSON holds.

use affekt_core::{FeatureSpec, Seconds, Span};

/// The material of one input. Times count from the start of the recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Exhibit {
    /// Facts about the file, as (name, value): container, picture, sound.
    pub media: Vec<(String, String)>,
    /// Sampled frames in the order of time.
    pub pictures: Vec<Picture>,
    /// The loudness over time.
    pub envelope: Envelope,
    /// Stretches in which the speaker's face is seen, in the order of time.
    pub seen: Vec<Span>,
    /// What was said and what the language model imagined, window by window.
    pub words: Vec<Words>,
    /// Share of each view in the result.
    pub views: Views,
    /// How each feature was made.
    pub features: Vec<FeatureSpec>,
    /// Every network and the digest of its weights.
    pub networks: Vec<Weights>,
    /// One sentence about the bundle, from its definition.
    pub bundle: String,
    /// Heading of the prediction's first warning, where that takes meaning from all numbers: an untrained bundle, or one that
    /// knows only a small world.
    pub caution: Option<String>,
}

/// A frame, reduced, and the face chosen in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// When it is shown.
    pub time: Seconds,
    /// Columns of the reduced picture.
    pub width: usize,
    /// Its rows.
    pub height: usize,
    /// The reduced picture as a JPEG file.
    pub jpeg: Vec<u8>,
    /// The speaker's face as x, y, width and height in pixels of the reduced picture, where one was found.
    pub face: Option<[f32; 4]>,
    /// The 112 x 112 crop that the network saw, as a JPEG file.
    pub crop: Option<Vec<u8>>,
}

/// Smallest and largest sample of equal steps of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Envelope {
    /// When the first step begins.
    pub start: Seconds,
    /// How long a step is.
    pub step: Seconds,
    /// (smallest, largest) of each step, full scale at -1 to 1; empty without sound.
    pub steps: Vec<(f32, f32)>,
}

/// The words of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    /// First instant.
    pub start: Seconds,
    /// First instant after it.
    pub end: Seconds,
    /// What was said, where that is known.
    pub transcript: Option<String>,
    /// What the language model made of the voice, where there is one.
    pub hypothesis: Option<String>,
}

/// Shares by flow, in the order of [`Views::NAMES`]; each flow's add up to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Views {
    /// Complete flow. `None` without words.
    pub with_text: Option<[f64; 7]>,
    /// Text-missing flow.
    pub without_text: [f64; 7],
}

impl Views {
    /// The seven views of SDUMC: all three modalities, each pair, each one alone.
    pub const NAMES: [&'static str; 7] =
        ["all three", "voice + words", "words + face", "voice + face", "voice", "words", "face"];
}

/// Where a network's numbers come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The network, as the bundle names it.
    pub network: String,
    /// SHA-256 of its weights.
    pub sha256: String,
    /// The licence of the file.
    pub licence: String,
    /// Where the file comes from.
    pub source: String,
}
