//! A clip, and which of its features the cache lacks.

use affekt_core::{ClipId, Digest, FeatureKind, Span, Stage};

/// A clip, and which of its features the cache lacks.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name.
    pub id: ClipId,
    /// Which of its recording's spans is its time.
    pub index: usize,
    /// Its time in the recording.
    pub span: Span,
    /// What is said in it.
    pub text: Option<String>,
    /// The recording that features of it in the cache were made from.
    pub media: Option<Digest>,
    /// The features to make.
    pub lacks: Vec<FeatureKind>,
    /// Whether its words are to be recognised.
    pub recognises: bool,
    /// Whether the cache has its `speech`, so that text can be simulated without hearing it again.
    pub speech_cached: bool,
}

impl Task {
    /// Whether anything has to be decoded for it.
    pub fn needs_media(&self) -> bool {
        self.needs_sound() || self.needs_faces()
    }

    /// Whether its sound is needed.
    pub fn needs_sound(&self) -> bool {
        self.needs_voice() || self.recognises
    }

    /// Whether WavLM has to hear it.
    pub fn needs_voice(&self) -> bool {
        self.lacks.iter().any(|kind| match kind {
            FeatureKind::Audio | FeatureKind::Speech => true,
            FeatureKind::Simulated => !self.speech_cached,
            FeatureKind::Video | FeatureKind::Text => false,
        })
    }

    /// Whether its faces are needed.
    pub fn needs_faces(&self) -> bool {
        self.lacks(FeatureKind::Video)
    }

    /// Whether `kind` is to be made.
    pub fn lacks(&self, kind: FeatureKind) -> bool {
        self.lacks.contains(&kind)
    }

    /// The stages that it goes through.
    pub fn stages(&self) -> impl Iterator<Item = Stage> {
        let stages = [
            (Stage::Decode, self.needs_media()),
            (Stage::Audio, self.needs_voice()),
            (Stage::Video, self.needs_faces()),
            (Stage::Recognise, self.recognises),
            (Stage::Text, self.lacks(FeatureKind::Text)),
            (Stage::Simulate, self.lacks(FeatureKind::Simulated)),
            (Stage::Write, true),
        ];
        stages.into_iter().filter(|(_, needed)| *needed).map(|(stage, _)| stage)
    }
}

/// Clips by what came of one feature of theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The feature is there.
    pub done: usize,
    /// They have no such feature.
    pub absent: usize,
    /// It failed.
    pub failed: usize,
}

impl Tally {
    /// All of them.
    pub fn clips(&self) -> usize {
        self.done + self.absent + self.failed
    }
}
