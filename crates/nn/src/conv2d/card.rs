//! The convolution on cards: a kernel gathers windows, one product, a kernel does what follows (`cuda/conv2d.cu`).
//!
//! A 1 x 1 convolution needs no windows. Bias and ReLU of a convolution between two others are left to the kernel that
//! gathers the next windows. Convolutions of one shape with weights of their own run as one: one launch of each kernel and
//! one batched product for all of them.

use candle_core::{DType, Result, Tensor, bail};

use super::Size;
use crate::kernels::{self, Arg, Grid, Kernel};
use crate::maps::Pending;
use crate::maps::card::{bias, in_packs, lanes, packs};

/// Bytes of windows that exist at once. A batch of 256 faces in half precision stays below it in every layer of MANet
/// (the most are 617 MB), so that it is never cut; larger ones go in parts, whose results are put together.
const WINDOWS: usize = 1 << 30;

/// Windows that a thread of the kernel fills its part of.
const PLACES: usize = 16;

/// Weights and biases of one convolution, or of several of one shape.
#[derive(Clone, Debug)]
pub struct Weight {
    /// (groups, c_out, terms)
    single: Tensor,
    /// For so many neighbouring columns at once, (groups, columns * c_out, terms).
    wide: Option<(usize, Tensor)>,
    /// (groups, c_out), in f32.
    bias: Tensor,
}

/// What is read, in groups.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// (b, h, w, c), (groups, b, h, w, c) or (groups / 2, 2, b, h, w, c), and what is left to do.
    pub maps: &'a Pending,
    /// Of (b, h, w, c): where the second group begins, in numbers behind the first. Both are parts of the same maps.
    pub second: Option<u64>,
    /// Maps (b, h, w, c) of the first group that are added last, and where those of the second begin.
    pub plus: Option<(&'a Tensor, u64)>,
}

impl<'a> From<&'a Pending> for Input<'a> {
    fn from(maps: &'a Pending) -> Self {
        Self { maps, second: None, plus: None }
    }
}

impl Weight {
    /// Takes weights (c_out, c_in, kernel, kernel) and biases (c_out) of one size.
    pub fn new(weights: &[Tensor], biases: &[Tensor], size: Size) -> Result<Self> {
        let lay_out = |columns: usize| {
            let laid = weights.iter().map(|weight| laid_out(weight, size, columns));
            Tensor::stack(&laid.collect::<Result<Vec<_>>>()?, 0)
        };
        let columns = columns(size);
        Ok(Self {
            single: lay_out(1)?,
            wide: (columns > 1)
                .then(|| Ok::<_, candle_core::Error>((columns, lay_out(columns)?)))
                .transpose()?,
            bias: bias(&Tensor::stack(biases, 0)?)?,
        })
    }

    /// The convolution `index` alone; it shares the memory.
    pub fn part(&self, index: usize) -> Result<Self> {
        let part = |x: &Tensor| x.narrow(0, index, 1);
        let wide =
            self.wide.as_ref().map(|(columns, wide)| Ok::<_, candle_core::Error>((*columns, part(wide)?)));
        Ok(Self { single: part(&self.single)?, wide: wide.transpose()?, bias: part(&self.bias)? })
    }

    /// The products, without the bias, which is left to whoever reads them, as is the ReLU.
    pub fn begin(&self, size: Size, x: Input, relu: bool) -> Result<Pending> {
        Ok(Pending { maps: self.products(size, x)?, bias: Some(self.bias.clone()), relu })
    }

    /// The products, finished.
    pub fn end(&self, size: Size, x: Input, residual: Option<&Pending>, relu: bool) -> Result<Tensor> {
        let y = self.products(size, x)?;
        let added = residual.map(|residual| residual.maps.contiguous()).transpose()?;
        if let Some(added) =
            added.as_ref().filter(|added| added.dims() != y.dims() || added.dtype() != y.dtype())
        {
            bail!("a residual of shape {:?} for maps {:?}", added.dims(), y.dims());
        }
        if residual.is_some_and(|residual| residual.relu) {
            bail!("a residual that a ReLU has yet to be applied to");
        }
        let groups = self.bias.dim(0)?;
        let packed = in_packs(&y) && added.as_ref().is_none_or(in_packs);
        let packs = packs(y.elem_count() / groups, lanes(&y), packed)?;
        let args = [
            Arg::Tensor(&y),
            Arg::Tensor(&self.bias),
            added.as_ref().into(),
            residual.and_then(|residual| residual.bias.as_ref()).into(),
            Arg::U32(packs),
            Arg::U32(size.outputs as u32),
            Arg::U32(u32::from(relu)),
            Arg::U32(u32::from(packed)),
        ];
        let blocks = [Grid::each(packs as usize).blocks[0], groups, 1];
        // SAFETY: a thread a pack of every group; nobody has seen `y` yet, and what is added has its shape.
        unsafe {
            let kernel = Kernel { file: "conv2d", name: "finish_conv2d" };
            kernel.run(y.dtype(), Grid { blocks, threads: 256, shared: 0 }, &args)?;
        }
        Ok(y)
    }

    /// (b, rows, columns, c_out), or (groups, b, rows, columns, c_out).
    fn products(&self, size: Size, x: Input) -> Result<Tensor> {
        let maps = Maps::of(x, size)?;
        let groups = self.single.dim(0)?;
        if maps.groups != groups || self.single.dtype() != x.maps.maps.dtype() {
            let given = &x.maps.maps;
            bail!("{groups} convolutions of type {:?} got {given:?}", self.single.dtype());
        }
        let places = maps.rows * maps.columns;
        let y = match self.needs_windows(size, x) {
            false => product(&x.maps.maps.reshape((groups, maps.b * places, size.inputs))?, &self.single)?,
            true => self.by_windows(size, x, &maps)?,
        };
        let shape = [groups, maps.b, maps.rows, maps.columns, size.outputs];
        if x.maps.maps.rank() == 4 && groups == 1 { y.reshape(&shape[1..]) } else { y.reshape(&shape[..]) }
    }

    /// Whether what a product reads does not lie in memory yet.
    fn needs_windows(&self, size: Size, x: Input) -> bool {
        let Input { maps, second, plus } = x;
        let lies = maps.maps.is_contiguous() && maps.bias.is_none() && !maps.relu;
        let all = size.kernel == 1 && size.stride == 1 && in_packs(&maps.maps);
        !(lies && all && second.is_none() && plus.is_none())
    }

    /// (groups, places, c_out)
    fn by_windows(&self, size: Size, x: Input, maps: &Maps) -> Result<Tensor> {
        let (columns, weight) = match &self.wide {
            Some((columns, weight)) if maps.columns.is_multiple_of(*columns) => (*columns, weight),
            _ => (1, &self.single),
        };
        let terms = weight.dim(2)?;
        let windows_of_map = maps.rows * maps.columns / columns;
        let bytes = maps.groups * windows_of_map * terms * weight.dtype().size_in_bytes();
        let count = (WINDOWS / bytes).clamp(1, maps.b);
        let part = |first: usize| {
            let count = count.min(maps.b - first);
            let windows = windows(size, x, maps, (first, count), (columns, terms))?; // (groups, windows, terms)
            product(&windows, weight)?.reshape((maps.groups, count * maps.rows * maps.columns, size.outputs))
        };
        let mut parts = (0..maps.b).step_by(count).map(part).collect::<Result<Vec<_>>>()?;
        if parts.len() == 1 { Ok(parts.remove(0)) } else { Tensor::cat(&parts, 1) }
    }
}

/// Neighbouring columns that share a window. Where outputs are few, the products wait for memory: of two windows beside
/// each other a 3 x 3 convolution reads a third less as one, and multiplies a third more, by zeros. So do four of the
/// 7 x 7 windows of a picture, which read half. A NaN or an infinity that one of the columns sees shows in all of them.
fn columns(size: Size) -> usize {
    match size {
        Size { kernel: 1, .. } => 1,
        Size { inputs: ..8, outputs: ..=64, .. } => 4,
        Size { outputs: ..=64, .. } => 2,
        _ => 1,
    }
}

/// (c_out, c_in, kernel, kernel) -> (columns * c_out, terms), terms in the order of windows with zeros behind them up to
/// whole packs, and for each column after the first those of the columns before it.
fn laid_out(weight: &Tensor, size: Size, columns: usize) -> Result<Tensor> {
    let weight = weight.permute((0, 2, 3, 1))?.contiguous()?; // (c_out, kernel, kernel, c_in)
    let shifted =
        (0..columns).map(|at| weight.pad_with_zeros(2, at * size.stride, (columns - 1 - at) * size.stride));
    let weight = Tensor::cat(&shifted.collect::<Result<Vec<_>>>()?, 0)?.flatten_from(1)?;
    let terms = weight.dim(1)?;
    weight.pad_with_zeros(1, 0, terms.next_multiple_of(lanes(&weight)) - terms)?.contiguous()
}

/// (groups, m, k) times (groups, n, k) turned: (groups, m, n).
fn product(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    match weight.dim(0)? {
        1 => x.squeeze(0)?.matmul(&weight.squeeze(0)?.t()?)?.unsqueeze(0),
        _ => x.matmul(&weight.transpose(1, 2)?),
    }
}

/// Where maps lie, and what comes of them.
struct Maps {
    groups: usize,
    /// Between every two groups, and between the two.
    apart: [u64; 2],
    b: usize,
    h: usize,
    w: usize,
    /// Between maps, rows, columns and channels.
    strides: [usize; 4],
    /// Of the output.
    rows: usize,
    columns: usize,
}

impl Maps {
    fn of(x: Input, size: Size) -> Result<Self> {
        let (dims, strides) = (x.maps.maps.dims(), x.maps.maps.stride());
        let (groups, apart) = match (dims.len(), x.second) {
            (4, None) => (1, [0, 0]),
            (4, Some(second)) => (2, [0, second]),
            (5, None) => (dims[0], [2 * strides[0] as u64, strides[0] as u64]),
            (6, None) if dims[1] == 2 => (2 * dims[0], [strides[0] as u64, strides[1] as u64]),
            _ => bail!("a convolution over maps of shape {dims:?}"),
        };
        let (dims, strides) = (&dims[dims.len() - 4..], &strides[dims.len() - 4..]);
        if dims.contains(&0) || groups == 0 || dims[3] != size.inputs {
            bail!("a convolution over {} channels was given {:?}", size.inputs, x.maps.maps.dims());
        }
        let (h, w) = (dims[1], dims[2]);
        // The kernels count places of a map and numbers of a window in 31 bits.
        let extent = strides[1..].iter().zip(&dims[1..]).map(|(stride, count)| stride * count).sum::<usize>();
        if extent >= 1 << 30 || h * w >= 1 << 28 {
            bail!("maps {:?} are too large for the kernels", x.maps.maps.layout());
        }
        Ok(Self {
            groups,
            apart,
            b: dims[0],
            h,
            w,
            strides: [strides[0], strides[1], strides[2], strides[3]],
            rows: h.div_ceil(size.stride),
            columns: w.div_ceil(size.stride),
        })
    }
}

/// What `count` maps from the `first` on show to windows of so many columns and terms: (groups, windows, terms).
fn windows(
    size: Size,
    x: Input,
    maps: &Maps,
    (first, count): (usize, usize),
    (columns, terms): (usize, usize),
) -> Result<Tensor> {
    let read = x.maps.maps.narrow(x.maps.maps.rank() - 4, first, count)?;
    let plus =
        x.plus.map(|(plus, second)| Ok::<_, candle_core::Error>((plus.narrow(0, first, count)?, second)));
    let plus = plus.transpose()?;
    let whole = plus.as_ref().is_none_or(|(plus, second)| in_packs(plus) && second % lanes(plus) as u64 == 0);
    let apart = maps.apart.iter().all(|apart| apart % lanes(&read) as u64 == 0);
    let packed = whole && apart && in_packs(&read);
    let places = count * maps.rows * maps.columns / columns;
    let windows = kernels::output((maps.groups, places, terms), read.dtype(), read.device())?;
    let mut args = vec![Arg::View(&read)];
    args.extend(maps.apart.map(Arg::U64));
    args.extend(maps.strides.map(|stride| Arg::U64(stride as u64)));
    args.push(x.maps.bias.as_ref().into());
    match &plus {
        Some((plus, second)) => {
            args.extend([Arg::View(plus), Arg::U64(*second)]);
            args.extend(plus.stride()[..3].iter().map(|stride| Arg::U64(*stride as u64)));
        }
        None => args.extend([Arg::Null, Arg::U64(0), Arg::U64(0), Arg::U64(0), Arg::U64(0)]),
    }
    args.push(Arg::Tensor(&windows));
    let window_columns = size.kernel + (columns - 1) * size.stride;
    let shape =
        [maps.h, maps.w, size.inputs, size.kernel, window_columns, size.stride, size.stride * columns];
    args.extend([usize::from(x.maps.relu)].into_iter().chain(shape).map(|word| Arg::U32(word as u32)));
    let shape = [size.kernel / 2, maps.rows, maps.columns / columns, places, terms];
    args.extend(shape.map(|word| Arg::U32(word as u32)));
    let parts = terms / lanes(&windows);
    let threads = parts.div_ceil(parts.div_ceil(256)).next_multiple_of(32);
    let blocks = [places.div_ceil(PLACES), parts.div_ceil(threads), maps.groups];
    let grid = Grid { blocks, threads: threads as u32, shared: 0 };
    let name = if packed { "packed_windows" } else { "single_windows" };
    // SAFETY: a thread a pack of the windows, `PLACES` of them; it follows the strides to places inside of the maps only,
    // and biases have a number a channel.
    unsafe { Kernel { file: "conv2d", name }.run(windows.dtype(), grid, &args)? };
    Ok(windows)
}

/// Whether convolutions of such numbers run by these kernels.
pub fn takes(dtype: DType, device: &candle_core::Device) -> Result<bool> {
    Ok(kernels::take(&Tensor::zeros(1, dtype, device)?))
}
