//! Attention of one clip, forward and backward. All of it fits the cache of a core.

use super::super::panel::{NARROW, Panelled, ROWS, WIDTH, columns_times, rows_times};
use super::tanh::tanh;
use crate::dropout::Mask;
use crate::exp::exp;
use crate::vectorised::vectorised;

/// Frames whose part of the weight's gradient is summed at once: that much of two panels stays in the first-level cache.
const CHUNK: usize = 128;

/// The projection of keys.
pub(super) struct Projection {
    /// Columns of keys: terms are those of the frames.
    pub forward: Panelled,
    /// Columns of frames: terms are those of the keys.
    pub backward: Panelled,
    /// As many as there are columns of keys.
    pub bias: Vec<f32>,
}

impl Projection {
    /// Of rows of a weight, each with its bias behind it: (D, D + 1).
    pub fn new(joined: &[f32], dim: usize) -> Self {
        let rows = joined.chunks_exact(dim + 1);
        let weight: Vec<f32> = rows.clone().flat_map(|row| &row[..dim]).copied().collect();
        let mut bias: Vec<f32> = rows.map(|row| row[dim]).collect();
        bias.resize(dim.next_multiple_of(WIDTH), 0.0);
        Self { forward: Panelled::turned(&weight, dim), backward: Panelled::new(&weight, dim), bias }
    }
}

/// One clip of a batch.
pub(super) struct Clip<'a> {
    /// (t, D)
    pub rows: &'a [f32],
    /// Index of its first number in the batch.
    pub start: u32,
    /// How many rows take part.
    pub length: usize,
    /// (n, D)
    pub queries: &'a [f32],
    pub dim: usize,
    pub scale: f32,
    pub mask: Option<Mask>,
    pub projection: &'a Projection,
}

/// What the backward pass needs and is not cheap to make again.
pub(super) struct Kept {
    keys: Panelled,
    /// Of the softmax: (panels of queries, frames, NARROW)
    weights: Vec<f32>,
}

/// Sums over the clips of a group.
pub(super) struct Sums {
    /// (panels of frames' columns, columns of keys, WIDTH)
    pub weight: Vec<f32>,
    /// (columns of keys)
    pub bias: Vec<f32>,
}

impl Sums {
    pub fn zeros(dim: usize) -> Self {
        let dim = dim.next_multiple_of(WIDTH);
        Self { weight: vec![0.0; dim * dim], bias: vec![0.0; dim] }
    }

    /// The sum of all, as the joined projection lies: (D, D + 1)
    pub fn joined(all: &[Self], dim: usize) -> Vec<f32> {
        let mut joined = vec![0.0; dim * (dim + 1)];
        for sums in all {
            for (row, joined) in joined.chunks_exact_mut(dim + 1).enumerate() {
                joined[dim] += sums.bias[row];
                let panels = sums.weight.chunks_exact(sums.bias.len() * WIDTH);
                for (panel, joined) in panels.zip(joined[..dim].chunks_mut(WIDTH)) {
                    joined.iter_mut().zip(&panel[row * WIDTH..]).for_each(|(total, sum)| *total += sum);
                }
            }
        }
        joined
    }
}

/// The gradient of the frames of a clip, to be added to.
pub(super) struct FramesSum<'a> {
    /// (t, D)
    pub rows: &'a mut [f32],
    /// Whether all of it is zero yet. Then it is written without a look: memory that is new and read before it is written
    /// costs two page faults, the second of which stops all threads.
    pub first: bool,
}

/// Memory that one clip after the other is computed in.
#[derive(Default)]
pub(super) struct Scratch {
    /// The frames after dropout.
    x: Panelled,
    /// The gradient of what the tanh is taken of.
    projected: Panelled,
    /// A panel of the gradient of the frames.
    panel: Vec<f32>,
}

impl Clip<'_> {
    /// The result (n, D).
    pub fn forward(&self, scratch: &mut Scratch) -> (Kept, Vec<f32>) {
        let x = &mut scratch.x;
        self.drop_out(x);
        let keys = self.keys(x);
        let mut weights = self.dots(&keys, self.queries);
        for scores in weights.chunks_exact_mut(keys.rows() * NARROW) {
            softmax(scores, self.length, self.scale);
        }
        let found = self.sums(&weights, x);
        (Kept { keys, weights }, found)
    }

    /// The gradient of the queries (n, D), from that of the result (n, D). Adds those of the projection to `sums` and that
    /// of the frames to `frames`.
    pub fn backward(
        &self,
        kept: &Kept,
        gradient: &[f32],
        scratch: &mut Scratch,
        sums: &mut Sums,
        frames: Option<FramesSum>,
    ) -> Vec<f32> {
        self.drop_out(&mut scratch.x);
        let size = kept.keys.rows() * NARROW;
        let mut scores = self.dots(&scratch.x, gradient); // of the weights, then of the scores
        for (scores, weights) in scores.chunks_exact_mut(size).zip(kept.weights.chunks_exact(size)) {
            softmax_backward(scores, weights, self.length, self.scale);
        }
        self.project_backward(&kept.keys, &scores, &mut scratch.projected, &mut sums.bias);
        weight_backward(&scratch.projected, &scratch.x, &mut sums.weight);
        if let Some(frames) = frames {
            self.frames_backward(&kept.weights, gradient, scratch, frames);
        }
        self.sums(&scores, &kept.keys)
    }

    /// x: the frames after dropout, with rows of zeros behind them.
    fn drop_out(&self, x: &mut Panelled) {
        x.resize(self.length, self.dim);
        let (rows, dim) = (x.rows(), self.dim);
        vectorised(
            #[inline(always)]
            || {
                for (panel, x) in x.numbers_mut().chunks_exact_mut(rows * WIDTH).enumerate() {
                    let (used, rest) = x.split_at_mut(self.length * WIDTH);
                    rest.fill(0.0);
                    for (row, x) in used.as_chunks_mut::<WIDTH>().0.iter_mut().enumerate() {
                        let place = row * dim + panel * WIDTH;
                        let factors = self.factors(place);
                        let rows = &self.rows[place..];
                        if let (Some(rows), true) = (rows.first_chunk::<WIDTH>(), place % dim + WIDTH <= dim)
                        {
                            for at in 0..WIDTH {
                                x[at] = rows[at] * factors[at];
                            }
                        } else {
                            x.fill(0.0);
                            let rows = rows.iter().take(dim - panel * WIDTH).zip(factors);
                            x.iter_mut().zip(rows).for_each(|(x, (row, factor))| *x = row * factor);
                        }
                    }
                }
            },
        );
    }

    /// What dropout multiplies the numbers from `place` on by.
    #[inline(always)]
    fn factors(&self, place: usize) -> [f32; WIDTH] {
        let mut factors = [1.0; WIDTH];
        if let Some(mask) = self.mask {
            let start = self.start.wrapping_add(place as u32);
            for (at, factor) in factors.iter_mut().enumerate() {
                *factor = mask.factor(start.wrapping_add(at as u32));
            }
        }
        factors
    }

    /// tanh(x W' + b)
    fn keys(&self, x: &Panelled) -> Panelled {
        let mut keys = Panelled::default();
        keys.resize(self.length, self.dim);
        for (at, bias) in self.projection.bias.as_chunks::<WIDTH>().0.iter().enumerate() {
            let panel = keys.panel_mut(at);
            let terms = (x.numbers(), x.columns());
            rows_times::<WIDTH, WIDTH>(terms, self.projection.forward.panel(at), panel, false);
            vectorised(
                #[inline(always)]
                || {
                    for row in panel.as_chunks_mut::<WIDTH>().0 {
                        for column in 0..WIDTH {
                            row[column] = tanh(row[column] + bias[column]);
                        }
                    }
                },
            );
        }
        keys
    }

    /// Dot products of `rows` (frames, D) with each of the `vectors` (n, D): (panels of queries, frames, NARROW)
    fn dots(&self, rows: &Panelled, vectors: &[f32]) -> Vec<f32> {
        let columns = rows.columns();
        let mut dots = vec![0.0; self.panels_of_queries() * rows.rows() * NARROW];
        let panels = dots.chunks_exact_mut(rows.rows() * NARROW);
        for (dots, vectors) in panels.zip(vectors.chunks(NARROW * self.dim)) {
            let mut turned = vec![0.0; columns * NARROW];
            for (at, vector) in vectors.chunks_exact(self.dim).enumerate() {
                let places = turned[at..].iter_mut().step_by(NARROW);
                places.zip(vector).for_each(|(place, number)| *place = *number);
            }
            rows_times::<WIDTH, NARROW>((rows.numbers(), columns), &turned, dots, false);
        }
        dots
    }

    /// Sums of `rows` (frames, D), one for each query, by `weights` (panels of queries, frames, NARROW): (n, D)
    fn sums(&self, weights: &[f32], rows: &Panelled) -> Vec<f32> {
        let mut sums = vec![0.0; self.queries.len()];
        let mut part = [0.0; NARROW * WIDTH];
        let panels = weights.chunks_exact(rows.rows() * NARROW);
        for (weights, sums) in panels.zip(sums.chunks_mut(NARROW * self.dim)) {
            let part = &mut part[..(sums.len() / self.dim).next_multiple_of(ROWS) * WIDTH];
            for panel in 0..rows.panels() {
                columns_times::<NARROW, WIDTH>(weights, rows.panel(panel), part, false);
                for (sums, part) in sums.chunks_exact_mut(self.dim).zip(part.chunks_exact(WIDTH)) {
                    let sums = sums.chunks_mut(WIDTH).nth(panel).expect("there are as many panels");
                    sums.copy_from_slice(&part[..sums.len()]);
                }
            }
        }
        sums
    }

    /// The gradient of x W' + b from that of the scores; adds that of b.
    fn project_backward(
        &self,
        keys: &Panelled,
        scores: &[f32],
        projected: &mut Panelled,
        bias_sums: &mut [f32],
    ) {
        projected.resize(self.length, self.dim);
        let queries = Panelled::new(self.queries, self.dim);
        for (at, bias_sums) in bias_sums.chunks_exact_mut(WIDTH).enumerate() {
            let (panel, keys) = (projected.panel_mut(at), keys.panel(at));
            self.times_vectors(scores, &queries, at, panel, false);
            vectorised(
                #[inline(always)]
                || {
                    let mut sums = [0f32; WIDTH];
                    let rows = panel.as_chunks_mut::<WIDTH>().0.iter_mut();
                    for (row, keys) in rows.zip(keys.as_chunks::<WIDTH>().0) {
                        for column in 0..WIDTH {
                            row[column] *= 1.0 - keys[column] * keys[column];
                            sums[column] += row[column];
                        }
                    }
                    bias_sums.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
                },
            );
        }
    }

    /// Adds the gradient of the frames, that of their keys and that of their weighted sums.
    fn frames_backward(
        &self,
        weights: &[f32],
        gradient: &[f32],
        scratch: &mut Scratch,
        mut frames: FramesSum,
    ) {
        let Scratch { projected, panel, .. } = scratch;
        let gradient = Panelled::new(gradient, self.dim);
        panel.resize(projected.rows() * WIDTH, 0.0);
        for at in 0..projected.panels() {
            let terms = (projected.numbers(), projected.columns());
            rows_times::<WIDTH, WIDTH>(terms, self.projection.backward.panel(at), panel, false);
            self.times_vectors(weights, &gradient, at, panel, true);
            self.add_to_frames(at, panel, &mut frames);
        }
    }

    /// Adds a panel of the gradient of x to that of the frames.
    fn add_to_frames(&self, at: usize, panel: &[f32], frames: &mut FramesSum) {
        let (dim, first) = (self.dim, frames.first);
        vectorised(
            #[inline(always)]
            || {
                let panel = panel.as_chunks::<WIDTH>().0;
                for (row, panel) in panel.iter().take(self.length).enumerate() {
                    let place = row * dim + at * WIDTH;
                    let factors = self.factors(place);
                    let frames = &mut frames.rows[place..];
                    match frames.first_chunk_mut::<WIDTH>() {
                        Some(frames) if place % dim + WIDTH <= dim => {
                            for at in 0..WIDTH {
                                let before = if first { 0.0 } else { frames[at] };
                                frames[at] = before + panel[at] * factors[at];
                            }
                        }
                        _ => {
                            let panel = panel.iter().zip(factors).take(dim - at * WIDTH);
                            frames.iter_mut().zip(panel).for_each(|(sum, (x, factor))| *sum += x * factor);
                        }
                    }
                }
            },
        );
    }

    /// Panel `at` of `numbers` (panels of queries, frames, NARROW) times `vectors` (n, D): (frames, WIDTH)
    fn times_vectors(&self, numbers: &[f32], vectors: &Panelled, at: usize, out: &mut [f32], add: bool) {
        let (frames, n) = (out.len() / WIDTH, self.queries.len() / self.dim);
        for (panel, numbers) in numbers.chunks_exact(frames * NARROW).enumerate() {
            let terms = (numbers, NARROW.min(n - panel * NARROW));
            let vectors = &vectors.panel(at)[panel * NARROW * WIDTH..];
            rows_times::<NARROW, WIDTH>(terms, vectors, out, add || panel > 0);
        }
    }

    fn panels_of_queries(&self) -> usize {
        (self.queries.len() / self.dim).div_ceil(NARROW)
    }
}

/// Adds `projected`' `x` to the gradient of the weight, (panels of frames' columns, columns of keys, WIDTH).
fn weight_backward(projected: &Panelled, x: &Panelled, sums: &mut [f32]) {
    for start in (0..x.rows()).step_by(CHUNK) {
        let chunk = start * WIDTH..(start + CHUNK).min(x.rows()) * WIDTH;
        for (panel, sums) in sums.chunks_exact_mut(projected.columns() * WIDTH).enumerate() {
            let x = &x.panel(panel)[chunk.clone()];
            for (panel, sums) in sums.chunks_exact_mut(WIDTH * WIDTH).enumerate() {
                let projected = &projected.panel(panel)[chunk.clone()];
                columns_times::<WIDTH, WIDTH>(projected, x, sums, true);
            }
        }
    }
}

/// Scores (frames, NARROW) become weights: the softmax over the first `length` of `scale` times them. The others are 0.
fn softmax(scores: &mut [f32], length: usize, scale: f32) {
    let (scores, rest) = scores.split_at_mut(length * NARROW);
    rest.fill(0.0);
    vectorised(
        #[inline(always)]
        || {
            // A NaN is not greater than anything: it falls out here, and comes back through the sum.
            let mut tops = [f32::NEG_INFINITY; NARROW];
            for row in scores.as_chunks_mut::<NARROW>().0.iter_mut() {
                for query in 0..NARROW {
                    row[query] *= scale;
                    tops[query] = if row[query] > tops[query] { row[query] } else { tops[query] };
                }
            }
            let mut sums = [0f32; NARROW];
            for row in scores.as_chunks_mut::<NARROW>().0.iter_mut() {
                for query in 0..NARROW {
                    row[query] = exp(row[query] - tops[query]);
                    sums[query] += row[query];
                }
            }
            for row in scores.as_chunks_mut::<NARROW>().0.iter_mut() {
                for query in 0..NARROW {
                    row[query] /= sums[query];
                }
            }
        },
    );
}

/// The gradient of the weights (frames, NARROW) becomes that of the scores before `scale`.
fn softmax_backward(gradient: &mut [f32], weights: &[f32], length: usize, scale: f32) {
    let (gradient, rest) = gradient.split_at_mut(length * NARROW);
    rest.fill(0.0);
    vectorised(
        #[inline(always)]
        || {
            let rows = gradient.as_chunks_mut::<NARROW>().0.iter_mut();
            let rows = rows.zip(weights.as_chunks::<NARROW>().0);
            let mut sums = [0f32; NARROW];
            for (row, weights) in rows {
                for query in 0..NARROW {
                    sums[query] += row[query] * weights[query];
                }
            }
            let rows = gradient.as_chunks_mut::<NARROW>().0.iter_mut();
            let rows = rows.zip(weights.as_chunks::<NARROW>().0);
            for (row, weights) in rows {
                for query in 0..NARROW {
                    row[query] = scale * weights[query] * (row[query] - sums[query]);
                }
            }
        },
    );
}
