//! Loops: the failure of language models that repeat themselves until the limit.

/// How often a phrase must stand in a row at the end of a text to be a loop. People say a word three times.
const REPEATS: usize = 4;
/// How often a phrase must stand in a row anywhere in a text to be a loop.
const MANY_REPEATS: usize = 8;
/// Tokens of a row of [`REPEATS`] that fills at least half of a text: `up, up, up, up,` is said, and has 8.
const FILLS: usize = 12;
/// Tokens of a phrase that nobody says three times in a row.
const LONG: usize = 12;
/// How often such a phrase must stand there.
const LONG_REPEATS: usize = 3;
/// Tokens of a phrase that may change in one place from one time to the next: people count and list too, in short phrases.
const CHANGING: usize = 8;
/// Tokens in a row that may change: those of a number up to 99, or of a word.
const CHANGED: usize = 2;

/// Whether a text has run into a loop.
///
/// - It ends in one: one phrase of `n` tokens stands four times in a row at its end, for any `n`. A phrase of at least 12
///   tokens need stand there only three times. One of at least 8 may change in one place, of one token or two, from each of
///   the four times to the next: `1. It was good. 2. It was good. ...`.
/// - It has left one: a phrase stands eight times in a row anywhere, or four times in at least 12 tokens that are half of
///   the text.
///
/// The phrase may be cut anywhere: a loop that the limit of tokens ends in mid-phrase is found in rotation. Give the
/// text without its end token ([`crate::Generation::text_tokens`]).
pub fn looped(tokens: &[u32]) -> bool {
    ends_in_loop(tokens) || holds_loop(tokens)
}

fn ends_in_loop(tokens: &[u32]) -> bool {
    let repeats = |period: usize| if period < LONG { REPEATS } else { LONG_REPEATS };
    (1..=tokens.len() / LONG_REPEATS).any(|period| {
        let tail = |repeats: usize| tokens.len().checked_sub(repeats * period).map(|start| &tokens[start..]);
        let repeated = |tail: &[u32]| tail.iter().zip(&tail[period..]).all(|(token, later)| token == later);
        tail(repeats(period)).is_some_and(repeated)
            || period >= CHANGING && tail(REPEATS).is_some_and(|tail| changes_in_one_place(tail, period))
    })
}

fn holds_loop(tokens: &[u32]) -> bool {
    (1..=tokens.len() / REPEATS).any(|period| {
        let row = longest_row(tokens, period);
        row >= MANY_REPEATS * period || row >= (REPEATS * period).max(FILLS) && 2 * row >= tokens.len()
    })
}

/// Tokens of the longest stretch that repeats itself after `period` tokens; its first period counts.
fn longest_row(tokens: &[u32], period: usize) -> usize {
    let mut longest = 0;
    let mut equal = 0;
    for (token, later) in tokens.iter().zip(&tokens[period..]) {
        equal = if token == later { equal + 1 } else { 0 };
        longest = longest.max(equal);
    }
    longest + period
}

/// Whether all places that differ from one `period` to the next lie within [`CHANGED`] in a row; a period is a circle,
/// since it is cut anywhere.
fn changes_in_one_place(tail: &[u32], period: usize) -> bool {
    let mut changed: Option<usize> = None;
    let mut differing =
        (0..tail.len() - period).filter(|at| tail[*at] != tail[at + period]).map(|at| at % period);
    // The first place found is the left one or the right one of two.
    let mut reach = (0, 0);
    differing.all(|place| {
        let first = *changed.get_or_insert(place);
        let after = (place + period - first) % period;
        let before = (first + period - place) % period;
        if after <= before {
            reach.1 = reach.1.max(after);
        } else {
            reach.0 = reach.0.max(before);
        }
        reach.0 + reach.1 < CHANGED
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// A token a word.
    fn words(text: &str) -> Vec<u32> {
        let mut known = HashMap::new();
        text.split_whitespace()
            .map(|word| {
                let next = known.len() as u32;
                *known.entry(word.to_lowercase()).or_insert(next)
            })
            .collect()
    }

    #[test]
    fn loops_of_words_and_phrases_are_found_wherever_they_are_cut() {
        assert!(looped(&[9, 5, 5, 5, 5]));
        assert!(looped(&[9, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]));
        assert!(looped(&[9, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2]));
        assert!(looped(&words(&"okay ".repeat(40))));
    }

    #[test]
    fn a_long_sentence_loops_the_third_time() {
        let sentence = "and so the film goes on and on until nobody in the room can follow it any more . ";
        let count = sentence.split_whitespace().count();
        let tokens = words(&format!("it was good . {}", sentence.repeat(5)));
        for cut in 0..count {
            assert!(looped(&tokens[..4 + 3 * count + cut]), "{cut}");
        }
        assert!(!looped(&tokens[..4 + 2 * count + 3]));
    }

    #[test]
    fn a_loop_may_count() {
        let counted: String =
            (1..=8).map(|number| format!("{number} . it was a very good film . ")).collect();
        let tokens = words(&counted);
        for cut in 0..9 {
            assert!(looped(&tokens[..tokens.len() - cut]), "{cut}");
        }
        // In digits, of which ten and eleven have two.
        let digits: String = (18..=24)
            .map(|number| format!("{} {} . it was a very good film . ", number / 10, number % 10))
            .collect();
        assert!(looped(&words(&digits)));
        let two_places: String =
            (1..=8).map(|number| format!("{number} . it was a {} good film . ", 100 + number)).collect();
        assert!(!looped(&words(&two_places)));
    }

    #[test]
    fn a_loop_that_the_text_has_left_is_found() {
        assert!(looped(&words(&format!("{} and that is", "You make j ".repeat(25)))));
        assert!(looped(&words(&format!("{} {} word", "ens ".repeat(40), "You make ".repeat(12)))));
        let before = "one after another we all went there to see what this was about ".repeat(2);
        let after = "but nothing had come of it so everybody left for home again quite soon ".repeat(2);
        let around = |phrase: &str, times: usize| {
            looped(&words(&format!("{before} {} {after}", phrase.repeat(times))))
        };
        for phrase in ["no ", "you make ", "you make me "] {
            assert!(around(phrase, 8), "{phrase}");
            assert!(!around(phrase, 7), "{phrase}");
        }
    }

    #[test]
    fn a_row_of_four_is_a_loop_where_it_fills_half_of_the_text() {
        let row: Vec<u32> = [1, 2, 3].repeat(4);
        let with = |others: u32| looped(&[&row[..], &(10..10 + others).collect::<Vec<u32>>()].concat());
        assert!(with(1) && with(12) && !with(13));
        assert!(!looped(&words("up , up , up , up , up to the top")));
    }

    #[test]
    fn emphasis_lists_and_early_repetition_are_no_loops() {
        assert!(!looped(&[]));
        assert!(!looped(&[5, 5, 5]));
        assert!(!looped(&[9, 5, 5, 5]));
        assert!(!looped(&[5, 5, 5, 5, 9]));
        assert!(!looped(&[1, 2, 3, 1, 2, 3, 1, 2, 3]));
        assert!(!looped(&words("you need a car you need a house you need a job you need a wife")));
        assert!(!looped(&words(
            "we shall fight on the beaches we shall fight on the fields we shall fight in the hills"
        )));
    }
}
