//! Products with a quantised weight.

use crate::vectorised::vectorised;
use gemm::{Parallelism, gemm};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::formats::Format;

/// Up to so many rows of activations every restored number is used at once, while it is in a register.
const FEW: usize = 8;
/// Numbers restored at a time: they stay in the first cache.
const STRIPE: usize = 256;
/// Outputs of a task.
const PANEL: usize = 64;

/// Blocks of (outputs, inputs), row after row.
#[derive(Clone, Copy)]
pub(super) struct Weight<'w> {
    pub bytes: &'w [u8],
    pub format: Format,
    pub inputs: usize,
}

/// `x` (rows, inputs) times the weight: (outputs, rows).
pub(super) fn product(x: &[f32], weight: Weight) -> Vec<f32> {
    let rows = x.len() / weight.inputs;
    let outputs = weight.bytes.len() / weight.format.bytes(weight.inputs);
    let mut out = vec![0f32; outputs * rows];
    if rows == 0 {
        return out;
    }
    let panel = PANEL * weight.format.bytes(weight.inputs);
    let panels = out.par_chunks_mut(PANEL * rows).zip(weight.bytes.par_chunks(panel));
    if rows <= FEW {
        panels.for_each(|(out, bytes)| {
            Arch::new().dispatch(Few { x, weight: Weight { bytes, ..weight }, out });
        });
    } else {
        panels.for_each_init(Vec::new, |restored, (out, bytes)| {
            many(x, Weight { bytes, ..weight }, restored, out);
        });
    }
    out
}

/// A panel for few rows: dot products with numbers that are restored on the way.
struct Few<'p> {
    x: &'p [f32],
    weight: Weight<'p>,
    out: &'p mut [f32],
}

impl WithSimd for Few<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, weight, out } = self;
        let rows = x.len() / weight.inputs;
        let size = weight.format.bytes(weight.inputs);
        for (out, blocks) in out.chunks_exact_mut(rows).zip(weight.bytes.chunks_exact(size)) {
            match rows {
                1 => dots::<S, 1>(simd, x, weight, blocks, out),
                2 => dots::<S, 2>(simd, x, weight, blocks, out),
                3 => dots::<S, 3>(simd, x, weight, blocks, out),
                4 => dots::<S, 4>(simd, x, weight, blocks, out),
                5 => dots::<S, 5>(simd, x, weight, blocks, out),
                6 => dots::<S, 6>(simd, x, weight, blocks, out),
                7 => dots::<S, 7>(simd, x, weight, blocks, out),
                _ => dots::<S, FEW>(simd, x, weight, blocks, out),
            }
        }
    }
}

#[inline(always)]
fn dots<S: Simd, const ROWS: usize>(simd: S, x: &[f32], weight: Weight, blocks: &[u8], out: &mut [f32]) {
    let mut sums = [simd.splat_f32s(0.0); ROWS];
    let mut rest = [0f32; ROWS];
    let mut restored = [0f32; STRIPE];
    let stripe = weight.format.bytes(STRIPE);
    for (at, blocks) in blocks.chunks(stripe).enumerate() {
        let first = at * STRIPE;
        let restored = &mut restored[..STRIPE.min(weight.inputs - first)];
        weight.format.restore(blocks, restored);
        let (numbers, tail) = S::as_simd_f32s(restored);
        let x: [_; ROWS] =
            std::array::from_fn(|row| S::as_simd_f32s(&x[row * weight.inputs + first..][..restored.len()]));
        for (lane, &numbers) in numbers.iter().enumerate() {
            for row in 0..ROWS {
                sums[row] = simd.mul_add_e_f32s(x[row].0[lane], numbers, sums[row]);
            }
        }
        for (rest, (_, x)) in rest.iter_mut().zip(x) {
            *rest += x.iter().zip(tail).map(|(x, number)| x * number).sum::<f32>();
        }
    }
    for (out, (sums, rest)) in out.iter_mut().zip(sums.into_iter().zip(rest)) {
        *out = simd.reduce_sum_f32s(sums) + rest;
    }
}

/// A panel for many rows: restored as a whole, then one matrix product.
fn many(x: &[f32], weight: Weight, restored: &mut Vec<f32>, out: &mut [f32]) {
    let rows = x.len() / weight.inputs;
    let outputs = out.len() / rows;
    restored.resize(outputs * weight.inputs, 0.0);
    vectorised(
        #[inline(always)]
        || weight.format.restore(weight.bytes, restored),
    );
    let (inputs, stride) = (weight.inputs, weight.inputs as isize);
    // SAFETY: `out` holds (outputs, rows), `restored` (outputs, inputs) and `x` (rows, inputs), read as its transpose;
    // all are row after row and as long as that.
    unsafe {
        gemm(
            outputs,
            rows,
            inputs,
            out.as_mut_ptr(),
            1,
            rows as isize,
            false,
            restored.as_ptr(),
            1,
            stride,
            x.as_ptr(),
            stride,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
