//! What candle does not say of a card, through the driver.

use std::error::Error as StdError;
use std::mem::MaybeUninit;

use candle_core::cuda_backend::cudarc::cublas::{result::CublasError, sys::cublasStatus_t};
use candle_core::cuda_backend::cudarc::driver::{CudaContext, DriverError, result, sys};
use candle_core::cuda_backend::{CudaDevice, CudaError, WrapErr};
use candle_core::{Device, Result};

use super::{Card, Memory};

pub(super) fn count() -> usize {
    CudaContext::device_count().map_or(0, |count| count.max(0) as usize)
}

/// Keeps freed memory, and leaves out what only several streams need.
pub(super) fn prepare(device: &Device) -> Result<()> {
    let device = device.as_cuda_device()?;
    // SAFETY: everything on the device goes through the one stream that it was opened with, in order.
    unsafe { device.disable_event_tracking() };
    let Some(pool) = pool(device)? else { return Ok(()) };
    let mut all = u64::MAX;
    let threshold = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the pool is the device's own, and the attribute is a 64-bit number.
    unsafe { sys::cuMemPoolSetAttribute(pool, threshold, (&raw mut all).cast()) }.result().w()
}

/// Where its memory comes from; `None` on cards without pools.
fn pool(device: &CudaDevice) -> Result<Option<sys::CUmemoryPool>> {
    let stream = device.cuda_stream();
    let context = stream.context();
    if !context.has_async_alloc() {
        return Ok(None);
    }
    // SAFETY: the context holds the device.
    unsafe { result::device::get_default_mem_pool(context.cu_device()) }.w().map(Some)
}

pub(super) fn describe(device: &CudaDevice) -> Result<Card> {
    let stream = device.cuda_stream();
    let context = stream.context();
    let (free, total) = context.mem_get_info().w()?;
    let kept = match pool(device)? {
        Some(pool) => {
            let bytes = |attribute| bytes(pool, attribute);
            let reserved = bytes(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)?;
            reserved.saturating_sub(bytes(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)?)
        }
        None => 0,
    };
    Ok(Card {
        name: context.name().w()?,
        capability: context.compute_capability().w()?,
        memory: Memory { free: free + kept, total },
    })
}

fn bytes(pool: sys::CUmemoryPool, attribute: sys::CUmemPool_attribute) -> Result<usize> {
    let mut bytes = MaybeUninit::<u64>::zeroed();
    // SAFETY: both attributes are 64-bit numbers, and zero is one.
    unsafe {
        sys::cuMemPoolGetAttribute(pool, attribute, bytes.as_mut_ptr().cast()).result().w()?;
        Ok(bytes.assume_init() as usize)
    }
}

pub(super) fn reclaim(device: &CudaDevice) -> Result<()> {
    device.cuda_stream().synchronize().w()?;
    let Some(pool) = pool(device)? else { return Ok(()) };
    // SAFETY: the pool is the device's own.
    unsafe { sys::cuMemPoolTrimTo(pool, 0) }.result().w()
}

pub(super) fn out_of_memory(error: &(dyn StdError + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<CudaError>() {
        return match error {
            CudaError::Cuda(error) | CudaError::Load { cuda: error, .. } => of_driver(error),
            CudaError::Cublas(CublasError(status)) => *status == cublasStatus_t::CUBLAS_STATUS_ALLOC_FAILED,
            _ => false,
        };
    }
    error.downcast_ref::<DriverError>().is_some_and(of_driver)
}

fn of_driver(DriverError(code): &DriverError) -> bool {
    *code == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY
}
