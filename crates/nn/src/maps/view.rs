//! Numbers of tensors on the CPU.

use crate::vectorised::vectorised;
use std::mem::MaybeUninit;

use candle_core::{DType, Layout, Result, Storage, Tensor, bail};
use rayon::prelude::*;

/// Whether the kernels for the CPU take `x`.
pub(crate) fn on_cpu(x: &Tensor) -> bool {
    x.device().is_cpu()
}

/// `x` in f32 with its channels side by side, copied only where it is not like that.
pub(crate) fn readable(x: &Tensor) -> Result<Tensor> {
    let x = x.to_dtype(DType::F32)?;
    match (x.dims().last(), x.stride().last()) {
        (Some(&channels), Some(&stride)) if channels > 1 && stride != 1 => x.contiguous(),
        _ => Ok(x),
    }
}

/// Maps to read, rows and columns at any distance, channels side by side.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    numbers: &'a [f32],
    /// Between maps, rows and columns.
    strides: [usize; 3],
    /// (b, h, w, c)
    pub dims: (usize, usize, usize, usize),
}

impl<'a> View<'a> {
    /// What [`readable`] gave.
    pub fn new(storage: &'a Storage, layout: &Layout) -> Result<Self> {
        let Storage::Cpu(storage) = storage else { bail!("a map on another device than the CPU") };
        let dims = layout.shape().dims4()?;
        if layout.shape().elem_count() == 0 {
            bail!("an empty map {dims:?}");
        }
        let strides = [layout.stride()[0], layout.stride()[1], layout.stride()[2]];
        Ok(Self { numbers: &storage.as_slice::<f32>()?[layout.start_offset()..], strides, dims })
    }

    /// The channels of one place.
    #[inline(always)]
    pub fn at(&self, map: usize, row: usize, column: usize) -> &'a [f32] {
        &self.numbers[self.offset(map, row, column)..][..self.dims.3]
    }

    /// `count` places of one row, if they lie side by side.
    #[inline(always)]
    pub fn run(&self, map: usize, row: usize, column: usize, count: usize) -> Option<&'a [f32]> {
        let start = self.offset(map, row, column);
        (self.strides[2] == self.dims.3).then(|| &self.numbers[start..][..count * self.dims.3])
    }

    fn offset(&self, map: usize, row: usize, column: usize) -> usize {
        map * self.strides[0] + row * self.strides[1] + column * self.strides[2]
    }
}

/// Runs `work`, a chain of many small steps, on a thread of the pool that the steps hand their parts to: handing over
/// from outside of the pool would wake it up and wait for it at every step.
pub fn in_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::scope(|_| work())
}

/// Numbers that are worth a task of their own.
const TASK: usize = 1 << 14;

/// Memory that is about to be filled.
pub(crate) type Filled = [MaybeUninit<f32>];

/// A vector that `fill` writes, so that memory is not cleared first.
///
/// # Safety
/// `fill` must write every number.
pub(crate) unsafe fn filled(len: usize, fill: impl FnOnce(&mut Filled)) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(len);
    fill(&mut numbers.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is there, and the caller promises that `fill` wrote all of it.
    unsafe { numbers.set_len(len) };
    numbers
}

/// New maps, contiguous: `place` gets the numbers of a map, a row and a column, and writes the channels there.
///
/// # Safety
/// `place` must write every number that it is given.
#[inline(always)]
pub(crate) unsafe fn places(
    (b, h, w, c): (usize, usize, usize, usize),
    place: impl Fn(usize, usize, usize, &mut Filled) + Sync,
) -> Vec<f32> {
    let row = |(index, out): (usize, &mut Filled)| {
        vectorised(
            #[inline(always)]
            || {
                for (column, out) in out.chunks_exact_mut(c).enumerate() {
                    place(index / h, index % h, column, out);
                }
            },
        );
    };
    let fill = |out: &mut Filled| {
        let rows = out.par_chunks_exact_mut(w * c).enumerate().with_min_len(TASK / (w * c) + 1);
        rows.for_each(row);
    };
    // SAFETY: rows cover all numbers, and the caller promises the rest.
    unsafe { filled(b * h * w * c, fill) }
}
