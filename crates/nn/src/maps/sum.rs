//! Sums of maps.

use candle_core::{Result, Tensor, bail};

use super::{Filled, Pending, View, card, on_cpu, places, readable, relu};
use crate::kernels;

/// ReLU(x) + y: (b, h, w, c) -> (b, h, w, c).
pub fn relu_plus(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    if !on_cpu(x) {
        return crate::relu::relu(x)? + y;
    }
    let (x_read, y_read) = (readable(x)?, readable(y)?);
    let ((x_storage, x_layout), (y_storage, y_layout)) =
        (x_read.storage_and_layout(), y_read.storage_and_layout());
    let (x_view, y_view) = (View::new(&x_storage, x_layout)?, View::new(&y_storage, y_layout)?);
    same(x_view.dims, y_view.dims)?;
    let sum = |map, y, column, out: &mut Filled| {
        let pairs = x_view.at(map, y, column).iter().zip(y_view.at(map, y, column));
        out.iter_mut().zip(pairs).for_each(|(out, (x, y))| {
            out.write(relu(*x) + y);
        });
    };
    // SAFETY: maps of one shape have as many channels.
    let numbers = unsafe { places(x_view.dims, sum) };
    Tensor::from_vec(numbers, x_view.dims, x.device())?.to_dtype(x.dtype())
}

/// Puts chunks of channels side by side, twice, and adds: ReLU(cat(first) + cat(second) + bias + residual). Chunks are
/// (b, h, w, c / n), n of them, a bias (c) in f32; the result is (b, h, w, c).
pub fn join_chunks(
    first: &[Tensor],
    second: &[Tensor],
    bias: Option<&Tensor>,
    residual: &Pending,
) -> Result<Tensor> {
    if kernels::take(&residual.maps) && first.len() <= card::CHUNKS {
        let dims = residual.maps.dims4()?;
        let width = dims.3 / first.len().max(1);
        let chunks = first.iter().chain(second);
        let fit = |chunk: &Tensor| {
            chunk.dims() == [dims.0, dims.1, dims.2, width] && chunk.dtype() == residual.maps.dtype()
        };
        if first.len() != second.len() || width * first.len() != dims.3 || !chunks.into_iter().all(fit) {
            bail!("{} chunks of channels do not fill maps {dims:?}", first.len());
        }
        return card::join_chunks(first, second, bias, residual);
    }
    let residual = residual.ready()?;
    if !on_cpu(residual) || bias.is_some() {
        let mut sum = (Tensor::cat(first, 3)? + Tensor::cat(second, 3)?)?;
        if let Some(bias) = bias {
            sum = sum.broadcast_add(&bias.to_dtype(sum.dtype())?)?;
        }
        return crate::relu::relu(&(sum + residual)?);
    }
    let read = |chunks: &[Tensor]| chunks.iter().map(readable).collect::<Result<Vec<_>>>();
    let (first, second, residual_read) = (read(first)?, read(second)?, readable(residual)?);
    let storages: Vec<_> =
        first.iter().zip(&second).map(|(a, b)| (a.storage_and_layout(), b.storage_and_layout())).collect();
    let pairs = storages.iter().map(|(a, b)| {
        let (a, b) = (View::new(&a.0, a.1)?, View::new(&b.0, b.1)?);
        same(a.dims, b.dims)?;
        Ok((a, b))
    });
    let pairs = pairs.collect::<Result<Vec<_>>>()?;
    let (storage, layout) = residual_read.storage_and_layout();
    let residual_view = View::new(&storage, layout)?;
    let dims @ (b, h, w, c) = residual_view.dims;
    let width = c / pairs.len().max(1);
    if width * pairs.len() != c || pairs.iter().any(|(chunk, _)| chunk.dims != (b, h, w, width)) {
        bail!("{} chunks of channels do not fill maps {dims:?}", pairs.len());
    }
    let sum = |map, y, column, out: &mut Filled| {
        let residual = residual_view.at(map, y, column).chunks_exact(width);
        for ((out, residual), (a, b)) in out.chunks_exact_mut(width).zip(residual).zip(&pairs) {
            let sums = a.at(map, y, column).iter().zip(b.at(map, y, column)).zip(residual);
            out.iter_mut().zip(sums).for_each(|(out, ((a, b), residual))| {
                out.write(relu(a + b + residual));
            });
        }
    };
    // SAFETY: the chunks fill the channels, as checked above.
    let numbers = unsafe { places(dims, sum) };
    Tensor::from_vec(numbers, dims, residual.device())?.to_dtype(residual.dtype())
}

fn same(a: (usize, usize, usize, usize), b: (usize, usize, usize, usize)) -> Result<()> {
    if a != b {
        bail!("maps of the shapes {a:?} and {b:?} cannot be added");
    }
    Ok(())
}
