//! The likeliest tokens of rows of logits.

use std::cmp::Ordering;

use candle_core::{DType, Device, Result, Tensor, bail};

use crate::exp::log_sum_exp;
use crate::kernels::{self, Arg, Grid, Kernel};

/// The likeliest tokens of one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Likeliest {
    /// Tokens, the likeliest first; of equally likely ones the lower token. Empty where a logit is NaN or +infinity, or
    /// none is finite.
    pub tokens: Vec<u32>,
    /// Their log-probabilities: log-softmax in f32.
    pub log_probs: Vec<f32>,
}

/// What [`top_k`] has found.
#[derive(Clone, Debug, PartialEq)]
pub struct TopK {
    /// A row of logits each.
    pub rows: Vec<Likeliest>,
    /// Whether the watch given along has seen a number that is not finite.
    pub spoilt: bool,
}

/// Whether rows like these are searched where they lie. Otherwise they are on the CPU, for kernels of its own.
pub fn stays(logits: &Tensor) -> bool {
    !logits.device().is_cpu() || kernels::emulating()
}

/// The `k` likeliest tokens of each row of `logits` (rows, vocab), `k` at most vocab. `watch` is what
/// [`Watch::seen`](crate::finite::Watch::seen) gives.
///
/// On a card one kernel, one copy of a few bytes a row to the host, and nothing else that waits for the card.
pub fn top_k(logits: &Tensor, k: usize, watch: Option<&Tensor>) -> Result<TopK> {
    let (rows, vocab) = logits.dims2()?;
    if k > vocab {
        bail!("the {k} likeliest of {vocab} tokens");
    }
    if kernels::take(logits) {
        return on_card(&logits.contiguous()?, k, watch);
    }
    let numbers = logits.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.to_vec2::<f32>()?;
    let spoilt = match watch {
        Some(watch) => watch.to_vec1::<u32>()?[0] != 0,
        None => false,
    };
    debug_assert_eq!(numbers.len(), rows, "rows");
    Ok(TopK { rows: numbers.iter().map(|row| likeliest(row, k)).collect(), spoilt })
}

fn likeliest(logits: &[f32], k: usize) -> Likeliest {
    let (top, log_sum) = log_sum_exp(logits);
    if !log_sum.is_finite() {
        return Likeliest::default();
    }
    let mut all: Vec<(f32, u32)> =
        logits.iter().zip(0..).map(|(logit, token)| ((logit - top) - log_sum, token)).collect();
    let order = |a: &(f32, u32), b: &(f32, u32)| -> Ordering { b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)) };
    if k < all.len() {
        all.select_nth_unstable_by(k, order);
        all.truncate(k);
    }
    all.sort_unstable_by(order);
    Likeliest {
        tokens: all.iter().map(|(_, token)| *token).collect(),
        log_probs: all.iter().map(|(log_prob, _)| *log_prob).collect(),
    }
}

fn on_card(logits: &Tensor, k: usize, watch: Option<&Tensor>) -> Result<TopK> {
    let (rows, vocab) = logits.dims2()?;
    if rows == 0 {
        let spoilt = watch.map(Tensor::to_vec1::<u32>).transpose()?.is_some_and(|seen| seen[0] != 0);
        return Ok(TopK { rows: Vec::new(), spoilt });
    }
    let found = kernels::output(rows * (2 * k + 1) + 1, DType::U32, logits.device())?;
    let args =
        [Arg::Tensor(logits), watch.into(), Arg::Tensor(&found), Arg::U32(vocab as u32), Arg::U32(k as u32)];
    let kernel = Kernel { file: "top_k", name: "top_k" };
    let threads = vocab.next_multiple_of(32).min(1024) as u32;
    // SAFETY: a block reads a row and writes its k pairs and its mark, and the first one what stands behind them all.
    unsafe { kernel.run(logits.dtype(), Grid::rows(rows, threads), &args)? };
    let found = found.to_vec1::<u32>()?;
    let (tokens, rest) = found.split_at(rows * k);
    let (log_probs, rest) = rest.split_at(rows * k);
    let row = |at: usize| match rest[at] {
        0 => Likeliest::default(),
        _ => Likeliest {
            tokens: tokens[at * k..(at + 1) * k].to_vec(),
            log_probs: log_probs[at * k..(at + 1) * k].iter().map(|bits| f32::from_bits(*bits)).collect(),
        },
    };
    Ok(TopK { rows: (0..rows).map(row).collect(), spoilt: rest[rows] != 0 })
}

#[cfg(test)]
mod tests {
    use affekt_testkit::noise;

    use super::*;

    #[test]
    fn they_are_those_of_a_sorted_row_in_every_type() {
        for dtype in [DType::F32, DType::F16, DType::BF16, DType::F64] {
            for (rows, vocab, k) in [(1, 3000, 8), (5, 33, 33), (3, 1025, 45), (2, 1, 1), (0, 7, 3)] {
                // In 16 bits many are equal.
                let logits = noise(0.0, 3.0, (rows, vocab)).to_dtype(dtype).unwrap();
                let found = top_k(&logits, k, None).unwrap();
                assert_eq!((found.rows.len(), found.spoilt), (rows, false));
                let logits = logits.to_dtype(DType::F32).unwrap().to_vec2::<f32>().unwrap();
                for (row, found) in logits.iter().zip(&found.rows) {
                    let want = likeliest(row, k);
                    assert_eq!(found.tokens, want.tokens, "{dtype:?} {vocab}");
                    for (got, want) in found.log_probs.iter().zip(&want.log_probs) {
                        assert!((got - want).abs() <= 2e-6 * want.abs().max(1.0), "{got} for {want}");
                    }
                }
            }
        }
        assert!(top_k(&noise(0.0, 1.0, (1, 4)), 5, None).is_err());
    }

    #[test]
    fn ties_go_to_the_lower_token_and_rows_that_are_no_numbers_are_marked() {
        let inf = f32::INFINITY;
        let rows = [
            [1f32, 3.0, 3.0, -2.0, 1.0],
            [f32::NAN, 3.0, 3.0, -2.0, 1.0],
            [-inf, -inf, 0.5, -inf, -inf],
            [-inf; 5],
            [0.0, inf, 0.0, 0.0, 0.0],
            [-1000.0, -1000.0, -1000.0, -1000.0, -1000.0],
        ];
        let found = top_k(&Tensor::new(&rows, &Device::Cpu).unwrap(), 4, None).unwrap();
        let tokens: Vec<&[u32]> = found.rows.iter().map(|row| row.tokens.as_slice()).collect();
        assert_eq!(tokens, [&[1, 2, 0, 4][..], &[], &[2, 0, 1, 3], &[], &[], &[0, 1, 2, 3]]);
        assert_eq!(found.rows[2].log_probs, [0.0, -inf, -inf, -inf]);
        for (seen, spoilt) in [(0u32, false), (1, true)] {
            let watch = Tensor::new(&[seen], &Device::Cpu).unwrap();
            let logits = Tensor::new(&rows, &Device::Cpu).unwrap();
            assert_eq!(top_k(&logits, 1, Some(&watch)).unwrap().spoilt, spoilt);
            let none = logits.narrow(0, 0, 0).unwrap();
            assert_eq!(top_k(&none, 1, Some(&watch)).unwrap().spoilt, spoilt);
        }
    }
}
