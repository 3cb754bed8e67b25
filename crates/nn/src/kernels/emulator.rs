//! Launches on the CPU, for tests (`cuda/emulator`).

use std::ffi::{CString, c_char, c_int, c_uint, c_void};

use candle_core::{CpuStorage, Result, Storage, Tensor, bail};

use super::{Arg, Grid};

unsafe extern "C" {
    /// 1 where there is no kernel of that name.
    fn affekt_emulate(
        name: *const c_char,
        grid: *const c_uint,
        threads: c_uint,
        shared: c_uint,
        arguments: *mut *mut c_void,
    ) -> c_int;
}

/// Runs a kernel to its end.
///
/// # Safety
/// As for [`Kernel::run`](super::Kernel::run).
pub(super) unsafe fn launch(name: &str, blocks: [u32; 3], grid: Grid, args: &[Arg]) -> Result<()> {
    // The widest argument has eight bytes, and narrower ones are read from the first.
    let mut words = args.iter().map(word).collect::<Result<Vec<u64>>>()?;
    let mut pointers: Vec<*mut c_void> =
        words.iter_mut().map(|word| std::ptr::from_mut(word).cast()).collect();
    let name = CString::new(name).map_err(candle_core::Error::wrap)?;
    // SAFETY: the caller's promise, and that of `blocks`: three numbers.
    let missing = unsafe {
        affekt_emulate(name.as_ptr(), blocks.as_ptr(), grid.threads, grid.shared, pointers.as_mut_ptr())
    };
    if missing != 0 {
        bail!("there is no kernel {name:?}");
    }
    Ok(())
}

fn word(arg: &Arg) -> Result<u64> {
    Ok(match arg {
        Arg::Tensor(x) | Arg::View(x) => address(x)? as u64,
        Arg::Null => 0,
        Arg::U32(word) => u64::from(*word),
        Arg::U64(word) => *word,
        Arg::F32(word) => u64::from(word.to_bits()),
    })
}

/// Where the first number of `x` lies.
pub(super) fn address(x: &Tensor) -> Result<usize> {
    let (storage, layout) = x.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { bail!("a tensor that is not on the CPU") };
    let start = layout.start_offset();
    Ok(match storage {
        CpuStorage::U8(numbers) => numbers[start..].as_ptr() as usize,
        CpuStorage::U32(numbers) => numbers[start..].as_ptr() as usize,
        CpuStorage::I64(numbers) => numbers[start..].as_ptr() as usize,
        CpuStorage::F16(numbers) => numbers[start..].as_ptr() as usize,
        CpuStorage::BF16(numbers) => numbers[start..].as_ptr() as usize,
        CpuStorage::F32(numbers) => numbers[start..].as_ptr() as usize,
        CpuStorage::F64(numbers) => numbers[start..].as_ptr() as usize,
        _ => bail!("a kernel got numbers of type {:?}", x.dtype()),
    })
}
