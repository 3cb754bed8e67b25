//! Numbers of tensors on the CPU, for kernels that read and write them without candle.

use std::ops::Deref;

use candle_core::{DType, Result, Storage, Tensor, bail};

use crate::kernels;

/// Whether the kernels for the CPU take `x`: f32 on the CPU. For everything else there are those for cards, or layers are
/// composed of candle's operations.
pub(crate) fn takes(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32 && !kernels::emulating()
}

/// The numbers of a contiguous tensor in f32 on the CPU, in order.
pub(crate) struct Numbers<'t> {
    /// A read lock, whose type candle does not export.
    storage: Box<dyn Deref<Target = Storage> + Sync + 't>,
    start: usize,
    len: usize,
}

impl<'t> Numbers<'t> {
    pub fn of(x: &'t Tensor) -> Result<Self> {
        if !x.device().is_cpu() || x.dtype() != DType::F32 || !x.is_contiguous() {
            bail!(
                "a kernel for contiguous f32 on the CPU got {:?} on {:?}",
                x.dtype(),
                x.device().location()
            );
        }
        let (storage, layout) = x.storage_and_layout();
        Ok(Self {
            start: layout.start_offset(),
            len: layout.shape().elem_count(),
            storage: Box::new(storage),
        })
    }
}

impl Deref for Numbers<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &**self.storage {
            Storage::Cpu(candle_core::CpuStorage::F32(numbers)) => &numbers[self.start..][..self.len],
            _ => unreachable!("`of` has looked"),
        }
    }
}

/// A matrix that several threads write, each a tile of its own.
#[derive(Clone, Copy)]
pub(crate) struct Shared {
    start: *mut f32,
    /// Between two rows.
    stride: usize,
}

// SAFETY: all access goes through unsafe functions whose callers keep to tiles of their own.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Rows of `stride` numbers from `start` on, which the caller keeps alive.
    pub fn new(start: *mut f32, stride: usize) -> Self {
        Self { start, stride }
    }

    pub fn stride(self) -> usize {
        self.stride
    }

    /// # Safety
    /// The place lies inside of the matrix.
    pub unsafe fn at(self, row: usize, column: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.start.add(row * self.stride + column) }
    }

    /// # Safety
    /// The piece of the row lies inside of the matrix, has been written, and no other thread has a part of it.
    #[inline(always)]
    pub unsafe fn piece<'a>(self, row: usize, column: usize, width: usize) -> &'a mut [f32] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.at(row, column), width) }
    }
}
