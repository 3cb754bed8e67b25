//! Products with a weight that is packed once, in panels of columns.

use std::array::from_fn;
use std::ops::Range;

use candle_core::{Result, Tensor};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::conv2d::product::tile;
use crate::cpu::{Numbers, Shared};
use crate::maps::{Filled, filled};
use crate::product::Rows;
use crate::vectorised::vectorised;

/// Columns of a panel: two of the widest registers, which eight rows keep busy.
const PANEL: usize = 32;

/// Rows that are multiplied together, at most.
const ROWS: usize = 8;

/// Terms that are summed at once, about: so much of a panel stays in the second-level cache.
const DEPTH: usize = 1024;

/// Rows of a task: with its panels they fit the cache, too.
const TASK: usize = 512;

/// Tasks a thread, at least, where there are so many panels.
const TASKS: usize = 4;

/// A weight (inputs, outputs) for products on the CPU in f32.
///
/// It is read from beginning to end, and nothing is packed on the way: with few rows, where `gemm` packs for longer than it
/// multiplies, that is most of the time. Every number of a product is one chain of multiplications and additions for each
/// [`DEPTH`] terms: it does not depend on what is computed beside it.
#[derive(Debug)]
pub(crate) struct Panels {
    /// (panels, inputs, PANEL), columns beyond the last filled up with zeros
    numbers: Vec<f32>,
    pub inputs: usize,
    pub outputs: usize,
}

impl Panels {
    /// Packs a weight as PyTorch lays it out, (outputs, inputs).
    pub fn new(weight: &Tensor) -> Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        let weight = weight.contiguous()?;
        let weight = Numbers::of(&weight)?;
        let mut numbers = vec![0f32; outputs.next_multiple_of(PANEL) * inputs];
        let panels =
            numbers.par_chunks_mut(PANEL * inputs.max(1)).zip(weight.par_chunks(PANEL * inputs.max(1)));
        panels.for_each(|(panel, rows)| {
            for (column, row) in rows.chunks_exact(inputs).enumerate() {
                panel[column..]
                    .iter_mut()
                    .step_by(PANEL)
                    .zip(row)
                    .for_each(|(place, number)| *place = *number);
            }
        });
        Ok(Self { numbers, inputs, outputs })
    }

    /// `x` (m, inputs) times the weight on all threads -> (m, outputs). `finish` gets every piece of a row of the product
    /// once, with its row and its first column, as soon as it is there.
    pub fn product(&self, x: Rows, finish: impl Fn(usize, usize, &mut [f32]) + Sync) -> Vec<f32> {
        assert_eq!(x.width, self.inputs, "the inner dimensions of a product");
        let panels = self.outputs.div_ceil(PANEL);
        let each = panels.div_ceil(TASKS * rayon::current_num_threads()).clamp(1, 8);
        let tasks: Vec<_> = (0..panels)
            .step_by(each)
            .flat_map(|first| {
                let panels = first..panels.min(first + each);
                (0..x.count).step_by(TASK).map(move |row| (row..x.count.min(row + TASK), panels.clone()))
            })
            .collect();
        let fill = |out: &mut Filled| {
            let out = Shared::new(out.as_mut_ptr().cast(), self.outputs);
            tasks.par_iter().with_max_len(1).for_each(|(rows, panels)| {
                for panel in panels.clone() {
                    Arch::new().dispatch(Task { weight: self, x, rows: rows.clone(), panel, out });
                }
                let columns = panels.start * PANEL..self.outputs.min(panels.end * PANEL);
                vectorised(
                    #[inline(always)]
                    || {
                        for row in rows.clone() {
                            // SAFETY: tasks lie inside of the product and do not overlap, and this one has written its part.
                            finish(row, columns.start, unsafe {
                                out.piece(row, columns.start, columns.len())
                            });
                        }
                    },
                );
            });
        };
        // SAFETY: the tasks cover the product.
        unsafe { filled(x.count * self.outputs, fill) }
    }
}

/// Some rows times one panel.
struct Task<'t> {
    weight: &'t Panels,
    x: Rows<'t>,
    rows: Range<usize>,
    panel: usize,
    out: Shared,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let inputs = self.weight.inputs;
        let panel = &self.weight.numbers[self.panel * PANEL * inputs..][..PANEL * inputs];
        let blocks = inputs.div_ceil(DEPTH).max(1);
        for block in 0..blocks {
            let terms = block * inputs / blocks..(block + 1) * inputs / blocks;
            let (weight, _) = S::as_simd_f32s(&panel[terms.start * PANEL..terms.end * PANEL]);
            let mut row = self.rows.start;
            while row < self.rows.end {
                row += match (self.rows.end - row).min(if S::REGISTER_COUNT >= 32 { ROWS } else { 4 }) {
                    1 => self.rows::<S, 1>(simd, weight, row, &terms),
                    2 => self.rows::<S, 2>(simd, weight, row, &terms),
                    3 => self.rows::<S, 3>(simd, weight, row, &terms),
                    4 => self.rows::<S, 4>(simd, weight, row, &terms),
                    5 => self.rows::<S, 5>(simd, weight, row, &terms),
                    6 => self.rows::<S, 6>(simd, weight, row, &terms),
                    7 => self.rows::<S, 7>(simd, weight, row, &terms),
                    _ => self.rows::<S, ROWS>(simd, weight, row, &terms),
                };
            }
        }
    }
}

impl Task<'_> {
    /// `N` rows from `row` on, over some terms; returns how many they are.
    #[inline(always)]
    fn rows<S: Simd, const N: usize>(
        &self,
        simd: S,
        weight: &[S::f32s],
        row: usize,
        terms: &Range<usize>,
    ) -> usize {
        let x: [&[f32]; N] = from_fn(|at| &self.x.row(row + at)[terms.clone()]);
        let mut sums = [0f32; ROWS * PANEL];
        let vectors = PANEL / S::F32_LANES;
        let mut first = 0;
        while first + 2 <= vectors {
            tile::<S, N, 2>(simd, x, weight, (vectors, first), &mut sums, PANEL, false);
            first += 2;
        }
        let column = self.panel * PANEL;
        let width = PANEL.min(self.weight.outputs - column);
        for (at, sums) in sums.chunks_exact(PANEL).take(N).enumerate() {
            // SAFETY: the rows and columns lie inside of the product, and only this task writes them.
            let place = unsafe { self.out.at(row + at, column) };
            if terms.start == 0 {
                // SAFETY: as above.
                unsafe { place.copy_from_nonoverlapping(sums.as_ptr(), width) };
            } else {
                // SAFETY: as above; the first terms have been written.
                let place = unsafe { self.out.piece(row + at, column, width) };
                place.iter_mut().zip(sums).for_each(|(place, sum)| *place += sum);
            }
        }
        N
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 7919 + seed) % 101) as f32 / 50.0 - 1.0).collect()
    }

    fn panels(k: usize, n: usize) -> (Panels, Vec<f32>) {
        let weight = numbers(n * k, 2);
        (Panels::new(&Tensor::from_slice(&weight, (n, k), &Device::Cpu).unwrap()).unwrap(), weight)
    }

    #[test]
    fn a_row_of_a_product_has_the_same_bits_whoever_is_beside_it() {
        for (k, n) in [(64, 16), (512, 8), (768, 768), (2048, 320), (1000, 65), (3000, 577)] {
            let (x, (weight, _)) = (numbers(600 * k, 1), panels(k, n));
            let multiplied =
                |first: usize, m: usize| weight.product(Rows::new(&x[first * k..], m, k, k), |_, _, _| {});
            let all = multiplied(0, 600);
            for (first, m) in
                [(0, 1), (7, 1), (3, 2), (0, 3), (5, 4), (11, 17), (2, 63), (1, 64), (4, 65), (80, 513)]
            {
                assert!(multiplied(first, m) == all[first * n..(first + m) * n], "{m} rows, {k} by {n}");
            }
        }
    }

    #[test]
    fn products_are_sums_of_products_and_every_piece_is_finished_once() {
        for (m, k, n, stride) in
            [(1, 3, 1, 3), (5, 4, 300, 2), (600, 7, 513, 3), (4, 2600, 9, 2600), (0, 3, 2, 3)]
        {
            let (x, (panels, weight)) = (numbers(m * stride + k, 1), panels(k, n));
            let finish = |row: usize, column: usize, piece: &mut [f32]| {
                for (at, y) in piece.iter_mut().enumerate() {
                    *y += (1000 * row + column + at) as f32;
                }
            };
            let want: Vec<f64> = (0..m * n)
                .map(|at| {
                    let (row, column) = (at / n, at % n);
                    let product: f64 = (0..k)
                        .map(|i| f64::from(x[row * stride + i]) * f64::from(weight[column * k + i]))
                        .sum();
                    product + (1000 * row + column) as f64
                })
                .collect();
            let got = panels.product(Rows::new(&x, m, k, stride), finish);
            assert_eq!(got.len(), want.len());
            let near = |(got, want): (&f32, &f64)| {
                (f64::from(*got) - want).abs() < 1e-5 + 1e-6 * (k as f64 + want.abs())
            };
            assert!(got.iter().zip(&want).all(near), "{m} {k} {n}");
        }
    }
}
