//! The kernels for cards (`cuda/maps.cu`).

use candle_core::{DType, Result, Tensor, bail};

use super::Pending;
use crate::kernels::{self, Arg, Grid, Kernel};

/// Bytes that a thread reads or writes at once.
const PACK: usize = 16;

/// Numbers of one pack of `x`.
pub(crate) fn lanes(x: &Tensor) -> usize {
    PACK / x.dtype().size_in_bytes()
}

/// Whether every run of channels of `x` consists of whole packs: aligned, side by side.
pub(crate) fn in_packs(x: &Tensor) -> bool {
    let lanes = lanes(x);
    let layout = x.layout();
    let mut dims = layout.dims().iter().zip(layout.stride()).rev();
    let channels = dims.next().is_some_and(|(count, stride)| count % lanes == 0 && *stride == 1);
    channels
        && layout.start_offset().is_multiple_of(lanes)
        && dims.all(|(count, stride)| *count == 1 || stride % lanes == 0)
}

/// How many packs, or numbers where they are not in packs, `numbers` are, as a kernel counts them.
pub(crate) fn packs(numbers: usize, lanes: usize, packed: bool) -> Result<u32> {
    let packs = if packed { numbers / lanes } else { numbers };
    u32::try_from(packs)
        .map_err(|_| candle_core::Error::msg(format!("{numbers} numbers are too many for a kernel")))
}

fn kernel(name: &'static str) -> Kernel {
    Kernel { file: "maps", name }
}

/// See [`super::max_pool`]; with a kernel that begins `pad` places outside of the map.
pub(super) fn max_pool(x: &Pending, kernel_size: usize, stride: usize, pad: usize) -> Result<Tensor> {
    let maps = x.maps.contiguous()?;
    let (b, h, w, c) = maps.dims4()?;
    let (rows, columns) = (h.div_ceil(stride), w.div_ceil(stride));
    let y = kernels::output((b, rows, columns, c), maps.dtype(), maps.device())?;
    let packed = in_packs(&maps);
    let packs = packs(y.elem_count(), lanes(&y), packed)?;
    let mut args = vec![Arg::Tensor(&maps), x.bias.as_ref().into(), Arg::Tensor(&y), Arg::U32(packs)];
    let words = [usize::from(x.relu), usize::from(packed), h, w, c, kernel_size, stride, pad, rows, columns];
    args.extend(words.map(|word| Arg::U32(word as u32)));
    // SAFETY: a thread a pack of the output; windows are cut to the map, and the bias has a number a channel.
    unsafe { kernel("max_pool").run(y.dtype(), Grid::each(packs as usize), &args)? };
    Ok(y)
}

/// Means over the places and, of maps in groups, over the groups: (b, h, w, c) or (groups, b, h, w, c) -> (b, c).
pub(super) fn mean(x: &Tensor) -> Result<Tensor> {
    let x = if x.stride().last() == Some(&1) { x.clone() } else { x.contiguous()? };
    let x = if x.rank() == 4 { x.unsqueeze(0)? } else { x };
    let (groups, b, h, w, c) = x.dims5()?;
    if x.elem_count() == 0 {
        bail!("an empty map {:?}", x.dims());
    }
    let y = kernels::output((b, c), x.dtype(), x.device())?;
    let stride = x.stride();
    // One long row where the rows lie side by side.
    let (rows, columns) = if stride[2] == w * stride[3] { (1, h * w) } else { (h, w) };
    let mut args = vec![Arg::View(&x)];
    args.extend(stride[..4].iter().map(|stride| Arg::U64(*stride as u64)));
    args.push(Arg::Tensor(&y));
    args.extend([groups, rows, columns, c].map(|word| Arg::U32(word as u32)));
    let grid = Grid { blocks: [b, c.div_ceil(256), 1], threads: 256, shared: 0 };
    // SAFETY: a thread a map and channel, which follows the strides over all places of the view.
    unsafe { kernel("mean").run(x.dtype(), grid, &args)? };
    Ok(y)
}

/// Chunks that the kernel takes.
pub(super) const CHUNKS: usize = 4;

/// See [`super::join_chunks`]; shapes have been looked at.
pub(super) fn join_chunks(
    first: &[Tensor],
    second: &[Tensor],
    bias: Option<&Tensor>,
    residual: &Pending,
) -> Result<Tensor> {
    let contiguous = |chunks: &[Tensor]| chunks.iter().map(Tensor::contiguous).collect::<Result<Vec<_>>>();
    let (first, second, maps) = (contiguous(first)?, contiguous(second)?, residual.maps.contiguous()?);
    let channels = maps.dim(3)?;
    let y = kernels::output(maps.shape(), maps.dtype(), maps.device())?;
    let packed = first.iter().chain(&second).chain([&maps]).all(in_packs);
    let packs = packs(y.elem_count(), lanes(&y), packed)?;
    let chunk = |chunks: &'_ [Tensor], at: usize| chunks.get(at).cloned();
    let pointers: Vec<Option<Tensor>> =
        (0..CHUNKS).map(|at| chunk(&first, at)).chain((0..CHUNKS).map(|at| chunk(&second, at))).collect();
    let mut args: Vec<Arg> = pointers.iter().map(|chunk| chunk.as_ref().into()).collect();
    args.extend([bias.into(), Arg::Tensor(&maps), residual.bias.as_ref().into(), Arg::Tensor(&y)]);
    let words = [packs, u32::from(packed), channels as u32, (channels / first.len()) as u32];
    args.extend(words.map(Arg::U32));
    // SAFETY: a thread a pack of the output; chunks fill its channels, and biases have a number a channel.
    unsafe { kernel("join_chunks").run(y.dtype(), Grid::each(packs as usize), &args)? };
    Ok(y)
}

/// A 3 x 3 convolution in each channel, zero padded, and a ReLU where `relu` says so: x (b, h, w, c), weight (9, c), bias
/// (c) -> (b, h, w, c). `None` where no card takes `x`.
pub fn depthwise(x: &Tensor, weight: &Tensor, bias: &Tensor, relu: bool) -> Result<Option<Tensor>> {
    let of_one_type = weight.dtype() == x.dtype() && bias.dtype() == x.dtype();
    if !kernels::take(x) || !of_one_type {
        return Ok(None);
    }
    let x = x.contiguous()?;
    let (_, h, w, c) = x.dims4()?;
    if weight.dims() != [9, c] || bias.dims() != [c] {
        bail!("a depthwise convolution of {:?} over maps {:?}", weight.dims(), x.dims());
    }
    let y = kernels::output(x.shape(), x.dtype(), x.device())?;
    let packed = [&x, weight, bias].into_iter().all(in_packs);
    let packs = packs(y.elem_count(), lanes(&y), packed)?;
    let mut args = vec![Arg::Tensor(&x), Arg::Tensor(weight), Arg::Tensor(bias), Arg::Tensor(&y)];
    let words = [packs, u32::from(packed), h as u32, w as u32, c as u32, u32::from(relu)];
    args.extend(words.map(Arg::U32));
    // SAFETY: a thread a pack of the output; taps outside of the map are passed over.
    unsafe { kernel("depthwise").run(y.dtype(), Grid::each(packs as usize), &args)? };
    Ok(Some(y))
}

/// Biases of all maps, in f32 and side by side, as kernels read them.
pub(crate) fn bias(bias: &Tensor) -> Result<Tensor> {
    bias.to_dtype(DType::F32)?.contiguous()
}
