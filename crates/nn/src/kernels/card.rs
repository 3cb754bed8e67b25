//! Launches through the CUDA driver.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaSlice, DevicePtr, DeviceRepr, LaunchConfig, PushKernelArg, sys,
};
use candle_core::cuda_backend::{CudaDType, CudaDevice, CudaStorageSlice, DeviceId, WrapErr};
use candle_core::{Result, Storage, Tensor, bail};

use super::{Arg, Grid, Kernel};

include!(concat!(env!("OUT_DIR"), "/ptx.rs"));

/// Bytes of shared memory that a launch may ask for without being allowed more: a block gets 48 KiB, of which some are
/// those of the kernel's own arrays.
const SHARED: u32 = 40 << 10;

/// Kernels that have been loaded. Two threads that load one file at once would unload it under a kernel in the queue, and to
/// ask the driver for a kernel takes longer than to launch it.
static LOADED: LazyLock<Mutex<HashMap<(DeviceId, String), CudaFunction>>> = LazyLock::new(Mutex::default);

/// Puts a kernel in the queue of the device's stream.
///
/// # Safety
/// As for [`Kernel::run`].
pub(super) unsafe fn launch(
    kernel: Kernel,
    name: &str,
    card: &CudaDevice,
    [x, y, z]: [u32; 3],
    grid: Grid,
    args: &[Arg],
) -> Result<()> {
    let stream = card.cuda_stream();
    // Another card's context may be this thread's.
    stream.context().bind_to_thread().w()?;
    let function = function(kernel, name, card)?;
    if grid.shared > SHARED {
        let most = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        function.set_attribute(most, grid.shared as i32).w()?;
    }
    let words = args.iter().map(|arg| Word::of(arg)).collect::<Result<Vec<_>>>()?;
    let mut builder = stream.launch_builder(&function);
    for word in &words {
        match word {
            Word::U32(word) => builder.arg(word),
            Word::U64(word) => builder.arg(word),
            Word::F32(word) => builder.arg(word),
        };
    }
    let config =
        LaunchConfig { grid_dim: (x, y, z), block_dim: (grid.threads, 1, 1), shared_mem_bytes: grid.shared };
    // SAFETY: the caller's promise. All tensors of a device are used on its one stream, in the order of launches, and
    // their memory is given back on it, too: it outlives the kernel.
    unsafe { builder.launch(config) }.w()?;
    Ok(())
}

fn function(kernel: Kernel, name: &str, card: &CudaDevice) -> Result<CudaFunction> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (card.id(), name.to_owned());
    if let Some(function) = loaded.get(&key) {
        return Ok(function.clone());
    }
    let Some((_, ptx)) = PTX.iter().find(|(file, _)| *file == kernel.file) else {
        bail!("there is no file {}.cu of kernels", kernel.file);
    };
    let function = card.get_or_load_custom_func(name, &format!("affekt_{}", kernel.file), ptx)?;
    let function = function.into_cuda_function();
    loaded.insert(key, function.clone());
    Ok(function)
}

/// An argument as the driver reads it.
enum Word {
    U32(u32),
    U64(u64),
    F32(f32),
}

impl Word {
    fn of(arg: &Arg) -> Result<Self> {
        Ok(match arg {
            Arg::Tensor(x) | Arg::View(x) => Self::U64(address(x)?),
            Arg::Null => Self::U64(0),
            Arg::U32(word) => Self::U32(*word),
            Arg::U64(word) => Self::U64(*word),
            Arg::F32(word) => Self::F32(*word),
        })
    }
}

/// Where the first number of `x` lies.
pub(super) fn address(x: &Tensor) -> Result<u64> {
    let (storage, layout) = x.storage_and_layout();
    let Storage::Cuda(storage) = &*storage else { bail!("a tensor that is not on a card") };
    let start = layout.start_offset();
    match &storage.slice {
        CudaStorageSlice::U8(slice) => at(slice, start),
        CudaStorageSlice::U32(slice) => at(slice, start),
        CudaStorageSlice::I64(slice) => at(slice, start),
        CudaStorageSlice::F16(slice) => at(slice, start),
        CudaStorageSlice::BF16(slice) => at(slice, start),
        CudaStorageSlice::F32(slice) => at(slice, start),
        CudaStorageSlice::F64(slice) => at(slice, start),
        _ => bail!("a kernel got numbers of type {:?}", x.dtype()),
    }
}

fn at<T: CudaDType + DeviceRepr>(slice: &CudaSlice<T>, start: usize) -> Result<u64> {
    // The stream that the slice was made on is the only one: there is nothing to wait for or to record.
    let (address, _) = slice.device_ptr(slice.stream());
    Ok(address + (start * size_of::<T>()) as u64)
}
