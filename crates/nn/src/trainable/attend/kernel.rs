//! Attention of a batch on the CPU, one clip a task.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::super::Frames;
use super::super::frames::Sum;
use super::clip::{Clip, FramesSum, Kept, Projection, Scratch, Sums};
use crate::cpu::Numbers;
use crate::dropout::Mask;

/// Clips whose gradients of the projection are summed one after the other. The groups are added in their order, so that a
/// sum does not depend on the number of threads.
const GROUP: usize = 4;

/// Arguments in candle's graph: the token of the frames, the joined projection (D, D + 1), the queries (b, n, D).
pub(super) struct Attend {
    /// (b, t, D)
    rows: Tensor,
    lengths: Option<Arc<[usize]>>,
    /// Where the gradient of the frames is summed; `None` where they have none.
    sum: Option<Sum>,
    scale: f32,
    mask: Option<Mask>,
    kept: Mutex<Vec<Kept>>,
}

impl Attend {
    pub fn new(frames: &Frames, scale: f64, mask: Option<Mask>) -> Self {
        Self {
            rows: frames.rows(),
            lengths: frames.lengths().cloned(),
            sum: frames.token().track_op().then(|| frames.sum.clone()),
            scale: scale as f32,
            mask,
            kept: Mutex::default(),
        }
    }

    /// Applied to contiguous arguments, with a gradient.
    pub fn apply(self, frames: &Frames, joined: &Tensor, queries: &Tensor) -> Result<Tensor> {
        frames.token().apply_op3(joined, queries, self)
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clip<'a>(
        &self,
        at: usize,
        (rows, queries): (&'a [f32], &'a [f32]),
        projection: &'a Projection,
    ) -> Result<Clip<'a>> {
        let (b, t, dim) = self.rows.dims3()?;
        let n = queries.len() / (b * dim);
        Ok(Clip {
            rows: &rows[at * t * dim..][..t * dim],
            start: (at * t * dim) as u32,
            length: self.lengths.as_ref().map_or(t, |lengths| lengths[at]),
            queries: &queries[at * n * dim..][..n * dim],
            dim,
            scale: self.scale,
            mask: self.mask,
            projection,
        })
    }

    /// Gradients of the joined projection and of the queries; that of the frames is added to their sum.
    fn backward(&self, joined: &Tensor, queries: &Tensor, gradient: &Tensor) -> Result<(Tensor, Tensor)> {
        let (b, t, dim) = self.rows.dims3()?;
        let gradient = gradient.contiguous()?;
        let projection = Projection::new(&Numbers::of(joined)?, dim);
        let (rows, asked, gradient) =
            (Numbers::of(&self.rows)?, Numbers::of(queries)?, Numbers::of(&gradient)?);
        let (rows, asked, gradient): (&[f32], &[f32], &[f32]) = (&rows, &asked, &gradient);
        let each = gradient.len() / b;
        let kept = self.kept();
        let mut sum = self.sum.as_ref().map(|sum| sum.lock().unwrap_or_else(PoisonError::into_inner));
        let first = sum.as_ref().is_some_and(|sum| sum.is_none());
        let mut frames: Vec<Option<&mut [f32]>> = match &mut sum {
            Some(sum) => {
                let sum = sum.get_or_insert_with(|| vec![0.0; rows.len()]);
                sum.chunks_mut(GROUP * t * dim).map(Some).collect()
            }
            None => (0..b.div_ceil(GROUP)).map(|_| None).collect(),
        };
        let group = |(group, frames): (usize, &mut Option<&mut [f32]>)| -> Result<(Sums, Vec<f32>)> {
            let (mut sums, mut scratch) = (Sums::zeros(dim), Scratch::default());
            let mut queries = Vec::with_capacity(GROUP * each);
            for at in group * GROUP..b.min((group + 1) * GROUP) {
                let clip = self.clip(at, (rows, asked), &projection)?;
                let frames = frames
                    .as_mut()
                    .map(|frames| FramesSum { rows: &mut frames[at % GROUP * t * dim..][..t * dim], first });
                let gradient = &gradient[at * each..][..each];
                queries.extend(clip.backward(&kept[at], gradient, &mut scratch, &mut sums, frames));
            }
            Ok((sums, queries))
        };
        let groups: Vec<_> =
            frames.par_iter_mut().enumerate().with_max_len(1).map(group).collect::<Result<_>>()?;
        let (sums, asked): (Vec<_>, Vec<_>) = groups.into_iter().unzip();
        let queries = Tensor::from_vec(asked.concat(), queries.shape(), queries.device())?;
        Ok((Tensor::from_vec(Sums::joined(&sums, dim), joined.shape(), joined.device())?, queries))
    }
}

impl CustomOp3 for Attend {
    fn name(&self) -> &'static str {
        "attend"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        joined: &CpuStorage,
        joined_layout: &Layout,
        queries: &CpuStorage,
        queries_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (b, _, dim) = self.rows.dims3()?;
        let projection = Projection::new(numbers(joined, joined_layout)?, dim);
        let queries = numbers(queries, queries_layout)?;
        let rows = Numbers::of(&self.rows)?;
        let rows: &[f32] = &rows;
        let clips: Vec<(Kept, Vec<f32>)> = (0..b)
            .into_par_iter()
            .with_max_len(1)
            .map_init(Scratch::default, |scratch, at| {
                Ok(self.clip(at, (rows, queries), &projection)?.forward(scratch))
            })
            .collect::<Result<_>>()?;
        let (kept, found): (Vec<_>, Vec<_>) = clips.into_iter().unzip();
        *self.kept() = kept;
        Ok((CpuStorage::F32(found.concat()), queries_layout.shape().clone()))
    }

    fn bwd(
        &self,
        token: &Tensor,
        joined: &Tensor,
        queries: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (joined, queries) = self.backward(joined, queries, gradient)?;
        let token = self.sum.as_ref().map(|_| token.zeros_like()).transpose()?;
        Ok((token, Some(joined), Some(queries)))
    }
}

/// The numbers of a contiguous argument.
fn numbers<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else { bail!("attention got a view") };
    Ok(&storage.as_slice::<f32>()?[start..end])
}
