//! Which token may follow, as in the reference (`ApplyTimestampRules` of openai/whisper,
//! `WhisperTimeStampLogitsProcessor` of transformers).

use crate::vocabulary::Vocabulary;

/// The first timestamp is at most so many steps of 0.02 s: 1.0 s.
const LATEST_START: u32 = 50;

/// Masks for the logits of one network.
pub struct Rules<'a> {
    vocabulary: &'a Vocabulary,
    suppressed: &'a [u32],
}

/// A token that was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Its number.
    pub token: u32,
    /// Its log-probability among the tokens that were allowed.
    pub log_probability: f64,
}

impl<'a> Rules<'a> {
    /// The rules of `vocabulary`; `suppressed` tokens are never written.
    pub fn new(vocabulary: &'a Vocabulary, suppressed: &'a [u32]) -> Self {
        Self { vocabulary, suppressed }
    }

    /// The likeliest token after `written` (what was written in this window, without the prompt); the first of those
    /// that are equally likely. `logits` has an entry a token, and is masked in place.
    pub fn choose(&self, logits: &mut [f32], written: &[u32]) -> Choice {
        let first_timestamp = self.vocabulary.first_timestamp as usize;
        self.mask_specials(logits);
        self.mask_by_order(logits, written);
        let (text, timestamps) = logits.split_at_mut(first_timestamp);
        // Together the timestamps may be likelier than any word, even where none of them is alone.
        if log_sum_exp(timestamps) > largest(text) {
            text.fill(f32::NEG_INFINITY);
        }
        let best = largest(logits);
        let at = logits.iter().position(|&logit| f64::from(logit) == best).unwrap_or_default();
        let token = if best.is_finite() { at as u32 } else { self.vocabulary.end };
        Choice { token, log_probability: if best.is_finite() { best - log_sum_exp(logits) } else { 0.0 } }
    }

    /// Tokens that are never written: those of the prompt, those of the configuration, and what lies behind the last
    /// timestamp.
    fn mask_specials(&self, logits: &mut [f32]) {
        let Vocabulary { end, first_timestamp, .. } = *self.vocabulary;
        logits[end as usize + 1..first_timestamp as usize].fill(f32::NEG_INFINITY);
        logits[self.vocabulary.last_timestamp() as usize + 1..].fill(f32::NEG_INFINITY);
        for &token in self.suppressed {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit = f32::NEG_INFINITY;
            }
        }
    }

    /// Timestamps stand at the start and in pairs, but for the last before the end, and never run backwards; a segment
    /// has a length.
    fn mask_by_order(&self, logits: &mut [f32], written: &[u32]) {
        let first_timestamp = self.vocabulary.first_timestamp;
        let is_timestamp = |token: &u32| *token >= first_timestamp;
        let start = first_timestamp as usize;
        let Some((last, before)) = written.split_last() else {
            logits[..start].fill(f32::NEG_INFINITY);
            logits[start + LATEST_START as usize + 1..].fill(f32::NEG_INFINITY);
            return;
        };
        let opened = is_timestamp(last) && before.last().is_none_or(is_timestamp);
        let closed = is_timestamp(last) && !opened;
        if opened {
            logits[start..].fill(f32::NEG_INFINITY);
        } else if closed {
            logits[..self.vocabulary.end as usize].fill(f32::NEG_INFINITY);
        }
        if let Some(latest) = written.iter().rev().find(|token| is_timestamp(token)) {
            // The end of one segment may be the start of the next, and otherwise none comes twice.
            let next = *latest as usize + usize::from(!closed);
            logits[start..next].fill(f32::NEG_INFINITY);
        }
    }
}

/// The largest of `logits`, negative infinity where there is none.
pub fn largest(logits: &[f32]) -> f64 {
    f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max))
}

/// `ln(sum(exp(logits)))`.
pub fn log_sum_exp(logits: &[f32]) -> f64 {
    let most = largest(logits);
    if most == f64::NEG_INFINITY {
        return most;
    }
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - most).exp()).sum();
    most + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Ten words, then `end`, `start`, the other specials and the timestamps.
    fn vocabulary() -> Vocabulary {
        Vocabulary {
            start: 11,
            end: 10,
            transcribe: None,
            no_speech: Some(12),
            no_timestamps: 13,
            first_timestamp: 14,
            languages: BTreeMap::new(),
        }
    }

    /// What is written after `written` where `likely` tokens have these logits and all others -20.
    fn next(written: &[u32], likely: &[(u32, f32)]) -> u32 {
        let (vocabulary, mut logits) = (vocabulary(), vec![-20.0; 14 + 1501 + 3]);
        for &(token, logit) in likely {
            logits[token as usize] = logit;
        }
        Rules::new(&vocabulary, &[7]).choose(&mut logits, written).token
    }

    #[test]
    fn a_window_begins_with_a_timestamp_of_at_most_a_second() {
        assert_eq!(next(&[], &[(3, 9.0), (14 + 51, 5.0), (14 + 50, 1.0)]), 14 + 50);
        assert_eq!(next(&[], &[(10, 9.0), (12, 9.0)]), 14);
    }

    #[test]
    fn timestamps_come_in_pairs_and_never_run_backwards() {
        let at = |step: u32| 14 + step;
        // After an opening timestamp: words, or the end.
        assert_eq!(next(&[at(0)], &[(at(5), 9.0), (3, 0.0)]), 3);
        assert_eq!(next(&[at(0)], &[(at(5), 9.0), (10, 0.0)]), 10);
        // A closing one is later than the opening one.
        assert_eq!(next(&[at(5), 3], &[(at(5), 9.0), (at(6), 8.0)]), at(6));
        // After it: the end, or the same time or a later one.
        assert_eq!(next(&[at(5), 3, at(9)], &[(3, 9.0), (at(8), 9.0), (at(9), 0.0)]), at(9));
        assert_eq!(next(&[at(5), 3, at(9)], &[(3, 9.0), (10, 0.0)]), 10);
        assert_eq!(next(&[at(5), 3, at(9), at(9)], &[(at(10), 9.0), (4, 0.0)]), 4);
    }

    #[test]
    fn many_likely_times_outweigh_one_likelier_word() {
        let times = |count: u32| (0..count).map(|step| (14 + 100 + step, 1.0)).chain([(3, 2.0)]);
        assert_eq!(next(&[14, 4], &times(2).collect::<Vec<_>>()), 3);
        assert_eq!(next(&[14, 4], &times(3).collect::<Vec<_>>()), 14 + 100);
    }

    #[test]
    fn suppressed_and_special_tokens_are_never_written() {
        assert_eq!(
            next(&[14, 4], &[(7, 9.0), (11, 9.0), (12, 9.0), (13, 9.0), (14 + 1503, 9.0), (2, 0.0)]),
            2
        );
    }

    #[test]
    fn log_probabilities_count_what_is_allowed_and_nothing_left_is_the_end() {
        let vocabulary = vocabulary();
        let mut logits = vec![f32::NEG_INFINITY; 14 + 1501];
        (logits[2], logits[3], logits[7]) = (1.0, 1.0, 50.0);
        let choice = Rules::new(&vocabulary, &[7]).choose(&mut logits, &[14, 4]);
        assert_eq!(choice.token, 2);
        assert!((choice.log_probability - 0.5_f64.ln()).abs() < 1e-9);
        let mut logits = vec![f32::NEG_INFINITY; 14 + 1501];
        assert_eq!(Rules::new(&vocabulary, &[]).choose(&mut logits, &[14, 4]).token, 10);
    }
}
