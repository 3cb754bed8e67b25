//! The best continuations of all beams.

use std::cmp::Ordering;

use affekt_nn::exp::log_sum_exp;

/// Tokens that are passed over together where none of them is good enough.
const BLOCK: usize = 64;

/// A beam with one more token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    /// Sum of log-probabilities, this token's included.
    pub score: f32,
    /// The beam that it continues.
    pub beam: usize,
    /// The token.
    pub token: u32,
}

/// Log-softmax of one row of logits, in place and in f32 as `generate` does it. False where a logit is NaN or +inf.
pub(crate) fn log_softmax(row: &mut [f32]) -> bool {
    let (max, log_sum) = log_sum_exp(row);
    for logit in row.iter_mut() {
        *logit = (*logit - max) - log_sum;
    }
    log_sum.is_finite()
}

/// The `count` best continuations, best first; of equals the one of the lower beam, then of the lower token.
///
/// `scores` are the beams' sums so far; `log_probs` has a row a beam, or a single row that all beams share.
pub(crate) fn best(scores: &[f32], log_probs: &[Vec<f32>], count: usize) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::with_capacity(count + 1);
    for (beam, &sum) in scores.iter().enumerate() {
        let row = &log_probs[beam.min(log_probs.len() - 1)];
        for (first, block) in (0..).step_by(BLOCK).zip(row.chunks(BLOCK)) {
            let floor = if kept.len() == count { kept[count - 1].score } else { f32::NEG_INFINITY };
            // Most of the vocabulary fails this test: the search below is rare.
            if kept.len() == count
                && !block.iter().fold(false, |any, log_prob| any | (sum + log_prob > floor))
            {
                continue;
            }
            for (token, &log_prob) in (first..).zip(block) {
                let score = sum + log_prob;
                if kept.len() == count && !kept.last().is_some_and(|worst| score > worst.score) {
                    continue;
                }
                let better = |other: &Candidate| other.score.total_cmp(&score) != Ordering::Less;
                let rank = kept.partition_point(better);
                kept.insert(rank, Candidate { score, beam, token });
                kept.truncate(count);
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_softmax_is_normalised_and_refuses_nan() {
        let mut row = vec![1000.0, 1001.0, f32::NEG_INFINITY];
        assert!(log_softmax(&mut row));
        let sum: f32 = row.iter().map(|x| x.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        assert!((row[1] - row[0] - 1.0).abs() < 1e-4);
        assert!(!log_softmax(&mut [0.0, f32::NAN]));
        assert!(!log_softmax(&mut [0.0, f32::INFINITY]));
    }

    #[test]
    fn the_best_come_first_and_equals_in_order() {
        let rows = vec![vec![-1.0, -3.0, -1.0], vec![-0.5, -9.0, -2.5]];
        let found = best(&[0.0, -0.5], &rows, 4);
        let found: Vec<(usize, u32)> = found.iter().map(|c| (c.beam, c.token)).collect();
        assert_eq!(found, [(0, 0), (0, 2), (1, 0), (0, 1)]);
    }

    #[test]
    fn beams_may_share_a_row() {
        let found = best(&[0.0, -1e9], &[vec![-1.0, -2.0]], 3);
        assert_eq!(found[1], Candidate { score: -2.0, beam: 0, token: 1 });
        assert_eq!((found[2].beam, found[2].token), (1, 0));
    }
}
