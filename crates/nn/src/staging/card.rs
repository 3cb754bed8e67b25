//! Copies from and to page-locked memory, each with an event behind it.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::cuda_backend::cudarc::driver::{
    CudaEvent, CudaStream, DeviceRepr, HostSlice, PinnedHostSlice, SyncOnDrop, sys,
};
use candle_core::cuda_backend::{CudaDType, CudaDevice, CudaStorage, WrapErr};
use candle_core::op::BackpropOp;
use candle_core::{Result, Shape, Storage, Tensor, WithDType, bail};

/// Buffers for what goes up: one is filled while the card copies out of the other.
const UP: usize = 2;
/// No buffer is smaller, in bytes.
const LEAST: usize = 1 << 20;

/// Numbers for which all bytes are valid, and zero is all zeros.
pub trait Plain: DeviceRepr + Copy {}
impl Plain for u8 {}
impl Plain for f32 {}

/// Page-locked memory, and the copy that uses it.
struct Buffer {
    memory: PinnedHostSlice<u8>,
    /// Behind the last copy.
    copied: Option<CudaEvent>,
}

impl Buffer {
    fn new(card: &CudaDevice, bytes: usize) -> Result<Self> {
        let bytes = bytes.next_power_of_two().max(LEAST);
        let stream = card.cuda_stream();
        // Not write-combined: what comes back is read by the processor.
        // SAFETY: nothing is read of it that was not written before.
        let memory = unsafe { stream.context().alloc_pinned_with_flags(bytes, 0) }.w()?;
        Ok(Self { memory, copied: None })
    }

    /// Waits until no copy uses it.
    fn wait(&mut self) -> Result<()> {
        self.copied.take().map_or(Ok(()), |event| event.synchronize().w())
    }

    /// The first `count` numbers of type `T` in it, once no copy uses them.
    fn numbers<T: Plain>(&mut self, count: usize) -> Result<&mut [T]> {
        self.wait()?;
        assert!(count * size_of::<T>() <= self.memory.num_bytes(), "a buffer too small");
        let start = self.memory.as_mut_ptr().w()?.cast::<T>();
        // SAFETY: page-locked memory begins at a page, it has so many bytes, nobody else has it, and `T` is plain.
        Ok(unsafe { std::slice::from_raw_parts_mut(start, count) })
    }

    fn note(&mut self, card: &CudaDevice) -> Result<()> {
        // Whoever waits for it sleeps: decoders have a use for the core.
        let sleeping = sys::CUevent_flags::CU_EVENT_BLOCKING_SYNC;
        let stream = card.cuda_stream();
        let noted = stream.record_event(Some(sleeping));
        if noted.is_err() {
            // Nothing else tells when the copy is over; an error is that of the card, which the caller has.
            let _ = stream.synchronize();
        }
        self.copied = Some(noted.w()?);
        Ok(())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // Memory that a copy still uses must not be given back; an error is that of the card, which others report.
        let _ = self.wait();
    }
}

type Pool = Arc<Mutex<Vec<Buffer>>>;

/// The buffers of one device.
#[derive(Default)]
pub(super) struct Buffers {
    up: Vec<Buffer>,
    /// Which of them is filled next.
    next: usize,
    /// Those that nothing is on its way in.
    down: Pool,
}

impl Buffers {
    pub(super) fn upload<T: WithDType + CudaDType + Plain>(
        &mut self,
        card: &CudaDevice,
        shape: Shape,
        fill: impl FnOnce(&mut [T]),
    ) -> Result<Tensor> {
        let count = shape.elem_count();
        let buffer = self.turn(card, count * size_of::<T>())?;
        let numbers = buffer.numbers::<T>(count)?;
        numbers.fill(T::zero());
        fill(numbers);
        // SAFETY: the copy writes all of it, before anything that is put in the queue behind it reads it.
        let mut slice = unsafe { card.alloc::<T>(count) }?;
        if count > 0 {
            let copied = card.memcpy_htod(&*numbers, &mut slice);
            // Whatever came of it: the card may read the buffer.
            buffer.note(card)?;
            copied?;
        }
        let storage = Storage::Cuda(CudaStorage::wrap_cuda_slice(slice, card.clone()));
        Ok(Tensor::from_storage(storage, shape, BackpropOp::none(), false))
    }

    /// The buffer whose turn it is, of so many bytes.
    fn turn(&mut self, card: &CudaDevice, bytes: usize) -> Result<&mut Buffer> {
        let at = self.next % UP;
        self.next += 1;
        if at == self.up.len() {
            self.up.push(Buffer::new(card, bytes)?);
        } else if self.up[at].memory.num_bytes() < bytes {
            self.up[at] = Buffer::new(card, bytes)?;
        }
        Ok(&mut self.up[at])
    }

    pub(super) fn fetch(&mut self, card: &CudaDevice, tensors: &[Tensor]) -> Result<Coming> {
        let counts: Vec<usize> = tensors.iter().map(Tensor::elem_count).collect();
        let all: usize = counts.iter().sum();
        let mut free = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = free.iter().position(|buffer| buffer.memory.num_bytes() >= all * size_of::<f32>());
        let mut buffer = match fitting.or(free.len().checked_sub(1)).map(|at| free.swap_remove(at)) {
            Some(buffer) if buffer.memory.num_bytes() >= all * size_of::<f32>() => buffer,
            // The one that is too small goes: there are never more than are on their way at once.
            _ => Buffer::new(card, all * size_of::<f32>())?,
        };
        drop(free);
        let brought = bring(card, tensors, &counts, buffer.numbers::<f32>(all)?);
        // Whatever came of the last: the card may write what the copies before it bring.
        buffer.note(card)?;
        brought?;
        Ok(Coming { buffer, counts, pool: Arc::clone(&self.down) })
    }
}

/// Puts the copies of `tensors`, so many numbers each, into the queue, one behind the other in `rest`.
fn bring(card: &CudaDevice, tensors: &[Tensor], counts: &[usize], mut rest: &mut [f32]) -> Result<()> {
    for (tensor, count) in tensors.iter().zip(counts).filter(|(_, count)| **count > 0) {
        let (to, others) = rest.split_at_mut(*count);
        rest = others;
        let (storage, layout) = tensor.storage_and_layout();
        let Storage::Cuda(storage) = &*storage else { bail!("a tensor that is not on a card") };
        let start = layout.start_offset();
        let from = storage.as_cuda_slice::<f32>()?.slice(start..start + count);
        // The memory of a tensor that is dropped meanwhile is given back in the same queue, behind the copy.
        card.memcpy_dtoh(&from, &mut Landing(to))?;
    }
    Ok(())
}

/// A piece of a buffer that a copy writes to.
struct Landing<'b>(&'b mut [f32]);

impl HostSlice<f32> for Landing<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    unsafe fn stream_synced_slice<'a>(&'a self, _stream: &'a CudaStream) -> (&'a [f32], SyncOnDrop<'a>) {
        (self.0, SyncOnDrop::Sync(None))
    }

    unsafe fn stream_synced_mut_slice<'a>(
        &'a mut self,
        _stream: &'a CudaStream,
    ) -> (&'a mut [f32], SyncOnDrop<'a>) {
        (self.0, SyncOnDrop::Sync(None))
    }
}

/// Numbers that a copy is bringing.
pub(super) struct Coming {
    buffer: Buffer,
    counts: Vec<usize>,
    pool: Pool,
}

impl Coming {
    pub(super) fn numbers(mut self) -> Result<Vec<Vec<f32>>> {
        let mut rest: &[f32] = self.buffer.numbers::<f32>(self.counts.iter().sum())?;
        let mut tensors = Vec::with_capacity(self.counts.len());
        for count in &self.counts {
            let (own, others) = rest.split_at(*count);
            tensors.push(own.to_vec());
            rest = others;
        }
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(self.buffer);
        Ok(tensors)
    }
}
