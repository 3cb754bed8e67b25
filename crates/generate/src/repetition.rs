//! Loops: the failure of language models that repeat themselves until the limit.

/// How often a phrase must stand in a row at the end of a text to be a loop. People say a word three times.
const REPEATS: usize = 4;

/// Whether a text ends in a loop: its last `4 n` tokens are one phrase of `n` tokens four times over, for any `n`.
///
/// The phrase may be cut anywhere: a loop that the limit of tokens ends in mid-phrase is found in rotation. Give the
/// text without its end token ([`crate::Generation::text_tokens`]).
pub fn looped(tokens: &[u32]) -> bool {
    (1..=tokens.len() / REPEATS).any(|period| {
        let tail = &tokens[tokens.len() - REPEATS * period..];
        tail.iter().zip(&tail[period..]).all(|(token, later)| token == later)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_of_words_and_phrases_are_found_wherever_they_are_cut() {
        assert!(looped(&[9, 5, 5, 5, 5]));
        assert!(looped(&[9, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]));
        assert!(looped(&[9, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2]));
    }

    #[test]
    fn emphasis_and_early_repetition_are_no_loops() {
        assert!(!looped(&[]));
        assert!(!looped(&[5, 5, 5]));
        assert!(!looped(&[9, 5, 5, 5]));
        assert!(!looped(&[5, 5, 5, 5, 9]));
        assert!(!looped(&[1, 2, 3, 1, 2, 3, 1, 2, 3]));
    }
}
