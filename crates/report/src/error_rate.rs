//! Word and character error rates: how far a text that a machine wrote is from what was said.
//!
//! Errors are the fewest words (characters) to replace, to leave out and to put in; the rate is errors over words
//! (characters) of the transcript, so it exceeds 1 where more is put in than was said. The characters are those of the
//! compared words, with one space between words.
//!
//! # What is compared
//!
//! One normalisation serves the rates, the marks of the HTML pages and the agreement report:
//!
//! - **Notes of a transcriber** are left out: all that stands in `[...]` and `{...}`, tags such as `<i>`, entities such as
//!   `&gt;`, and what stands in `(...)` where it is a hesitation or a sound, as in MOSEI's `(uhh)`, `(stutter)`,
//!   `( cheers and applause )`. Other words in parentheses count, as do hesitations without parentheses.
//! - **Punctuation and symbols** do not count. Between letters they divide words (`long-term` is `long term`, `and/or` is
//!   `and or`), except apostrophes of any shape and whatever a wrong encoding made of them (`don't`, `don’t` and `dont` are
//!   one word), commas between digits (`10,000` is `10000`) and full stops of abbreviations (`U.S.` is `us`).
//! - **Case** is folded (`STRASSE` is `straße`), and composed characters are what their parts are: `é` is `e` with an accent,
//!   `ﬁ` is `fi`, full-width letters and digits are the usual ones (Unicode's form NFKC). Accents count. Marks that Unicode
//!   counts among neither letters nor digits, such as a virama, do not.
//! - **Scripts that write no spaces** (Chinese, Japanese, Thai, Lao, Khmer, Burmese) are compared by what a reader takes for
//!   one character each; there is no space between two of these.
//! - **Numbers, contractions and spellings** stay as they are written: `3` is not `three`, `it's` is not `it is`, `colour` is
//!   not `color`. Speech recognisers differ in these, and no language is assumed.
//!
//! # Memory and time
//!
//! Memory grows with the length of one text. What both texts begin and end with alike costs next to nothing; of the rest,
//! two texts of more than 16,384 characters each, about 3,000 words, are [`Incomparable::TooLong`], after no time at all
//! rather than after minutes.
//!
//! | module | holds |
//! |---|---|
//! | `words` | the normalisation |
//! | `align` | the one rule of alignment: counts, and marks for the pages |

mod align;
mod words;

use serde::Serialize;

pub(crate) use align::{Alignment, align, fitted};
pub(crate) use words::Words;

use align::{Count, count};

/// Word and character errors of a text against a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ErrorRate {
    /// Word errors over words: 0 where the texts are alike, 1 where the text is empty, more where it says more.
    pub wer: f64,
    /// The same for characters.
    pub cer: f64,
    /// Words to replace, to leave out and to put in: the fewest.
    pub word_errors: usize,
    /// Words of the transcript that are others in the text.
    pub substitutions: usize,
    /// Words of the transcript that the text lacks.
    pub deletions: usize,
    /// Words of the text that the transcript lacks.
    pub insertions: usize,
    /// Words of the transcript.
    pub words: usize,
    /// Characters to replace, to leave out and to put in: the fewest.
    pub char_errors: usize,
    /// Characters of the transcript, single spaces between words among them.
    pub chars: usize,
}

/// Why two texts have no error rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    /// Nothing of the transcript is a word: it is empty, or notes and punctuation only.
    #[error("the transcript has no words")]
    NoWords,
    /// The comparison would take too long.
    #[error("the texts are too long to compare")]
    TooLong,
}

impl ErrorRate {
    /// The error rates of `hypothesis` against `transcript`.
    pub fn of(transcript: &str, hypothesis: &str) -> Result<Self, Incomparable> {
        let (said, written) = (Words::of(transcript), Words::of(hypothesis));
        let Count { errors, deletions, insertions } =
            count(&said.compared(), &written.compared()).ok_or(Incomparable::TooLong)?;
        let (said_chars, written_chars) = (said.characters(), written.characters());
        let chars = count(&said_chars, &written_chars).ok_or(Incomparable::TooLong)?;
        let words = said.compared().len();
        if words == 0 {
            return Err(Incomparable::NoWords);
        }
        Ok(Self {
            wer: errors as f64 / words as f64,
            cer: chars.errors as f64 / said_chars.len() as f64,
            word_errors: errors,
            substitutions: errors - deletions - insertions,
            deletions,
            insertions,
            words,
            char_errors: chars.errors,
            chars: said_chars.len(),
        })
    }
}

/// The error rates of `hypothesis` against `transcript`; `None` where the transcript has no words, or where both are
/// absurdly long ([`ErrorRate::of`] tells which).
pub fn error_rate(transcript: &str, hypothesis: &str) -> Option<ErrorRate> {
    ErrorRate::of(transcript, hypothesis).ok()
}

#[cfg(test)]
mod tests;
