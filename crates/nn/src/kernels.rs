//! Kernels of ours for NVIDIA cards (`cuda/*.cu`): how they are launched.
//!
//! Every kernel has a twin that runs on the CPU. With the feature `emulator`, for tests, the kernels themselves run on
//! the CPU: whatever takes them then takes tensors of the CPU to them.

#[cfg(feature = "cuda")]
mod card;
#[cfg(feature = "emulator")]
mod emulator;
pub(crate) mod product;

use candle_core::{DType, Device, Result, Tensor, bail};

/// Whether tests run the kernels for cards on the CPU, in place of those that are written for it: built with the feature
/// `emulator`, and the variable AFFEKT_EMULATE_CUDA is 1.
#[cfg(feature = "emulator")]
pub(crate) fn emulating() -> bool {
    static SET: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *SET.get_or_init(|| std::env::var_os("AFFEKT_EMULATE_CUDA").is_some_and(|set| set == "1"))
}

/// Never: this is no build for tests of the kernels.
#[cfg(not(feature = "emulator"))]
pub(crate) const fn emulating() -> bool {
    false
}

/// Whether our kernels take `x`: f32, f16 or bf16 on a card. Otherwise layers have kernels for the CPU, or are composed of
/// candle's operations.
pub(crate) fn take(x: &Tensor) -> bool {
    run_on(x.device()) && matches!(x.dtype(), DType::F32 | DType::F16 | DType::BF16)
}

/// Whether our kernels run on `device`: a card, or what stands in for one.
pub(crate) fn run_on(device: &Device) -> bool {
    cfg!(feature = "cuda") && device.is_cuda() || emulating()
}

/// Memory for a kernel to write, all of it.
pub(crate) fn output(shape: impl Into<candle_core::Shape>, dtype: DType, device: &Device) -> Result<Tensor> {
    // SAFETY: it is only handed to a kernel that writes every number.
    unsafe { Tensor::empty(shape, dtype, device) }
}

/// What a kernel is given.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(any(feature = "cuda", feature = "emulator")),
    expect(dead_code, reason = "without either feature no kernel is ever launched")
)]
pub(crate) enum Arg<'a> {
    /// A pointer to the first number of a contiguous tensor, to read or to write.
    Tensor(&'a Tensor),
    /// A pointer to the first number of a view: other arguments tell the kernel how far apart its numbers lie.
    View(&'a Tensor),
    /// A pointer to nothing.
    Null,
    /// `unsigned`
    U32(u32),
    /// `unsigned long long`
    U64(u64),
    /// `float`
    F32(f32),
}

impl<'a> From<Option<&'a Tensor>> for Arg<'a> {
    fn from(tensor: Option<&'a Tensor>) -> Self {
        tensor.map_or(Self::Null, Self::Tensor)
    }
}

/// How many threads run a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Blocks: x, y, z.
    pub blocks: [usize; 3],
    /// Threads of a block, a multiple of 32, at most 1024.
    pub threads: u32,
    /// Bytes of shared memory of a block, beside those that the kernel asks for itself.
    pub shared: u32,
}

impl Grid {
    /// `blocks` of `threads` threads side by side.
    pub fn rows(blocks: usize, threads: u32) -> Self {
        Self { blocks: [blocks, 1, 1], threads, shared: 0 }
    }

    /// A thread for each of `count` numbers, in blocks of 256.
    pub fn each(count: usize) -> Self {
        Self::rows(count.div_ceil(256), 256)
    }
}

/// A kernel of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernel {
    /// Its file in `cuda/`, without the extension.
    pub file: &'static str,
    /// What it is called there, without the suffix of the type.
    pub name: &'static str,
}

impl Kernel {
    /// Runs it, in the version for numbers of type `dtype`, on the device of the first tensor among `args`. On a card it
    /// is only put in the queue behind what that device does. A grid of no blocks is nothing to do.
    ///
    /// # Errors
    /// A tensor that is not contiguous or lies elsewhere, a grid that no card takes, and what the driver reports.
    ///
    /// # Safety
    /// The arguments are those of the kernel, in order and in type; whatever it reads or writes for this grid lies inside
    /// of the tensors, and nobody else uses the numbers that it writes.
    pub unsafe fn run(self, dtype: DType, grid: Grid, args: &[Arg]) -> Result<()> {
        let suffix = match dtype {
            DType::F32 => "f32",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::U8 => "u8",
            other => bail!("kernel {} for numbers of type {other:?}", self.name),
        };
        let name = format!("{}_{suffix}", self.name);
        let Some(first) = args.iter().find_map(|arg| if let Arg::Tensor(x) = arg { Some(*x) } else { None })
        else {
            bail!("kernel {name} got no tensor");
        };
        let device = first.device();
        for arg in args {
            let (x, fits) = match arg {
                Arg::Tensor(x) => (x, x.is_contiguous()),
                Arg::View(x) => (x, true),
                _ => continue,
            };
            if !fits || !x.device().same_device(device) {
                bail!(
                    "kernel {name} on {:?} got {:?} on {:?}",
                    device.location(),
                    x.layout(),
                    x.device().location()
                );
            }
        }
        let Some(blocks) = grid.blocks()? else { return Ok(()) };
        // SAFETY: the caller's promise.
        unsafe { self.launch(&name, device, blocks, grid, args) }
    }

    unsafe fn launch(
        self,
        name: &str,
        device: &Device,
        blocks: [u32; 3],
        grid: Grid,
        args: &[Arg],
    ) -> Result<()> {
        let _ = (blocks, grid, args);
        #[cfg(feature = "cuda")]
        if let Device::Cuda(card) = device {
            // SAFETY: the caller's promise.
            return unsafe { card::launch(self, name, card, blocks, grid, args) };
        }
        #[cfg(feature = "emulator")]
        if device.is_cpu() {
            // SAFETY: the caller's promise.
            return unsafe { emulator::launch(name, blocks, grid, args) };
        }
        bail!(
            "kernel {name} of {}.cu on {:?}: this program is built without it",
            self.file,
            device.location()
        )
    }
}

impl Grid {
    /// The blocks as the driver takes them; `None` where there are none.
    fn blocks(self) -> Result<Option<[u32; 3]>> {
        if self.blocks.contains(&0) {
            return Ok(None);
        }
        // The limits of every card since 2012.
        let most = [i32::MAX as usize, 65_535, 65_535];
        let threads = self.threads.is_multiple_of(32) && (32..=1024).contains(&self.threads);
        if !threads || self.blocks.iter().zip(most).any(|(count, most)| *count > most) {
            bail!("no card takes a grid of {:?} blocks of {} threads", self.blocks, self.threads);
        }
        Ok(Some(self.blocks.map(|count| count as u32)))
    }
}

/// How many numbers of rows of `width` a kernel can read and write at once: those of 16 bytes where every row of every
/// tensor starts at a multiple of them, else 1.
pub(crate) fn lanes(width: usize, tensors: &[&Tensor]) -> usize {
    let lanes = 16 / tensors.first().map_or(16, |x| x.dtype().size_in_bytes());
    let aligned = |x: &&Tensor| x.layout().start_offset().is_multiple_of(lanes);
    if width.is_multiple_of(lanes) && tensors.iter().all(aligned) { lanes } else { 1 }
}

/// Checks that all `tensors` are of the type that a kernel is launched in: it would read beyond those of narrower ones.
pub(crate) fn of_type(dtype: DType, tensors: &[&Tensor]) -> Result<()> {
    match tensors.iter().find(|x| x.dtype() != dtype) {
        Some(other) => bail!("a kernel for {dtype:?} got {:?} {:?}", other.dtype(), other.dims()),
        None => Ok(()),
    }
}

/// Where the first number of a contiguous `x` lies, for kernels that find their tensors in a table.
pub(crate) fn address(x: &Tensor) -> Result<u64> {
    if !x.is_contiguous() {
        bail!("a table of tensors got {:?}", x.layout());
    }
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        return card::address(x);
    }
    #[cfg(feature = "emulator")]
    if x.device().is_cpu() {
        return Ok(emulator::address(x)? as u64);
    }
    bail!("a table of tensors on {:?}: this program is built without kernels for it", x.device().location())
}

/// Whether kernels may read rows of `width` numbers of contiguous `x` by 16 bytes.
pub(crate) fn wide(x: &Tensor, width: usize) -> bool {
    lanes(width, &[x]) > 1
}
