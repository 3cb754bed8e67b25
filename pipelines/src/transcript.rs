//! Words, from the command line or a file: plain text, SRT, WebVTT or MOSEI's segmented format.
//!
//! | module | holds |
//! |---|---|
//! | `file` | from bytes to text: UTF-8, or UTF-16 with its byte order mark |
//! | `mosei` | lines `ID___CLIP___START___END___TEXT` |
//! | `subtitles` | SRT and WebVTT, as strict as is needed to lose no word |
//! | `markup` | tags and entities of subtitles |
//! | `words` | where a text may be parted: at spaces, or between characters in scripts without them |
//! | `share` | the words of timed text for a span |
//! | `divide` | plain text over windows, by how much is said in each |
//!
//! The format is seen from the content: text in which any line is a MOSEI line is MOSEI's, text with a `WEBVTT` header or
//! a line of two times around `-->` is subtitles, all else is plain. A file called `.srt` or `.vtt` is subtitles, so that
//! a broken one is not read out as words. No words are lost silently: what a format does not explain is an error that
//! names its line, or is kept as words.

mod divide;
pub(crate) mod file;
mod markup;
pub(crate) mod mosei;
mod share;
mod subtitles;
#[cfg(test)]
mod tests;
mod words;

use std::path::Path;

use affekt_core::{Seconds, Span};

use crate::Error;

/// What was said.
#[derive(Clone, Debug, PartialEq)]
pub enum Transcript {
    /// Words without times.
    Plain(String),
    /// Words with times, in the order of their starts; those of equal starts in file order.
    Timed(Vec<Cue>),
}

/// Words said between two times. Those of a cue that ends where or before it starts are all said at its start.
#[derive(Clone, Debug, PartialEq)]
pub struct Cue {
    /// First instant; from a file it is never negative.
    pub start: Seconds,
    /// First instant after it.
    pub end: Seconds,
    /// The words.
    pub text: String,
}

impl Transcript {
    /// Reads what a user gives as a transcript: `@FILE`, or the words themselves.
    ///
    /// # Errors
    /// [`Error::Transcript`], naming the file or the text, where it cannot be read or has no words.
    pub fn from_argument(argument: &str) -> Result<Self, Error> {
        match argument.strip_prefix('@') {
            Some(file) => Self::read(Path::new(file)),
            None => Self::parse(argument, false).map_err(|reason| failed("the text given", reason)),
        }
    }

    /// Reads a file of at most 64 MB in UTF-8, or in UTF-16 with its byte order mark.
    ///
    /// # Errors
    /// [`Error::Transcript`], naming the file and, where it is broken, the line.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let timed = ["srt", "vtt"].iter().any(|known| extension.eq_ignore_ascii_case(known));
        let parsed = file::read(path).and_then(|text| Self::parse(&text, timed));
        parsed.map_err(|reason| failed(&path.display().to_string(), reason))
    }

    /// `timed` where plain text would be a mistake.
    fn parse(text: &str, timed: bool) -> Result<Self, String> {
        let text = file::plain_lines(text);
        let cues = match mosei::cues(&text)? {
            Some(cues) => Some(cues),
            None => subtitles::cues(&text)?,
        };
        let transcript = match cues {
            Some(cues) => Self::Timed(in_order(cues)),
            None if timed && !text.trim().is_empty() => {
                return Err("it has no line with two times, like 00:00:01,000 --> 00:00:02,500".into());
            }
            None => Self::Plain(text.trim().to_owned()),
        };
        if transcript.is_empty() {
            return Err("it has no words".into());
        }
        Ok(transcript)
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Plain(text) => text.is_empty(),
            Self::Timed(cues) => cues.is_empty(),
        }
    }

    /// The words said in `span`: those of [`Transcript::words_for`], or the whole of a text without times. `None` where
    /// there are none.
    pub fn within(&self, span: Span) -> Option<String> {
        match self {
            Self::Plain(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
            Self::Timed(_) => self.words_for(span),
        }
    }

    /// The words of timed text for a window. A cue goes to the window that holds at least 80% of it; another is divided
    /// among the windows, its words spaced evenly from its start to its end. Over windows that tile a stretch of time,
    /// each of its words comes in exactly one, and in order where cues do not overlap.
    ///
    /// Times of subtitles run over the end of a recording easily: ask its last window with an open end. `None` where no
    /// words are said in `window`, and for text without times (see [`Transcript::divide`]).
    pub fn words_for(&self, window: Span) -> Option<String> {
        let Self::Timed(cues) = self else { return None };
        let shares = cues.iter().filter_map(|cue| share::of(cue, window));
        Some(shares.collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
    }

    /// How many words of timed text [`Transcript::words_for`] leaves out for `span`; in scripts without spaces,
    /// characters count. 0 for text without times.
    pub fn outside(&self, span: Span) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Timed(cues) => cues.iter().map(|cue| share::left_out(cue, span)).sum(),
        }
    }

    /// Divides text without times over windows, in proportion to how much is said in each (`speech`; negative durations
    /// and those that are no numbers count as 0): every word comes exactly once, in order. Where nothing is said in any,
    /// each gets the same. A sentence that ends within three words of a border moves the border to its end. In scripts
    /// without spaces, characters are divided. `None` where a window gets none; words need at least one window.
    pub fn divide(text: &str, speech: &[Seconds]) -> Vec<Option<String>> {
        divide::over(text, speech)
    }
}

fn failed(name: &str, reason: String) -> Error {
    Error::Transcript { name: name.into(), reason }
}

/// Cues with words, in order of their starts; what lies before the recording is said at its start.
fn in_order(mut cues: Vec<Cue>) -> Vec<Cue> {
    cues.retain(|cue| !cue.text.trim().is_empty());
    for cue in &mut cues {
        cue.start.0 = cue.start.0.max(0.0);
        cue.end.0 = cue.end.0.max(0.0);
    }
    cues.sort_by(|one, other| one.start.0.total_cmp(&other.start.0));
    cues
}
