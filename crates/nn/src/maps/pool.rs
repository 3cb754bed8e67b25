//! Maxima and means over places.

use crate::vectorised::vectorised;
use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::{Filled, Pending, View, card, larger, on_cpu, places, readable};
use crate::kernels;

/// (b, c, h, w) -> (b, h, w, c), contiguous; on a card as a view, since convolutions read it there where it lies.
pub fn channels_last(x: &Tensor) -> Result<Tensor> {
    if kernels::take(x) {
        return x.permute((0, 2, 3, 1));
    }
    if !on_cpu(x) {
        return x.permute((0, 2, 3, 1))?.contiguous();
    }
    let numbers = readable(x)?;
    let (storage, layout) = numbers.storage_and_layout();
    let view = View::new(&storage, layout)?;
    let (b, c, h, w) = view.dims;
    let turned = |map, row, column: usize, out: &mut Filled| {
        for (channel, out) in out.iter_mut().enumerate() {
            out.write(view.at(map, channel, row)[column]);
        }
    };
    // SAFETY: all that is given is written.
    let numbers = unsafe { places((b, h, w, c), turned) };
    Tensor::from_vec(numbers, (b, h, w, c), x.device())?.to_dtype(x.dtype())
}

/// Maxima over `kernel` x `kernel` places, every `stride`-th: (b, h, w, c) -> (b, h / stride, w / stride, c), rounded
/// up. The kernel is odd; at the border it sees fewer places. `x` is the output of a ReLU: nothing is below zero.
pub fn max_pool(x: &Pending, kernel: usize, stride: usize) -> Result<Tensor> {
    let pad = kernel / 2;
    if kernels::take(&x.maps) {
        return card::max_pool(x, kernel, stride, pad);
    }
    let x = x.ready()?;
    if !on_cpu(x) {
        // Nothing is below zero, so zeros pad a maximum as well as -inf does.
        let x = x.permute((0, 3, 1, 2))?.pad_with_zeros(2, pad, pad)?.pad_with_zeros(3, pad, pad)?;
        return channels_last(&x.max_pool2d_with_stride(kernel, stride)?);
    }
    let numbers = readable(x)?;
    let (storage, layout) = numbers.storage_and_layout();
    let view = View::new(&storage, layout)?;
    let (b, h, w, c) = view.dims;
    let (rows, columns) = (h.div_ceil(stride), w.div_ceil(stride));
    let near = |at: usize, size: usize| at.saturating_sub(pad)..(at + pad + 1).min(size);
    let best = |map, row, column, out: &mut Filled| {
        let mut places = near(row * stride, h).flat_map(|y| near(column * stride, w).map(move |x| (y, x)));
        let (y, x) = places.next().expect("a window never lies outside");
        let out = out.write_copy_of_slice(view.at(map, y, x));
        for (y, x) in places {
            out.iter_mut().zip(view.at(map, y, x)).for_each(|(best, &x)| *best = larger(*best, x));
        }
    };
    // SAFETY: the first place of a window has as many channels.
    let numbers = unsafe { places((b, rows, columns, c), best) };
    Tensor::from_vec(numbers, (b, rows, columns, c), x.device())?.to_dtype(x.dtype())
}

/// The largest of every four neighbours, on a card: (b, h, w, c) -> (b, h / 2, w / 2, c). `None` where no card takes `x`.
pub fn halved(x: &Tensor) -> Result<Option<Tensor>> {
    kernels::take(x).then(|| card::max_pool(&x.clone().into(), 2, 2, 0)).transpose()
}

/// Means over places: (b, h, w, c) -> (b, c). On a card also over maps in groups: (groups, b, h, w, c) -> (b, c).
pub fn mean(x: &Tensor) -> Result<Tensor> {
    if kernels::take(x) {
        return card::mean(x);
    }
    if on_cpu(x) { reduce(x, false)?.narrow(0, 0, 1)?.squeeze(0) } else { x.flatten(1, 2)?.mean(1) }
}

/// Means and maxima over places: (b, h, w, c) -> (2, b, c).
pub fn mean_and_max(x: &Tensor) -> Result<Tensor> {
    if on_cpu(x) {
        return reduce(x, true);
    }
    let places = x.flatten(1, 2)?; // (b, h w, c)
    Tensor::stack(&[places.mean(1)?, places.max(1)?], 0)
}

/// Means and, if asked for, maxima: (2 or 1, b, c).
fn reduce(x: &Tensor, maxima: bool) -> Result<Tensor> {
    let numbers = readable(x)?;
    let (storage, layout) = numbers.storage_and_layout();
    let view = View::new(&storage, layout)?;
    let (b, h, w, c) = view.dims;
    let mut out = vec![0f32; (1 + usize::from(maxima)) * b * c];
    let (means, tops) = out.split_at_mut(b * c);
    let places = || (0..h).flat_map(|y| (0..w).map(move |x| (y, x)));
    let sum = |(map, out): (usize, &mut [f32])| {
        vectorised(
            #[inline(always)]
            || {
                for (y, x) in places() {
                    out.iter_mut().zip(view.at(map, y, x)).for_each(|(sum, x)| *sum += x);
                }
                out.iter_mut().for_each(|sum| *sum /= (h * w) as f32);
            },
        );
    };
    let top = |(map, out): (usize, &mut [f32])| {
        vectorised(
            #[inline(always)]
            || {
                out.copy_from_slice(view.at(map, 0, 0));
                for (y, x) in places() {
                    out.iter_mut().zip(view.at(map, y, x)).for_each(|(best, &x)| *best = larger(*best, x));
                }
            },
        );
    };
    rayon::join(
        || means.par_chunks_exact_mut(c).enumerate().for_each(sum),
        || tops.par_chunks_exact_mut(c).enumerate().for_each(top),
    );
    Tensor::from_vec(out, (1 + usize::from(maxima), b, c), x.device())?.to_dtype(x.dtype())
}
