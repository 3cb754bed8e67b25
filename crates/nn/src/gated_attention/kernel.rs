//! Attention on the CPU in f32.

use crate::vectorised::vectorised;
use std::cell::RefCell;
use std::ops::Range;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use crate::cpu::{Numbers, Shared};
use crate::exp::exp;
use crate::maps::{Filled, filled};
use crate::product::{Matrix, Rows, multiply};

/// Scores of a head that exist at once: half of a common second-level cache.
const SCORES: usize = 1 << 17;

/// Numbers side by side in a vector loop.
const LANES: usize = 16;

thread_local! {
    static SCRATCH: RefCell<Scratch> = const {
        RefCell::new(Scratch { keys: Vec::new(), scores: Vec::new(), scales: Vec::new() })
    };
}

/// Memory of a thread.
struct Scratch {
    /// Of one head, turned: (d, t)
    keys: Vec<f32>,
    /// Of some queries: (r, t)
    scores: Vec<f32>,
    /// For each row of scores what makes its sum 1.
    scales: Vec<f32>,
}

/// As [`gated_attention`](super::gated_attention); `frames` are the valid ones of each clip. The others come out zero.
pub(super) fn attend(qkv: &Tensor, gates: &Tensor, bias: &Tensor, frames: &[usize]) -> Result<Tensor> {
    let (batch, length, columns) = qkv.dims3()?;
    let heads = bias.dim(0)?;
    let width = columns / 3;
    let (qkv, gates) = (qkv.contiguous()?, gates.contiguous()?);
    let (qkv_numbers, gates, bias) = (Numbers::of(&qkv)?, Numbers::of(&gates)?, Numbers::of(bias)?);
    let clip = |at: usize| Clip {
        qkv: &qkv_numbers[at * length * columns..][..length * columns],
        gates: &gates[at * length * heads..][..length * heads],
        frames: frames[at],
        width,
        heads,
    };
    let fill = |out: &mut Filled| {
        let out = Shared::new(out.as_mut_ptr().cast(), width);
        (0..batch * heads).into_par_iter().with_max_len(1).for_each(|task| {
            let (at, head) = (task / heads, task % heads);
            let bias = &bias[head * (2 * length - 1)..][..2 * length - 1];
            // SAFETY: the columns of a head in the rows of a clip are this task's alone.
            unsafe { clip(at).head(head, bias, out, (at * length, length)) };
        });
    };
    // SAFETY: the heads cover all columns of all rows.
    let mixed = unsafe { filled(batch * length * width, fill) };
    Tensor::from_vec(mixed, (batch, length, width), qkv.device())
}

/// One clip of a batch.
struct Clip<'a> {
    /// (t, 3 * width)
    qkv: &'a [f32],
    /// (t, h)
    gates: &'a [f32],
    /// Valid ones.
    frames: usize,
    width: usize,
    heads: usize,
}

impl Clip<'_> {
    /// One head, written to its columns of the `length` rows from `first` on; `bias` is by distance.
    ///
    /// # Safety
    /// Those columns of those rows lie inside of `out`, and no other thread has a part of them.
    unsafe fn head(&self, head: usize, bias: &[f32], out: Shared, (first, length): (usize, usize)) {
        let (frames, size) = (self.frames, self.width / self.heads);
        let column = head * size;
        if frames > 0 {
            SCRATCH.with_borrow_mut(|scratch| {
                self.turn_keys(column, size, &mut scratch.keys);
                let rows = (SCORES / frames).clamp(16, frames.max(16));
                grow(&mut scratch.scores, rows * frames);
                grow(&mut scratch.scales, rows);
                for query in (0..frames).step_by(rows) {
                    let queries = query..frames.min(query + rows);
                    self.weigh(queries.clone(), head, &bias[..length - 1 + frames], scratch);
                    // SAFETY: the caller's promise.
                    unsafe { self.mix(queries, column, scratch, out, first) };
                }
            });
        }
        for row in frames..length {
            // SAFETY: the caller's promise.
            unsafe { std::ptr::write_bytes(out.at(first + row, column), 0, size) };
        }
    }

    /// The keys of a head as (size, frames): the product would turn them for every block of queries.
    fn turn_keys(&self, column: usize, size: usize, keys: &mut Vec<f32>) {
        grow(keys, size * self.frames);
        for (at, row) in self.qkv.chunks_exact(3 * self.width).take(self.frames).enumerate() {
            for (channel, key) in row[self.width + column..][..size].iter().enumerate() {
                keys[channel * self.frames + at] = *key;
            }
        }
    }

    /// exp(q k' + gate * bias - the row's largest) of some queries, and what makes the sum of each row 1.
    fn weigh(&self, queries: Range<usize>, head: usize, bias: &[f32], scratch: &mut Scratch) {
        let (frames, size) = (self.frames, self.width / self.heads);
        let stride = 3 * self.width;
        let rows = &self.qkv[queries.start * stride + head * size..];
        let rows = Rows::new(rows, queries.len(), size, stride);
        let keys = Matrix::new(&scratch.keys, size, frames);
        let scores = &mut scratch.scores[..queries.len() * frames];
        // SAFETY: `scores` has room for the product.
        unsafe { multiply(rows, keys, scores.as_mut_ptr(), frames) };
        // The distance of the first key to query 0 stands behind those of all later queries.
        let last = bias.len() - frames;
        vectorised(
            #[inline(always)]
            || {
                let rows = scores.chunks_exact_mut(frames).zip(&mut scratch.scales);
                for (query, (scores, scale)) in queries.clone().zip(rows) {
                    let gate = self.gates[query * self.heads + head];
                    *scale = 1. / weights(scores, &bias[last - query..][..frames], gate);
                }
            },
        );
    }

    /// Weighted means of the values, written to the rows of `queries` behind `first`.
    ///
    /// # Safety
    /// Those rows, and the columns of a head from `column` on, lie inside of `out`, and no other thread has a part of
    /// them.
    unsafe fn mix(&self, queries: Range<usize>, column: usize, scratch: &Scratch, out: Shared, first: usize) {
        let (frames, size) = (self.frames, self.width / self.heads);
        let values = &self.qkv[2 * self.width + column..];
        let values = Matrix::strided(values, (frames, size), (3 * self.width, 1));
        let scores = Rows::new(&scratch.scores, queries.len(), frames, frames);
        let row = first + queries.start;
        // SAFETY: the caller's promise.
        unsafe { multiply(scores, values, out.at(row, column), out.stride()) };
        for (row, scale) in (row..first + queries.end).zip(&scratch.scales) {
            // SAFETY: the caller's promise, and the product has been written.
            let mixed = unsafe { out.piece(row, column, size) };
            mixed.iter_mut().for_each(|x| *x *= scale);
        }
    }
}

/// Turns scores into exp(score + gate * bias - the largest) in place; -> their sum.
#[inline(always)]
fn weights(scores: &mut [f32], bias: &[f32], gate: f32) -> f32 {
    let mut tops = [f32::NEG_INFINITY; LANES];
    let (mut rows, mut positions) = (scores.chunks_exact_mut(LANES), bias.chunks_exact(LANES));
    for (scores, bias) in (&mut rows).zip(&mut positions) {
        for lane in 0..LANES {
            scores[lane] += gate * bias[lane];
            // A NaN is not greater: it falls out here and comes back through the sum.
            tops[lane] = if scores[lane] > tops[lane] { scores[lane] } else { tops[lane] };
        }
    }
    let mut top = tops.iter().fold(f32::NEG_INFINITY, |top, &x| top.max(x));
    for (score, bias) in rows.into_remainder().iter_mut().zip(positions.remainder()) {
        *score += gate * bias;
        top = top.max(*score);
    }
    let mut sums = [0f32; LANES];
    let mut rows = scores.chunks_exact_mut(LANES);
    for scores in &mut rows {
        for lane in 0..LANES {
            scores[lane] = exp(scores[lane] - top);
            sums[lane] += scores[lane];
        }
    }
    let mut sum: f32 = sums.iter().sum();
    for score in rows.into_remainder() {
        *score = exp(*score - top);
        sum += *score;
    }
    sum
}

/// Makes room for `len` numbers; what it held is lost.
fn grow(numbers: &mut Vec<f32>, len: usize) {
    if numbers.len() < len {
        numbers.resize(len, 0.);
    }
}
