//! The report of clips whose transcript and generated words disagree most, the worst first.
//!
//! Wrong timestamps show up here: where the sound of a clip is not the stretch that its transcript belongs to, the words
//! generated from that sound are those of another stretch. Nothing is changed by this report, and nothing is left out.
//!
//! | module | holds |
//! |---|---|
//! | `shift` | [`Shift`]: words that fit another time of the recording |
//! | `totals` | [`Totals`] of the corpus, and each [`Recording`]'s |
//! | `data` | JSON, TSV, CSV: all clips |
//! | `page` | HTML: figures, recordings, the worst clips |
//! | `summary` | a few lines for people |
//! | `file` | formats by the file's ending; refused before work, written as a whole |

mod data;
mod file;
mod page;
mod shift;
mod summary;
mod totals;

use std::cmp::Ordering;

use affekt_core::{ClipId, Span};
use serde::Serialize;

use crate::error_rate::{ErrorRate, Incomparable};

pub use file::Error;
pub use shift::Shift;
pub use totals::{BANDS, CommonShift, Recording, Totals};

/// A word error rate above which a clip counts as disagreeing.
pub const DISAGREES: f64 = 0.5;

/// What the report is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct About {
    /// Its heading.
    pub title: String,
    /// Program and version.
    pub program: String,
    /// The command that made it.
    pub command: String,
    /// When it was made, as it is to be shown.
    pub made: String,
    /// How the words were generated: names and values, such as prompt, mode and weights.
    pub recipe: Vec<(String, String)>,
    /// What takes meaning from all its numbers, such as a bundle that is untrained or knows only a small world.
    pub warnings: Vec<String>,
}

/// A clip that has a transcript, and what was generated from its sound.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The clip.
    pub clip: ClipId,
    /// The recording that it is cut from; `None` where that is not known.
    pub media: Option<String>,
    /// The part of the recording.
    pub span: Option<Span>,
    /// The words that were said.
    pub transcript: String,
    /// The words that were generated; `None` where none were, and `note` says why.
    pub hypothesis: Option<String>,
    /// What else there is to say.
    pub note: Option<String>,
    /// Log-probability of the hypothesis over its length.
    pub score: Option<f64>,
    /// Tokens that were generated.
    pub tokens: Option<usize>,
    /// Whether the generation ran into a loop.
    pub looped: bool,
    /// Whether it refuses to transcribe.
    pub refused: bool,
    /// Whether the limit of tokens ended it.
    pub capped: bool,
}

/// A clip with what the comparison found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The clip.
    #[serde(flatten)]
    pub compared: Compared,
    /// What clips are ordered by: the word error rate; above 1 where more is generated than said; 1 without a hypothesis; `None` where nothing can be compared.
    pub wer: Option<f64>,
    /// All about the errors; `None` without a hypothesis or where nothing can be compared.
    pub errors: Option<ErrorRate>,
    /// Why nothing can be compared.
    pub incomparable: Option<String>,
    /// Where in the recording the generated words fit better; not looked for where they loop, refuse or are cut.
    pub shift: Option<Shift>,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    about: About,
    totals: Totals,
    recordings: Vec<Recording>,
    clips: Vec<Judged>,
}

impl Judged {
    fn of(compared: Compared) -> Self {
        let found = ErrorRate::of(&compared.transcript, compared.hypothesis.as_deref().unwrap_or_default());
        let errors = found.ok().filter(|_| compared.hypothesis.is_some());
        // A text too long to compare agrees with nothing; a transcript without words says nothing.
        let wer = match found {
            Err(Incomparable::NoWords) => None,
            Err(Incomparable::TooLong) => Some(1.0),
            Ok(_) => Some(errors.map_or(1.0, |errors| errors.wer)),
        };
        let incomparable = found.err().map(|reason| reason.to_string());
        Self { compared, wer, errors, incomparable, shift: None }
    }

    /// Whether the generation failed: its words then tell nothing of the timestamps.
    fn flagged(&self) -> bool {
        self.compared.looped || self.compared.refused || self.compared.capped
    }

    /// Whether the words are well generated and not those of the transcript.
    fn disagrees(&self) -> bool {
        !self.flagged() && self.errors.is_some_and(|errors| errors.wer > DISAGREES)
    }
}

/// The worst first; what cannot be compared last. A rate counts as 1 at most, and among equals failed generations come
/// last: a loop has twenty times the words of its transcript, and would stand before every wrong timestamp.
fn worst_first(one: &Judged, other: &Judged) -> Ordering {
    let rank = |clip: &Judged| clip.wer.unwrap_or(-1.0);
    rank(other)
        .min(1.0)
        .total_cmp(&rank(one).min(1.0))
        .then_with(|| one.flagged().cmp(&other.flagged()))
        .then_with(|| rank(other).total_cmp(&rank(one)))
        .then_with(|| one.compared.clip.cmp(&other.compared.clip))
}

impl Agreement {
    /// Compares all clips. `without_transcript` is how many there were beside them.
    pub fn new(about: About, clips: Vec<Compared>, without_transcript: usize) -> Self {
        let mut clips: Vec<Judged> = clips.into_iter().map(Judged::of).collect();
        shift::find(&mut clips);
        clips.sort_by(worst_first);
        let recordings = totals::recordings(&clips);
        let totals = Totals::of(&clips, &recordings, without_transcript);
        Self { about, totals, recordings, clips }
    }

    /// All clips, the worst first.
    pub fn clips(&self) -> &[Judged] {
        &self.clips
    }

    /// What they add up to.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// By recording, the worst first: those of which clips were compared.
    pub fn recordings(&self) -> &[Recording] {
        &self.recordings
    }
}
