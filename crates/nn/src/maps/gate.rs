//! Maps times gates.

use crate::vectorised::vectorised;
use candle_core::{D, Result, Tensor};
use rayon::prelude::*;

use super::{Filled, View, filled, larger, on_cpu, places, readable, relu};

/// Multiplies channels by `gate` (b, c), and pools what comes out over channels: (b, h, w, c) -> the product
/// (b, h, w, c), and (b, h, w, 2): maximum and mean of each place.
pub fn scale_channels(x: &Tensor, gate: &Tensor) -> Result<(Tensor, Tensor)> {
    if !on_cpu(x) {
        let y = x.broadcast_mul(&gate.unsqueeze(1)?.unsqueeze(1)?)?;
        let pooled = Tensor::cat(&[y.max_keepdim(D::Minus1)?, y.mean_keepdim(D::Minus1)?], 3)?;
        return Ok((y, pooled));
    }
    let (b, h, w, c) = x.dims4()?;
    let (x_read, gate_read) = (readable(x)?, readable(&gate.reshape((b, 1, 1, c))?)?);
    let ((x_storage, x_layout), (gate_storage, gate_layout)) =
        (x_read.storage_and_layout(), gate_read.storage_and_layout());
    let (view, gate) = (View::new(&x_storage, x_layout)?, View::new(&gate_storage, gate_layout)?);
    let row = |index: usize, out: &mut Filled, pooled: &mut [f32]| {
        let (map, y) = (index / h, index % h);
        let gate = gate.at(map, 0, 0);
        for (column, (out, pooled)) in out.chunks_exact_mut(c).zip(pooled.chunks_exact_mut(2)).enumerate() {
            let place = view.at(map, y, column);
            out.iter_mut().zip(place.iter().zip(gate)).for_each(|(out, (x, gate))| {
                out.write(x * gate);
            });
            // SAFETY: written on the line above, c numbers from c numbers.
            (pooled[0], pooled[1]) = max_and_mean(unsafe { out.assume_init_ref() });
        }
    };
    let mut pooled = vec![0f32; b * h * w * 2];
    // SAFETY: every row of the product is written by its own call.
    let product = unsafe {
        filled(b * h * w * c, |out| {
            let rows = out.par_chunks_exact_mut(w * c).zip(pooled.par_chunks_exact_mut(w * 2)).enumerate();
            let rows = rows.with_min_len(h);
            rows.for_each(|(index, (out, pooled))| {
                vectorised(
                    #[inline(always)]
                    || row(index, out, pooled),
                );
            });
        })
    };
    let product = Tensor::from_vec(product, (b, h, w, c), x.device())?.to_dtype(x.dtype())?;
    Ok((product, Tensor::from_vec(pooled, (b, h, w, 2), x.device())?.to_dtype(x.dtype())?))
}

/// Sums and maxima run side by side in lanes: a fold over single numbers would wait for each addition.
#[inline(always)]
fn max_and_mean(x: &[f32]) -> (f32, f32) {
    const LANES: usize = 32;
    let (mut tops, mut sums) = ([f32::NEG_INFINITY; LANES], [0f32; LANES]);
    let mut blocks = x.chunks_exact(LANES);
    for block in &mut blocks {
        for lane in 0..LANES {
            tops[lane] = larger(tops[lane], block[lane]);
            sums[lane] += block[lane];
        }
    }
    let rest = blocks.remainder();
    let top = tops.iter().chain(rest).fold(f32::NEG_INFINITY, |top, &x| larger(top, x));
    (top, sums.iter().chain(rest).sum::<f32>() / x.len() as f32)
}

/// ReLU(x * gate + residual), with a gate (b, h, w, 1) for each place: (b, h, w, c) -> (b, h, w, c).
pub fn scale_places(x: &Tensor, gate: &Tensor, residual: &Tensor) -> Result<Tensor> {
    if !on_cpu(x) {
        return crate::relu::relu(&(x.broadcast_mul(gate)? + residual)?);
    }
    let (x_read, gate_read, residual_read) = (readable(x)?, readable(gate)?, readable(residual)?);
    let ((x_storage, x_layout), (gate_storage, gate_layout), (residual_storage, residual_layout)) =
        (x_read.storage_and_layout(), gate_read.storage_and_layout(), residual_read.storage_and_layout());
    let view = View::new(&x_storage, x_layout)?;
    let gate = View::new(&gate_storage, gate_layout)?;
    let residual = View::new(&residual_storage, residual_layout)?;
    let (b, h, w, _) = view.dims;
    if residual.dims != view.dims || gate.dims != (b, h, w, 1) {
        candle_core::bail!("maps {:?}, gates {:?} and residuals {:?}", view.dims, gate.dims, residual.dims);
    }
    let gated = |map, y, column, out: &mut Filled| {
        let gate = gate.at(map, y, column)[0];
        let pairs = view.at(map, y, column).iter().zip(residual.at(map, y, column));
        out.iter_mut().zip(pairs).for_each(|(out, (x, residual))| {
            out.write(relu(x * gate + residual));
        });
    };
    // SAFETY: maps and residuals are of one shape, as checked above.
    let numbers = unsafe { places(view.dims, gated) };
    Tensor::from_vec(numbers, view.dims, x.device())?.to_dtype(x.dtype())
}
