//! Products with a quantised weight, in f32.
//!
//! A thread restores a piece of the weight into the first cache, and multiplies all rows of activations with it. Every
//! number of the product is the sum of the same products in the same order, whatever is computed beside it: one sum a
//! lane over all inputs, then the sum of the lanes.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::restore::Restore;
use crate::cpu::Shared;

/// Inputs of a piece: the numbers of the largest blocks.
const DEPTH: usize = 256;
/// Outputs of a piece. With so many, a row of activations is read from the second cache once in 16 times.
const WIDTH: usize = 16;
/// Outputs and rows of a tile: their sums stay in registers.
const TILE: usize = 4;
/// Rows that share a restored piece; their sums stay in the second cache.
const ROWS: usize = 128;
/// Numbers of a line of the cache.
const LINE: usize = 16;
/// Outputs of a task.
const PANEL: usize = 64;

/// Blocks of (outputs, inputs), row after row.
#[derive(Clone, Copy)]
pub(super) struct Weight<'w> {
    pub bytes: &'w [u8],
    pub restore: Restore,
    pub outputs: usize,
    pub inputs: usize,
}

/// `x` (rows, inputs) times the weight: written to (rows, outputs).
pub(super) fn product(x: &[f32], weight: Weight) -> Vec<f32> {
    let rows = x.len() / weight.inputs;
    let mut product = vec![0f32; rows * weight.outputs];
    if rows == 0 {
        return product;
    }
    let mut memory = Vec::new();
    let x = Pieces::of(x, weight.inputs, &mut memory);
    let out = Shared::new(product.as_mut_ptr(), weight.outputs);
    (0..weight.outputs.div_ceil(PANEL)).into_par_iter().for_each_init(Scratch::default, |scratch, panel| {
        for first in (panel * PANEL..weight.outputs.min((panel + 1) * PANEL)).step_by(WIDTH) {
            for row in (0..rows).step_by(ROWS) {
                let part = Part {
                    x: &x,
                    rows: (row, ROWS.min(rows - row)),
                    weight,
                    outputs: (first, WIDTH.min(weight.outputs - first)),
                };
                Arch::new().dispatch(Multiply { part, scratch, out });
            }
        }
    });
    product
}

/// `len` numbers in `memory` that start with a line of the cache: vectors across two lines would be read at half the pace.
fn aligned(memory: &mut Vec<f32>, len: usize) -> &mut [f32] {
    memory.resize(len + LINE, 0.0);
    let start = memory.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
    &mut memory[start..][..len]
}

/// Activations by pieces: of `DEPTH` inputs the numbers of all rows lie together, behind the last input there are zeros.
struct Pieces<'m> {
    numbers: &'m [f32],
    rows: usize,
}

impl<'m> Pieces<'m> {
    fn of(x: &[f32], inputs: usize, memory: &'m mut Vec<f32>) -> Self {
        let rows = x.len() / inputs;
        let numbers = aligned(memory, inputs.div_ceil(DEPTH) * rows * DEPTH);
        numbers.par_chunks_mut(rows * DEPTH).enumerate().for_each(|(piece, numbers)| {
            let first = piece * DEPTH;
            let len = DEPTH.min(inputs - first);
            for (numbers, x) in numbers.chunks_exact_mut(DEPTH).zip(x.chunks_exact(inputs)) {
                numbers[..len].copy_from_slice(&x[first..][..len]);
            }
        });
        Self { numbers, rows }
    }

    #[inline(always)]
    fn row(&self, piece: usize, row: usize) -> &[f32] {
        &self.numbers[(piece * self.rows + row) * DEPTH..][..DEPTH]
    }
}

/// Memory of a thread.
#[derive(Default)]
struct Scratch {
    /// A piece of the weight, (WIDTH, DEPTH).
    restored: Vec<f32>,
    /// What the lanes have summed up, (rows, WIDTH, lanes).
    sums: Vec<f32>,
}

/// A part of the product.
#[derive(Clone, Copy)]
struct Part<'p> {
    x: &'p Pieces<'p>,
    /// The first one, and how many.
    rows: (usize, usize),
    weight: Weight<'p>,
    /// The first one, and up to `WIDTH`.
    outputs: (usize, usize),
}

struct Multiply<'p> {
    part: Part<'p>,
    scratch: &'p mut Scratch,
    out: Shared,
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { part, scratch, out } = self;
        let ((first_row, rows), (first, outputs)) = (part.rows, part.outputs);
        let restored = aligned(&mut scratch.restored, WIDTH * DEPTH);
        let (sums, _) = S::as_mut_simd_f32s(aligned(&mut scratch.sums, rows * WIDTH * S::F32_LANES));
        sums.fill(simd.splat_f32s(0.0));
        for piece in 0..part.weight.inputs.div_ceil(DEPTH) {
            let inputs = restore(part, piece, restored);
            let mut row = 0;
            for sums in sums.chunks_mut(TILE * WIDTH) {
                let x = |at: usize| part.x.row(piece, first_row + row + at);
                match sums.len() / WIDTH {
                    1 => tiles::<S, 1>(simd, [x(0)], restored, inputs, sums),
                    2 => tiles::<S, 2>(simd, [x(0), x(1)], restored, inputs, sums),
                    3 => tiles::<S, 3>(simd, [x(0), x(1), x(2)], restored, inputs, sums),
                    _ => tiles::<S, TILE>(simd, [x(0), x(1), x(2), x(3)], restored, inputs, sums),
                }
                row += TILE;
            }
        }
        for (row, sums) in sums.chunks_exact(WIDTH).enumerate() {
            // SAFETY: the part lies inside of the product, which was made with zeros, and no other task has a part of it.
            let out = unsafe { out.piece(first_row + row, first, outputs) };
            for (out, &sum) in out.iter_mut().zip(sums) {
                *out = simd.reduce_sum_f32s(sum);
            }
        }
    }
}

/// Restores piece `piece` of the outputs of `part`; gives its inputs. Behind the last one of the weight there are zeros.
#[inline(always)]
fn restore(part: Part, piece: usize, restored: &mut [f32]) -> usize {
    let (first, outputs) = part.outputs;
    let Weight { bytes, restore, inputs, .. } = part.weight;
    let (row, start) = (restore.format.bytes(inputs), restore.format.bytes(piece * DEPTH));
    let inputs = DEPTH.min(inputs - piece * DEPTH);
    let len = restore.format.bytes(inputs);
    let blocks = bytes[first * row..].chunks_exact(row).take(outputs).map(|row| &row[start..][..len]);
    restore.rows(blocks, restored, DEPTH);
    if inputs < DEPTH {
        restored.chunks_exact_mut(DEPTH).for_each(|numbers| numbers[inputs..].fill(0.0));
    }
    inputs
}

/// Adds the products of `COUNT` rows with a piece to their sums, (COUNT, WIDTH).
#[inline(always)]
fn tiles<S: Simd, const COUNT: usize>(
    simd: S,
    x: [&[f32]; COUNT],
    restored: &[f32],
    inputs: usize,
    sums: &mut [S::f32s],
) {
    let lanes = inputs.div_ceil(S::F32_LANES);
    let x = x.map(|x| &S::as_simd_f32s(x).0[..lanes]);
    for (at, restored) in restored.chunks_exact(TILE * DEPTH).enumerate() {
        let weight: [_; TILE] =
            std::array::from_fn(|at| &S::as_simd_f32s(&restored[at * DEPTH..][..DEPTH]).0[..lanes]);
        let mut tile: [[_; TILE]; COUNT] =
            std::array::from_fn(|row| std::array::from_fn(|column| sums[row * WIDTH + at * TILE + column]));
        for lane in 0..lanes {
            for column in 0..TILE {
                for row in 0..COUNT {
                    tile[row][column] =
                        simd.mul_add_e_f32s(x[row][lane], weight[column][lane], tile[row][column]);
                }
            }
        }
        for (row, tile) in tile.into_iter().enumerate() {
            sums[row * WIDTH + at * TILE..][..TILE].copy_from_slice(&tile);
        }
    }
}
