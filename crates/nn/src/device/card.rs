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
    if let Some(CudaError::Cublas(CublasError(status))) = error.downcast_ref::<CudaError>() {
        return *status == cublasStatus_t::CUBLAS_STATUS_ALLOC_FAILED;
    }
    code(error) == Some(sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY)
}

/// Errors after which every call of the process on the card fails.
pub(super) fn is_lost(error: &(dyn StdError + 'static)) -> bool {
    use sys::CUresult as Code;
    let lost = [
        Code::CUDA_ERROR_ILLEGAL_ADDRESS,
        Code::CUDA_ERROR_LAUNCH_FAILED,
        Code::CUDA_ERROR_LAUNCH_TIMEOUT,
        Code::CUDA_ERROR_ILLEGAL_INSTRUCTION,
        Code::CUDA_ERROR_MISALIGNED_ADDRESS,
        Code::CUDA_ERROR_ECC_UNCORRECTABLE,
        Code::CUDA_ERROR_HARDWARE_STACK_ERROR,
        Code::CUDA_ERROR_CONTEXT_IS_DESTROYED,
        Code::CUDA_ERROR_DEVICE_UNAVAILABLE,
    ];
    code(error).is_some_and(|code| lost.contains(&code))
}

/// What the driver has said, where the error is its.
fn code(error: &(dyn StdError + 'static)) -> Option<sys::CUresult> {
    let of_driver = match error.downcast_ref::<CudaError>() {
        Some(CudaError::Cuda(error) | CudaError::Load { cuda: error, .. }) => Some(error),
        Some(_) => None,
        None => error.downcast_ref::<DriverError>(),
    };
    of_driver.map(|DriverError(code)| *code)
}
