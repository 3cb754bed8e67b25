//! Sequences that several attentions read.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor, bail};

use super::card;
use crate::cpu::takes;
use crate::kernels;

/// Frames of a batch of clips: (b, t, D), of which a clip may have less than t.
///
/// The frames are large, and several attentions give them a gradient: on the CPU all of them add theirs to one sum in
/// place, clip by clip while it is in the cache, where candle would make a new tensor for each.
#[derive(Clone, Debug)]
pub struct Frames {
    /// Contiguous where kernels take them.
    rows: Tensor,
    lengths: Option<Arc<[usize]>>,
    /// Stands in the graph for the frames that kernels read; what it holds means nothing.
    token: Tensor,
    pub(super) sum: Sum,
    /// As `lengths`, (b) in u32, where kernels for cards read them.
    lengths_on_card: Option<Tensor>,
    /// As `sum`, (b, t, D), for kernels for cards.
    pub(super) sum_on_card: Arc<Mutex<Option<Tensor>>>,
}

/// The gradient of frames, as far as it is known. It is given to them once every attention has added its part: in a
/// backward pass a node comes after all that use it.
pub(super) type Sum = Arc<Mutex<Option<Vec<f32>>>>;

impl Frames {
    /// Takes `rows` (b, t, D). With `lengths`, 1 to t for each clip, the rows behind a clip's length take no part, and get
    /// no gradient; without, all take part. Numbers of rows without a part must be finite.
    ///
    /// # Errors
    /// Lengths that do not fit the rows; a batch, rows or a width of nothing.
    pub fn new(rows: &Tensor, lengths: Option<&[usize]>) -> Result<Self> {
        let (b, t, dim) = rows.dims3()?;
        if b * t * dim == 0 {
            bail!("no frames to attend to: {:?}", rows.dims());
        }
        if let Some(lengths) = lengths
            && (lengths.len() != b || lengths.iter().any(|length| !(1..=t).contains(length)))
        {
            bail!("lengths {lengths:?} do not fit {b} clips of 1 to {t} frames");
        }
        let lengths: Option<Arc<[usize]>> =
            lengths.filter(|lengths| lengths.iter().any(|&length| length < t)).map(Arc::from);
        let sum = Sum::default();
        let sum_on_card = Arc::<Mutex<Option<Tensor>>>::default();
        let mut lengths_on_card = None;
        let (rows, token) = match (kernels::take(rows), takes(rows)) {
            (true, _) => {
                if let Some(lengths) = &lengths {
                    let lengths: Vec<u32> = lengths.iter().map(|&length| length as u32).collect();
                    lengths_on_card = Some(Tensor::from_vec(lengths, b, rows.device())?);
                }
                let sum = sum_on_card.clone();
                let gather = move |_: &Tensor, _: &Tensor| {
                    let sum = sum.lock().unwrap_or_else(PoisonError::into_inner).take();
                    let Some(sum) = sum else { bail!("frames whose gradient nobody has added to") };
                    Ok(vec![Some(sum)])
                };
                let rows = rows.contiguous()?;
                let token = card::token("frames", rows.dtype(), &[&rows], gather)?;
                (rows, token)
            }
            (_, true) => {
                let rows = rows.contiguous()?;
                let token = rows.apply_op1(Gather { sum: sum.clone() })?;
                (rows, token)
            }
            _ => (rows.clone(), Tensor::zeros((), DType::F32, &Device::Cpu)?),
        };
        Ok(Self { rows, lengths, token, sum, lengths_on_card, sum_on_card })
    }

    /// (b, t, D), to look at: gradients go through [`attend`](super::attend()) alone.
    pub fn rows(&self) -> Tensor {
        self.rows.detach()
    }

    /// With their gradient, which is not that of [`Self::token`].
    pub(super) fn tracked(&self) -> &Tensor {
        &self.rows
    }

    /// What kernels give a gradient of nothing to when they have added to the sum.
    pub(super) fn token(&self) -> &Tensor {
        &self.token
    }

    /// Of each clip, where they differ.
    pub(super) fn lengths(&self) -> Option<&Arc<[usize]>> {
        self.lengths.as_ref()
    }

    /// As [`Self::lengths`], for kernels for cards.
    pub(super) fn lengths_on_card(&self) -> Option<&Tensor> {
        self.lengths_on_card.as_ref()
    }

    /// What padding adds to attention scores: (b, 1, t), 0 or -inf; `None` where every frame takes part.
    pub(super) fn score_bias(&self) -> Result<Option<Tensor>> {
        let Some(lengths) = &self.lengths else { return Ok(None) };
        let (b, t, _) = self.rows.dims3()?;
        let bias = |&length: &usize| (0..t).map(move |at| if at < length { 0f32 } else { f32::NEG_INFINITY });
        let bias = lengths.iter().flat_map(bias).collect();
        Ok(Some(Tensor::from_vec(bias, (b, 1, t), self.rows.device())?))
    }
}

/// Frames to their token; backwards, the sum to the frames.
struct Gather {
    sum: Sum,
}

impl CustomOp1 for Gather {
    fn name(&self) -> &'static str {
        "frames"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    fn bwd(&self, rows: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        let sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(sum) = sum else { bail!("frames whose gradient nobody has added to") };
        Ok(Some(Tensor::from_vec(sum, rows.shape(), rows.device())?))
    }
}
