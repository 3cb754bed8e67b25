//! The words of a cue for a span.

use std::ops::Range;

use affekt_core::{Seconds, Span};

use super::Cue;
use super::words::words;

/// A border nearer to an end of a cue, as a share of its duration, does not part it.
///
/// So a cue of up to 10 s goes whole to the window that holds 80% of it, and the rule looks at one border at a time: whatever the
/// other windows are, what lies behind a border in one lies before it in none.
const NEAR: f64 = 0.2;

/// The same in seconds, whichever is less: a cue that lasts for several windows is parted where they are.
const NEAR_SECONDS: f64 = 2.0;

/// The part of the cue's text that is said in `span`.
pub fn of(cue: &Cue, span: Span) -> Option<&str> {
    match part(cue, span) {
        Part::None => None,
        Part::All => Some(cue.text.trim()),
        Part::Some(share) => {
            let words = words(&cue.text);
            let inside = &words[within(words.len(), share)];
            Some(&cue.text[inside.first()?.start..inside.last()?.end])
        }
    }
    .filter(|text| !text.is_empty())
}

/// How many words of the cue are not.
pub fn left_out(cue: &Cue, span: Span) -> usize {
    match part(cue, span) {
        Part::All => 0,
        Part::None => words(&cue.text).len(),
        Part::Some(share) => {
            let count = words(&cue.text).len();
            count - within(count, share).len()
        }
    }
}

enum Part {
    None,
    All,
    /// From one share of its duration to another.
    Some(Range<f64>),
}

fn part(cue: &Cue, span: Span) -> Part {
    let share = border(cue, span.start)..span.end.map_or(1.0, |end| border(cue, end));
    if share.start >= share.end {
        Part::None
    } else if share == (0.0..1.0) {
        Part::All
    } else {
        Part::Some(share)
    }
}

/// Where in the cue a border in time lies: 0 at its start, 1 at its end.
fn border(cue: &Cue, time: Seconds) -> f64 {
    let duration = cue.end.0 - cue.start.0;
    if duration > 0.0 {
        let least = NEAR.min(NEAR_SECONDS / duration);
        match (time.0 - cue.start.0) / duration {
            near if near <= least => 0.0,
            near if near >= 1.0 - least => 1.0,
            share => share,
        }
    } else {
        // An instant, which a border at the same time stands before.
        f64::from(u8::from(time > cue.start))
    }
}

/// The words whose middle lies in the share, were all of the same length.
fn within(count: usize, share: Range<f64>) -> Range<usize> {
    // Word k has its middle at (k + 1/2) / count; both ends round the same way, so that neighbours neither miss nor
    // share a word.
    let index = |share: f64| (share * count as f64 - 0.5).ceil().clamp(0.0, count as f64) as usize;
    index(share.start)..index(share.end)
}
