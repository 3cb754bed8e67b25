//! Rank-N-Contrast on a card (`cuda/rank_n_contrast.cu`).

use candle_core::{DType, Result, Tensor};

use crate::kernels::{self, Arg, Grid, Kernel};
use crate::node::Node;

/// The loss () of the representations `rows` (n, d) with `labels` (n), n at least 2, at the temperature 2, label
/// distances within 1e-4 being equal: in f64, whatever the type of the rows, where they lie, with a gradient and without a
/// wait. `None` where kernels for cards do not take the rows.
///
/// # Errors
/// Other shapes, and what the driver reports.
pub fn rank_n_contrast_on_card(rows: &Tensor, labels: &Tensor) -> Result<Option<Tensor>> {
    let (n, width) = rows.dims2()?;
    if !kernels::take(rows) || !labels.device().same_device(rows.device()) {
        return Ok(None);
    }
    if n < 2 || width == 0 || labels.dims() != [n] {
        candle_core::bail!("rank-n-contrast of {n} rows of {width} numbers, labels {:?}", labels.dims());
    }
    let rows = rows.contiguous()?;
    let labels = labels.to_dtype(DType::F32)?.contiguous()?;
    let room = |shape: &[usize]| kernels::output(shape, DType::F64, rows.device());
    let (similarities, denominators, pulls) = (room(&[n, n])?, room(&[n, n])?, room(&[n, n])?);
    let sums = room(&[n])?;
    let args = [
        Arg::Tensor(&rows),
        Arg::Tensor(&labels),
        Arg::Tensor(&similarities),
        Arg::Tensor(&denominators),
        Arg::Tensor(&pulls),
        Arg::Tensor(&sums),
        Arg::U32(n as u32),
        Arg::U32(width as u32),
    ];
    // SAFETY: a block an anchor, which has a row of `n` of each and a sum.
    unsafe { kernel("anchors").run(rows.dtype(), Grid::rows(n, 128), &args)? };
    let here = rows.detach();
    let backward = move |_: &Tensor, slope: &Tensor| Ok(vec![Some(gradient(&here, &pulls, slope)?)]);
    let loss = Node::empty("rank-n-contrast", (), rows.dtype(), backward).of(&[&rows])?;
    let args = [Arg::Tensor(&sums), Arg::Tensor(&loss), Arg::U32(n as u32)];
    // SAFETY: there are `n` sums.
    unsafe { kernel("loss").run(rows.dtype(), Grid::rows(1, 128), &args)? };
    Ok(Some(loss))
}

fn gradient(rows: &Tensor, pulls: &Tensor, slope: &Tensor) -> Result<Tensor> {
    let (n, width) = rows.dims2()?;
    let gradient = kernels::output(rows.shape(), rows.dtype(), rows.device())?;
    let args = [
        Arg::Tensor(rows),
        Arg::Tensor(pulls),
        Arg::Tensor(slope),
        Arg::Tensor(&gradient),
        Arg::U32(n as u32),
        Arg::U32(width as u32),
    ];
    // SAFETY: a block a row of `width` numbers; `n` by `n` pulls.
    unsafe { kernel("gradient").run(rows.dtype(), Grid::rows(n, 128), &args)? };
    Ok(gradient)
}

fn kernel(name: &'static str) -> Kernel {
    Kernel { file: "rank_n_contrast", name }
}
