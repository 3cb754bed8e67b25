//! Matrix products on the CPU in f32, and what follows them, done to every tile while it is still in the cache.

use std::ops::Range;

use crate::vectorised::vectorised;
use gemm::{Parallelism, gemm};
use rayon::prelude::*;

use crate::cpu::Shared;
use crate::maps::{Filled, filled};

/// Columns of a tile: a thread's part of the weight fits its cache. On 2 cores with AVX-512, (400, 1024) times
/// (1024, 4096) runs at 455 GFLOP/s in such tiles, at 440 GFLOP/s when `gemm` divides the work.
const COLUMNS: usize = 256;

/// Rows of a tile: with its columns they fit the cache, too.
const ROWS: usize = 512;

/// Up to so many rows and columns `gemm` may take another way.
const FEW: usize = 64;

/// Rows of numbers at even distances. They may overlap, as the windows of a sequence do.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    numbers: &'a [f32],
    pub count: usize,
    pub width: usize,
    stride: usize,
}

impl<'a> Rows<'a> {
    pub fn new(numbers: &'a [f32], count: usize, width: usize, stride: usize) -> Self {
        assert!(count == 0 || (count - 1) * stride + width <= numbers.len(), "rows beyond their numbers");
        Self { numbers, count, width, stride }
    }

    /// The row of that number.
    #[inline(always)]
    pub fn row(&self, at: usize) -> &'a [f32] {
        &self.numbers[at * self.stride..][..self.width]
    }
}

/// A matrix (k, n) at any strides.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    numbers: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row after row.
    pub fn new(numbers: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(numbers, (rows, columns), (columns, 1))
    }

    pub fn strided(
        numbers: &'a [f32],
        (rows, columns): (usize, usize),
        (row_stride, column_stride): (usize, usize),
    ) -> Self {
        let last = rows.saturating_sub(1) * row_stride + columns.saturating_sub(1) * column_stride;
        assert!(rows * columns == 0 || last < numbers.len(), "a matrix beyond its numbers");
        Self { numbers, rows, columns, row_stride, column_stride }
    }
}

/// `x` (m, k) times `weight` (k, n) on all threads -> (m, n). `finish` gets every piece of a row of the product once,
/// with its row and its first column, as soon as it is there.
pub(crate) fn product(x: Rows, weight: Matrix, finish: impl Fn(usize, usize, &mut [f32]) + Sync) -> Vec<f32> {
    let columns = weight.columns;
    let tiles: Vec<_> = parts(columns, width(columns))
        .flat_map(|columns| parts(x.count, ROWS).map(move |rows| (rows, columns.clone())))
        .collect();
    let fill = |out: &mut Filled| {
        let out = Shared::new(out.as_mut_ptr().cast(), columns);
        tiles.par_iter().with_max_len(1).for_each(|(rows, columns)| {
            let size = (rows.len(), columns.len());
            // SAFETY: tiles lie inside of the product and do not overlap.
            unsafe { tile(x, weight, out, (rows.start, columns.start), size, &finish) };
        });
    };
    // SAFETY: the tiles cover the product.
    unsafe { filled(x.count * columns, fill) }
}

/// Columns of a tile of a product with so many: about [`COLUMNS`], such that every thread gets as many tiles.
fn width(columns: usize) -> usize {
    let threads = rayon::current_num_threads();
    let rounds = (columns + threads * COLUMNS / 2) / (threads * COLUMNS);
    let tiles = (rounds.max(1) * threads).min(columns / (2 * FEW)).max(1);
    columns.div_ceil(tiles).next_multiple_of(32)
}

/// Divides `count` into parts of `size`. A last one of up to `FEW` goes with the one before it: `gemm` divides and orders
/// the sums of small products in other ways, and a number must not depend on how many rows are computed beside it.
fn parts(count: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    let parts = (count.saturating_sub(FEW).div_ceil(size)).max(usize::from(count > 0));
    (0..parts).map(move |part| part * size..if part + 1 == parts { count } else { (part + 1) * size })
}

/// As [`product`], with whole rows for `finish`: for norms over a row. Tiles are `rows` high.
pub(crate) fn product_by_rows(
    x: Rows,
    weight: Matrix,
    rows: usize,
    finish: impl Fn(usize, usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let columns = weight.columns;
    let fill = |out: &mut Filled| {
        let out = Shared::new(out.as_mut_ptr().cast(), columns);
        (0..x.count.div_ceil(rows)).into_par_iter().with_max_len(1).for_each(|at| {
            let row = at * rows;
            // SAFETY: tiles lie inside of the product and do not overlap.
            unsafe { tile(x, weight, out, (row, 0), (rows.min(x.count - row), columns), &finish) };
        });
    };
    // SAFETY: the tiles cover the product.
    unsafe { filled(x.count * columns, fill) }
}

/// One tile of a product: `rows` by `columns` from (`row`, `column`) on.
///
/// # Safety
/// The tile lies inside of `out`, and no other thread has a part of it.
unsafe fn tile(
    x: Rows,
    weight: Matrix,
    out: Shared,
    (row, column): (usize, usize),
    (rows, columns): (usize, usize),
    finish: &impl Fn(usize, usize, &mut [f32]),
) {
    let x = Rows::new(&x.numbers[row * x.stride..], rows, x.width, x.stride);
    let part = Matrix { numbers: &weight.numbers[column * weight.column_stride..], columns, ..weight };
    if rows == 1 {
        // Twice the same row: `gemm` has a kernel for single rows that adds in another order.
        let mut twice = vec![0f32; 2 * columns];
        // SAFETY: the rows are those of `twice`; the rest is the caller's promise.
        unsafe {
            multiply(Rows { count: 2, stride: 0, ..x }, part, twice.as_mut_ptr(), columns);
            out.at(row, column).copy_from_nonoverlapping(twice.as_ptr(), columns);
        }
    } else {
        // SAFETY: the caller's promise.
        unsafe { multiply(x, part, out.at(row, column), out.stride()) };
    }
    vectorised(
        #[inline(always)]
        || {
            for row in row..row + rows {
                // SAFETY: the caller's promise, and the product has been written.
                finish(row, column, unsafe { out.piece(row, column, columns) });
            }
        },
    );
}

/// `x` (m, k) times `weight` (k, n) on this thread, written to rows at `stride` from `out` on.
///
/// # Safety
/// The m rows of n numbers at `out` may be written, and no other thread has a part of them.
pub(crate) unsafe fn multiply(x: Rows, weight: Matrix, out: *mut f32, stride: usize) {
    assert_eq!(x.width, weight.rows, "the inner dimensions of a product");
    // SAFETY: `Rows` and `Matrix` have checked their bounds when they were made, the caller promises those of `out`.
    unsafe {
        gemm(
            x.count,
            weight.columns,
            x.width,
            out,
            1,
            stride as isize,
            false,
            x.numbers.as_ptr(),
            1,
            x.stride as isize,
            weight.numbers.as_ptr(),
            weight.column_stride as isize,
            weight.row_stride as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_everything_and_none_behind_the_first_is_small() {
        assert_eq!(parts(0, 256).count(), 0);
        for count in [1, 255, 256, 320, 321, 512, 576, 577, 32_001] {
            let all: Vec<_> = parts(count, 256).collect();
            assert!(all.iter().skip(1).all(|part| part.len() > FEW), "{all:?}");
            assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start) && all[0].start == 0);
            assert_eq!(all.last().unwrap().end, count);
        }
    }

    #[test]
    fn a_row_of_a_product_has_the_same_bits_whoever_is_beside_it() {
        for (k, n) in [(64, 16), (512, 8), (768, 768), (2048, 320), (1000, 65), (3000, 577)] {
            let (x, weight) = (numbers(600 * k, 1), numbers(k * n, 2));
            let multiplied = |first: usize, m: usize| {
                product(Rows::new(&x[first * k..], m, k, k), Matrix::new(&weight, k, n), |_, _, _| {})
            };
            let all = multiplied(0, 600);
            for (first, m) in
                [(0, 1), (7, 1), (3, 2), (0, 3), (5, 4), (11, 17), (2, 63), (1, 64), (4, 65), (80, 513)]
            {
                assert!(multiplied(first, m) == all[first * n..(first + m) * n], "{m} rows, {k} by {n}");
            }
        }
    }

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 7919 + seed) % 101) as f32 / 50.0 - 1.0).collect()
    }

    #[test]
    fn products_are_sums_of_products_and_every_piece_is_finished_once() {
        for (m, k, n, stride) in
            [(1, 3, 1, 3), (5, 4, 300, 2), (600, 7, 513, 3), (4, 600, 9, 600), (0, 3, 2, 3)]
        {
            let (x, weight) = (numbers(m * stride + k, 1), numbers(k * n, 2));
            let rows = Rows::new(&x, m, k, stride);
            let finish = |row: usize, column: usize, piece: &mut [f32]| {
                for (at, y) in piece.iter_mut().enumerate() {
                    *y += (1000 * row + column + at) as f32;
                }
            };
            let want: Vec<f32> = (0..m * n)
                .map(|at| {
                    let (row, column) = (at / n, at % n);
                    let product: f32 = (0..k).map(|i| x[row * stride + i] * weight[i * n + column]).sum();
                    product + (1000 * row + column) as f32
                })
                .collect();
            for got in [
                product(rows, Matrix::new(&weight, k, n), finish),
                product_by_rows(rows, Matrix::new(&weight, k, n), 100, finish),
            ] {
                assert_eq!(got.len(), want.len());
                let near = |(got, want): (&f32, &f32)| (got - want).abs() < 1e-3 + 1e-6 * want.abs();
                assert!(got.iter().zip(&want).all(near), "{m} {k} {n}");
            }
        }
    }
}
