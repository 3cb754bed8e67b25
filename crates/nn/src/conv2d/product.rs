//! The product of windows and a panel of weights.

use std::array::from_fn;

use pulp::{Simd, WithSimd};

/// Rows of windows come in multiples of this.
pub const ROWS: usize = 8;

/// `sums` = or += windows times weights. Each product is one chain of multiplications and additions over the terms in
/// order, so that it does not depend on what is computed beside it; adding it to the sum only then keeps errors small.
///
/// With both operands in order nothing is packed and every accumulator stays in a register: 250 to 260 GFLOP/s on a
/// core (Zen 5, AVX-512) where `gemm` gives the same operands 113 to 134.
pub struct Product<'a> {
    /// (rows, terms), rows a multiple of [`ROWS`]
    pub windows: &'a [f32],
    /// (terms, width)
    pub weight: &'a [f32],
    /// A multiple of 16.
    pub width: usize,
    /// Rows of `stride` numbers; `width` of each are written.
    pub sums: &'a mut [f32],
    /// Between rows of `sums`.
    pub stride: usize,
    /// Whether to add to what is there.
    pub add: bool,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // All accumulators in registers: 16 of 32, or 8 of 16.
        if S::REGISTER_COUNT >= 32 { self.run::<S, ROWS>(simd) } else { self.run::<S, 4>(simd) }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn run<S: Simd, const N: usize>(self, simd: S) {
        let Self { windows, weight, width, sums, stride, add } = self;
        let terms = weight.len() / width;
        let (weight, _) = S::as_simd_f32s(weight);
        let vectors = width / S::F32_LANES;
        for (windows, sums) in windows.chunks_exact(N * terms).zip(sums.chunks_mut(N * stride)) {
            let windows: [&[f32]; N] = from_fn(|row| &windows[row * terms..][..terms]);
            let mut first = 0;
            while first + 2 <= vectors {
                tile::<S, N, 2>(simd, windows, weight, (vectors, first), sums, stride, add);
                first += 2;
            }
            if first < vectors {
                tile::<S, N, 1>(simd, windows, weight, (vectors, first), sums, stride, add);
            }
        }
    }
}

/// `N` rows times `V` vectors of columns, the vectors from `first` of `vectors` in a row of weights.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "iterators over the totals would take their address")]
pub(crate) fn tile<S: Simd, const N: usize, const V: usize>(
    simd: S,
    windows: [&[f32]; N],
    weight: &[S::f32s],
    (vectors, first): (usize, usize),
    sums: &mut [f32],
    stride: usize,
    add: bool,
) {
    // Plain loops over single vectors: closures are not compiled for the instruction set around them, and slices of
    // the totals, or a panic on the way, would force them into memory.
    let lanes = S::F32_LANES;
    let terms = windows[0].len();
    assert!(weight.len() == terms * vectors && first + V <= vectors);
    assert!(windows.iter().all(|window| window.len() == terms));
    let mut totals = [[simd.splat_f32s(0.); V]; N];
    for term in 0..terms {
        for row in 0..N {
            // SAFETY: all windows have as many numbers as there are terms, as asserted.
            let x = simd.splat_f32s(unsafe { *windows[row].get_unchecked(term) });
            for at in 0..V {
                // SAFETY: there is a row of weights for each term, and these columns are in it, as asserted.
                let weight = unsafe { *weight.get_unchecked(term * vectors + first + at) };
                totals[row][at] = simd.mul_add_f32s(x, weight, totals[row][at]);
            }
        }
    }
    for row in 0..N {
        let (sums, _) = S::as_mut_simd_f32s(&mut sums[row * stride + first * lanes..][..V * lanes]);
        for at in 0..V {
            sums[at] = if add { simd.add_f32s(sums[at], totals[row][at]) } else { totals[row][at] };
        }
    }
}
