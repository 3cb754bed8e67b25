//! The tokens of a window, cut at their timestamps, and where the next window starts: as `generate` of transformers and
//! `transcribe` of openai/whisper do it.

use std::ops::Range;

use crate::vocabulary::Vocabulary;

/// Frames of 10 ms in a step between timestamps, 20 ms.
const FRAMES_OF_A_STEP: usize = 2;

/// A part of a window, in steps of 0.02 s from the window's start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it starts.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Its tokens, timestamps included.
    pub tokens: Range<usize>,
}

/// The parts of a window, and its share of the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// In order of time.
    pub parts: Vec<Part>,
    /// Frames from this window's start to the next one's.
    pub advance: usize,
}

/// Cuts `tokens`, written for a window with `frames` frames of the recording.
///
/// Two timestamps in a row end a part. Where the text breaks off after such a pair, what follows it is left to the next
/// window; a single timestamp at the end says that nothing more was spoken.
pub fn cut(tokens: &[u32], vocabulary: &Vocabulary, frames: usize) -> Cut {
    let step = |at: usize| tokens[at].checked_sub(vocabulary.first_timestamp).map(|step| step as usize);
    let is_time = |at: usize| step(at).is_some();
    let count = tokens.len();
    let mut bounds: Vec<usize> = (1..count).filter(|&at| is_time(at - 1) && is_time(at)).collect();
    let Some(&last) = bounds.last() else {
        // No part has both ends: the window is one.
        let end = (0..count).rev().find_map(step).filter(|&step| step > 0);
        let end = end.unwrap_or(frames / FRAMES_OF_A_STEP);
        return Cut { parts: vec![Part { start: 0, end, tokens: 0..count }], advance: frames };
    };
    let finished = is_time(count - 1) && !is_time(count - 2);
    if finished {
        bounds.push(count);
    }
    let starts = std::iter::once(0).chain(bounds.iter().copied());
    let part = |(start, &end): (usize, &usize)| Part {
        start: step(start).unwrap_or_default(),
        end: step(end - 1).unwrap_or_default(),
        tokens: start..end,
    };
    let parts = starts.zip(&bounds).map(part).collect();
    // The rules give every part a length, so a window always moves on.
    let advance = if finished { frames } else { step(last - 1).unwrap_or_default() * FRAMES_OF_A_STEP };
    Cut { parts, advance: advance.max(FRAMES_OF_A_STEP) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const T: u32 = 100;

    fn cut_of(tokens: &[u32]) -> (Vec<(usize, usize, Range<usize>)>, usize) {
        let vocabulary = Vocabulary {
            start: 91,
            end: 90,
            transcribe: None,
            no_speech: None,
            no_timestamps: 99,
            first_timestamp: T,
            languages: BTreeMap::new(),
        };
        let cut = cut(tokens, &vocabulary, 2000);
        (cut.parts.into_iter().map(|part| (part.start, part.end, part.tokens)).collect(), cut.advance)
    }

    #[test]
    fn pairs_end_parts_and_the_next_window_starts_at_the_last() {
        let tokens = [T, 1, 2, T + 50, T + 60, 3, T + 200, T + 200, 4, 5];
        assert_eq!(cut_of(&tokens), (vec![(0, 50, 0..4), (60, 200, 4..7)], 400));
        let closed = [T, 1, 2, T + 50, T + 50];
        assert_eq!(cut_of(&closed), (vec![(0, 50, 0..4)], 100));
    }

    #[test]
    fn a_single_timestamp_at_the_end_finishes_the_window() {
        let tokens = [T, 1, 2, T + 50, T + 60, 3, T + 200];
        assert_eq!(cut_of(&tokens), (vec![(0, 50, 0..4), (60, 200, 4..7)], 2000));
    }

    #[test]
    fn without_pairs_the_window_is_one_part() {
        assert_eq!(cut_of(&[T, 1, 2, T + 50]), (vec![(0, 50, 0..4)], 2000));
        assert_eq!(cut_of(&[T, 1, 2]), (vec![(0, 1000, 0..3)], 2000));
        assert_eq!(cut_of(&[T + 7, 1, 2]), (vec![(0, 7, 0..3)], 2000));
        assert_eq!(cut_of(&[]), (vec![(0, 1000, 0..0)], 2000));
    }
}
