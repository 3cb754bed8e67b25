//! The best continuations of all beams.

use std::cmp::Ordering;

use affekt_nn::exp::log_sum_exp;
use affekt_nn::top_k::Likeliest;

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

/// Logits of one position, read as log-probabilities: log-softmax in f32, as `generate` computes it.
#[derive(Clone, Copy)]
pub(crate) struct LogProbs<'l> {
    logits: &'l [f32],
    max: f32,
    log_sum: f32,
}

impl<'l> LogProbs<'l> {
    /// `None` where a logit is NaN or +inf, or none is finite.
    pub fn of(logits: &'l [f32]) -> Option<Self> {
        let (max, log_sum) = log_sum_exp(logits);
        log_sum.is_finite().then_some(Self { logits, max, log_sum })
    }

    #[inline(always)]
    fn log_prob(&self, logit: f32) -> f32 {
        (logit - self.max) - self.log_sum
    }
}

/// The `count` best continuations, best first; of equals the one of the lower beam, then of the lower token.
///
/// `scores` are the beams' sums so far; there is a row a beam, or a single row that all beams share.
pub(crate) fn best(scores: &[f32], rows: &[LogProbs], count: usize) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::with_capacity(count + 1);
    for (beam, &sum) in scores.iter().enumerate() {
        let row = &rows[beam.min(rows.len() - 1)];
        for (first, block) in (0..).step_by(BLOCK).zip(row.logits.chunks(BLOCK)) {
            let floor = if kept.len() == count { kept[count - 1].score } else { f32::NEG_INFINITY };
            // Most of the vocabulary fails this test: the search below is rare.
            if kept.len() == count
                && !block.iter().fold(false, |any, &logit| any | (sum + row.log_prob(logit) > floor))
            {
                continue;
            }
            for (token, &logit) in (first..).zip(block) {
                let score = sum + row.log_prob(logit);
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

/// As [`best`], where of each row the likeliest tokens are known, `count` of them or all there are.
pub(crate) fn best_of(scores: &[f32], rows: &[&Likeliest], count: usize) -> Vec<Candidate> {
    let of_beam = |(beam, &sum): (usize, &f32)| {
        let row = rows[beam.min(rows.len() - 1)];
        let tokens = row.tokens.iter().zip(&row.log_probs);
        tokens.map(move |(&token, log_prob)| Candidate { score: sum + log_prob, beam, token })
    };
    let mut kept: Vec<Candidate> = scores.iter().enumerate().flat_map(of_beam).collect();
    let order = |a: &Candidate, b: &Candidate| {
        b.score.total_cmp(&a.score).then(a.beam.cmp(&b.beam)).then(a.token.cmp(&b.token))
    };
    kept.sort_unstable_by(order);
    kept.truncate(count);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_probabilities_are_normalised_and_refuse_nan() {
        let row = LogProbs::of(&[1000.0, 1001.0, f32::NEG_INFINITY]).unwrap();
        let sum: f32 = row.logits.iter().map(|&logit| row.log_prob(logit).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        assert!((row.log_prob(1001.0) - row.log_prob(1000.0) - 1.0).abs() < 1e-4);
        assert!(LogProbs::of(&[0.0, f32::NAN]).is_none());
        assert!(LogProbs::of(&[0.0, f32::INFINITY]).is_none());
    }

    /// Logits that are log-probabilities already.
    fn row(logits: &[f32]) -> LogProbs<'_> {
        LogProbs { logits, max: 0.0, log_sum: 0.0 }
    }

    #[test]
    fn the_best_come_first_and_equals_in_order() {
        let found = best(&[0.0, -0.5], &[row(&[-1.0, -3.0, -1.0]), row(&[-0.5, -9.0, -2.5])], 4);
        let found: Vec<(usize, u32)> = found.iter().map(|c| (c.beam, c.token)).collect();
        assert_eq!(found, [(0, 0), (0, 2), (1, 0), (0, 1)]);
    }

    #[test]
    fn beams_may_share_a_row() {
        let found = best(&[0.0, -1e9], &[row(&[-1.0, -2.0])], 3);
        assert_eq!(found[1], Candidate { score: -2.0, beam: 0, token: 1 });
        assert_eq!((found[2].beam, found[2].token), (1, 0));
    }

    #[test]
    fn the_likeliest_tokens_of_each_row_are_enough() {
        use affekt_nn::top_k::top_k;
        use candle_core::Tensor;

        for (beams, vocab, count) in [(4, 50, 8), (1, 9, 2), (5, 7, 45), (3, 300, 6)] {
            let logits = affekt_testkit::noise(0.0, 2.0, (beams, vocab));
            // In steps, so that there are ties.
            let logits = ((logits * 4.0).unwrap().round().unwrap() * 0.25).unwrap();
            let found = top_k(&logits, count.min(vocab), None).unwrap();
            let numbers: Vec<Vec<f32>> = logits.to_vec2().unwrap();
            for shared in [false, true] {
                let rows = if shared { 1 } else { beams };
                let sums: Vec<f32> = (0..beams)
                    .map(|beam| if shared && beam > 0 { -1e9 } else { -0.5 * beam as f32 })
                    .collect();
                let whole: Vec<LogProbs> =
                    numbers[..rows].iter().map(|row| LogProbs::of(row).unwrap()).collect();
                let likeliest: Vec<&Likeliest> = found.rows[..rows].iter().collect();
                let (got, want) = (best_of(&sums, &likeliest, count), best(&sums, &whole, count));
                let places = |all: &[Candidate]| all.iter().map(|it| (it.beam, it.token)).collect::<Vec<_>>();
                assert_eq!(places(&got), places(&want), "{beams} beams, {vocab} tokens, {count}");
            }
        }
        let none = Tensor::zeros((0, 5), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
        assert!(top_k(&none, 2, None).unwrap().rows.is_empty());
    }
}
