//! Matrices in panels of columns, and their products: what every product of a backward pass reads in order, whichever of
//! its operands is turned.

use pulp::{Arch, Simd, WithSimd};

/// Columns of a panel: two of the widest registers.
pub(super) const WIDTH: usize = 32;

/// Columns of a panel of what belongs to queries, which are few.
pub(super) const NARROW: usize = 16;

/// Rows that are multiplied together, at most. Rows of panels come in multiples of it.
pub(super) const ROWS: usize = 8;

/// A matrix in panels of [`WIDTH`] columns, (panels, rows, WIDTH), filled up with zeros.
#[derive(Debug, Default)]
pub(super) struct Panelled {
    numbers: Vec<f32>,
    rows: usize,
}

impl Panelled {
    /// Room for so many rows and columns, of any content where there was some before.
    pub fn resize(&mut self, rows: usize, columns: usize) {
        self.rows = rows.next_multiple_of(ROWS);
        self.numbers.resize(self.rows * columns.next_multiple_of(WIDTH), 0.0);
    }

    /// A matrix of rows side by side. There are rows of zeros up to a multiple of [`WIDTH`].
    pub fn new(numbers: &[f32], columns: usize) -> Self {
        let mut panelled = Self::default();
        panelled.resize((numbers.len() / columns).next_multiple_of(WIDTH), columns);
        let size = panelled.rows * WIDTH;
        for (row, numbers) in numbers.chunks_exact(columns).enumerate() {
            for (panel, numbers) in panelled.numbers.chunks_exact_mut(size).zip(numbers.chunks(WIDTH)) {
                panel[row * WIDTH..][..numbers.len()].copy_from_slice(numbers);
            }
        }
        panelled
    }

    /// The transpose of a matrix of rows side by side, as [`Self::new`].
    pub fn turned(numbers: &[f32], columns: usize) -> Self {
        let mut panelled = Self::default();
        panelled.resize(columns.next_multiple_of(WIDTH), numbers.len() / columns);
        for (row, numbers) in numbers.chunks_exact(columns).enumerate() {
            let panel = &mut panelled.numbers[row / WIDTH * panelled.rows * WIDTH..];
            let places = panel[row % WIDTH..].iter_mut().step_by(WIDTH);
            places.zip(numbers).for_each(|(place, number)| *place = *number);
        }
        panelled
    }

    /// Rows of each panel.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of all panels.
    pub fn columns(&self) -> usize {
        self.panels() * WIDTH
    }

    pub fn panels(&self) -> usize {
        self.numbers.len() / (self.rows * WIDTH)
    }

    /// (rows, WIDTH)
    pub fn panel(&self, at: usize) -> &[f32] {
        &self.numbers[at * self.rows * WIDTH..][..self.rows * WIDTH]
    }

    /// (rows, WIDTH)
    pub fn panel_mut(&mut self, at: usize) -> &mut [f32] {
        &mut self.numbers[at * self.rows * WIDTH..][..self.rows * WIDTH]
    }

    /// (panels, rows, WIDTH)
    pub fn numbers(&self) -> &[f32] {
        &self.numbers
    }

    /// (panels, rows, WIDTH)
    pub fn numbers_mut(&mut self) -> &mut [f32] {
        &mut self.numbers
    }
}

/// `sums` (rows, B) = or += `a` (rows, terms) in panels of `A` columns, times `b` (terms, B). Each number is one chain of
/// multiplications and additions in the order of the terms.
///
/// `terms` is a multiple of `A`, or less than `A`. `rows`, of `a` and of `sums`, is a multiple of [`ROWS`].
pub(super) fn rows_times<const A: usize, const B: usize>(
    (a, terms): (&[f32], usize),
    b: &[f32],
    sums: &mut [f32],
    add: bool,
) {
    let rows = sums.len() / B;
    let walk = Walk { blocks: terms.div_ceil(A), block: rows * A, terms: terms.min(A) };
    Arch::new().dispatch(Product::<1, A, B> { a, walk, b, sums, add });
}

/// `sums` (columns, B) = or += the transpose of the first columns of the panel `a` (terms, A), times `b` (terms, B). As
/// [`rows_times`]. `columns` is a multiple of [`ROWS`].
pub(super) fn columns_times<const A: usize, const B: usize>(
    a: &[f32],
    b: &[f32],
    sums: &mut [f32],
    add: bool,
) {
    let walk = Walk { blocks: 1, block: 0, terms: b.len() / B };
    Arch::new().dispatch(Product::<A, 1, B> { a, walk, b, sums, add });
}

/// Where the terms of a row of `a` lie: `blocks` at a distance of `block`, each of `terms` at the distance of the product.
#[derive(Clone, Copy)]
struct Walk {
    blocks: usize,
    block: usize,
    terms: usize,
}

/// A product of which terms of `a` lie `TERM` apart, and rows `ROW`.
struct Product<'a, const TERM: usize, const ROW: usize, const B: usize> {
    a: &'a [f32],
    walk: Walk,
    b: &'a [f32],
    sums: &'a mut [f32],
    add: bool,
}

impl<const TERM: usize, const ROW: usize, const B: usize> WithSimd for Product<'_, TERM, ROW, B> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // All accumulators in registers: 16 of 32, or 8 of 16.
        if S::REGISTER_COUNT >= 32 { self.run::<S, ROWS>(simd) } else { self.run::<S, { ROWS / 2 }>(simd) }
    }
}

impl<const TERM: usize, const ROW: usize, const B: usize> Product<'_, TERM, ROW, B> {
    #[inline(always)]
    fn run<S: Simd, const N: usize>(self, simd: S) {
        let Self { a, walk, b, sums, add } = self;
        let (b, _) = S::as_simd_f32s(b);
        let vectors = B / S::F32_LANES;
        for (block, sums) in sums.chunks_exact_mut(N * B).enumerate() {
            let a = &a[block * N * ROW..];
            let mut first = 0;
            while first + 2 <= vectors {
                tile::<S, N, 2, TERM, ROW, B>(simd, (a, walk), (b, first), sums, add);
                first += 2;
            }
            if first < vectors {
                tile::<S, N, 1, TERM, ROW, B>(simd, (a, walk), (b, first), sums, add);
            }
        }
    }
}

/// `N` rows times `V` vectors of columns, from vector `first` on.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "iterators over the totals would take their address")]
fn tile<S: Simd, const N: usize, const V: usize, const TERM: usize, const ROW: usize, const B: usize>(
    simd: S,
    (a, walk): (&[f32], Walk),
    (b, first): (&[S::f32s], usize),
    sums: &mut [f32],
    add: bool,
) {
    // Plain loops over single vectors, as in the convolutions' product: the totals stay in registers.
    let (lanes, vectors) = (S::F32_LANES, B / S::F32_LANES);
    let Walk { blocks, block, terms } = walk;
    assert!(blocks * terms == 0 || (blocks - 1) * block + (terms - 1) * TERM + (N - 1) * ROW < a.len());
    assert!(b.len() >= blocks * terms * vectors && first + V <= vectors);
    let mut totals = [[simd.splat_f32s(0.); V]; N];
    for at in 0..blocks {
        for term in 0..terms {
            let place = at * block + term * TERM;
            let weights = (at * terms + term) * vectors + first;
            for row in 0..N {
                // SAFETY: the last place of all is inside of `a`, as asserted.
                let x = simd.splat_f32s(unsafe { *a.get_unchecked(place + row * ROW) });
                for vector in 0..V {
                    // SAFETY: `b` has all terms, as asserted.
                    let weight = unsafe { *b.get_unchecked(weights + vector) };
                    totals[row][vector] = simd.mul_add_f32s(x, weight, totals[row][vector]);
                }
            }
        }
    }
    for row in 0..N {
        let (sums, _) = S::as_mut_simd_f32s(&mut sums[row * B + first * lanes..][..V * lanes]);
        for vector in 0..V {
            let total = totals[row][vector];
            sums[vector] = if add { simd.add_f32s(sums[vector], total) } else { total };
        }
    }
}
