//! Softmax of attention scores behind a mask.

use crate::vectorised::vectorised;
use candle_core::{CpuStorage, DType, InplaceOp1, InplaceOp2, Layout, Result, Tensor, bail};
use rayon::prelude::*;

use crate::exp::{LANES, exp, largest};
use crate::kernels::{self, Arg, Grid, Kernel};

/// Softmax over the keys of `scores` (b, heads, queries, keys), to which `mask` (1 or b, 1, queries, keys), f32, is
/// added. In f32 whatever the scores' type; without a backward pass.
///
/// Takes the scores, and on the CPU writes over them: nobody else may hold their storage.
pub fn masked_softmax(scores: Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    if scores.device().is_cpu() && scores.dtype() == DType::F32 && scores.is_contiguous() {
        match mask {
            Some(mask) => scores.inplace_op2(&mask.contiguous()?, &Softmax)?,
            None => scores.inplace_op1(&Softmax)?,
        }
        return Ok(scores);
    }
    let dtype = scores.dtype();
    let scores = scores.to_dtype(DType::F32)?;
    let scores = match mask {
        Some(mask) => scores.broadcast_add(mask)?,
        None => scores,
    };
    candle_nn::ops::softmax_last_dim(&scores)?.to_dtype(dtype)
}

/// What positions of whole sequences see: the past and themselves, as far as it is there. Made once for all layers of a
/// pass.
#[derive(Clone, Debug)]
pub enum Causal {
    /// Added to the scores, (1 or b, 1, t, t): 0, or the lowest f32 where a position may not look.
    Added(Tensor),
    /// For a card's kernel, which follows the rule itself: (b, t), u32, 0 for what is not there.
    Ruled(Option<Tensor>),
}

impl Causal {
    /// `padding` (b, t) is 1 for positions that are there, among sequences like `like` (b, t, width).
    ///
    /// A padded position has nothing to attend to: the finite lowest value then makes its weights equal instead of NaN,
    /// as in the reference; what comes of it means nothing.
    pub fn new(padding: Option<&Tensor>, like: &Tensor) -> Result<Self> {
        let (b, t, _) = like.dims3()?;
        if let Some(padding) = padding
            && padding.dims() != [b, t]
        {
            bail!("attention mask is {:?}, wanted ({b}, {t})", padding.dims());
        }
        if kernels::take(like) {
            let there = |padding: &Tensor| padding.ne(0u32)?.to_dtype(DType::U32)?.contiguous();
            return Ok(Self::Ruled(padding.map(there).transpose()?));
        }
        let rows = match padding {
            Some(padding) => padding.to_dtype(DType::F32)?.to_vec2::<f32>()?,
            None => vec![vec![1.0; t]],
        };
        let may_attend = |row: &[f32], query: usize, key: usize| key <= query && row[key] != 0.0;
        let mut mask = Vec::with_capacity(rows.len() * t * t);
        for row in &rows {
            for query in 0..t {
                mask.extend((0..t).map(|key| if may_attend(row, query, key) { 0.0 } else { f32::MIN }));
            }
        }
        Ok(Self::Added(Tensor::from_vec(mask, (rows.len(), 1, t, t), like.device())?))
    }

    /// Softmax over the keys of `scores` (b, heads, t, t), as [`masked_softmax`] takes them: nobody else may hold their
    /// storage.
    pub fn softmax(&self, scores: Tensor) -> Result<Tensor> {
        let there = match self {
            Self::Added(mask) => return masked_softmax(scores, Some(mask)),
            Self::Ruled(there) => there.as_ref(),
        };
        let (b, heads, queries, keys) = scores.dims4()?;
        let fits = there.is_none_or(|there| there.dims() == [b, keys]);
        if queries != keys || !fits || !kernels::take(&scores) {
            bail!("scores {:?} of sequences {:?}", scores.dims(), there.map(Tensor::dims));
        }
        let scores = scores.contiguous()?;
        let rows = b * heads * queries;
        let args = [
            Arg::Tensor(&scores),
            there.into(),
            Arg::U64(rows as u64),
            Arg::U32(heads as u32),
            Arg::U32(keys as u32),
        ];
        let kernel = Kernel { file: "causal_softmax", name: "causal_softmax" };
        // SAFETY: a warp a row, and eight warps a block; rows behind the last do nothing.
        unsafe { kernel.run(scores.dtype(), Grid::rows(rows.div_ceil(8), 256), &args)? };
        Ok(scores)
    }
}

struct Softmax;

impl InplaceOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, scores: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (_, _, queries, keys) = layout.shape().dims4()?;
        let scores = numbers(scores, layout)?;
        scores.par_chunks_mut((queries * keys).max(1)).for_each(|head| {
            head.chunks_exact_mut(keys).for_each(|row| {
                vectorised(
                    #[inline(always)]
                    || softmax(row),
                );
            });
        });
        Ok(())
    }
}

impl InplaceOp2 for Softmax {
    fn name(&self) -> &'static str {
        "masked_softmax"
    }

    fn cpu_fwd(
        &self,
        scores: &mut CpuStorage,
        layout: &Layout,
        mask: &CpuStorage,
        mask_layout: &Layout,
    ) -> Result<()> {
        let (b, heads, queries, keys) = layout.shape().dims4()?;
        let masks = mask_layout.dims()[0];
        if mask_layout.dims()[1..] != [1, queries, keys] || (masks != 1 && masks != b) {
            bail!("a mask {:?} for scores {:?}", mask_layout.dims(), layout.dims());
        }
        let size = queries * keys;
        let mask = &mask.as_slice::<f32>()?[mask_layout.start_offset()..][..masks * size];
        let scores = numbers(scores, layout)?;
        scores.par_chunks_mut(size.max(1)).enumerate().for_each(|(at, head)| {
            let from = if masks == 1 { 0 } else { at / heads * size };
            let rows = head.chunks_exact_mut(keys).zip(mask[from..from + size].chunks_exact(keys));
            rows.for_each(|(row, mask)| {
                vectorised(
                    #[inline(always)]
                    || {
                        row.iter_mut().zip(mask).for_each(|(score, mask)| *score += mask);
                        softmax(row);
                    },
                );
            });
        });
        Ok(())
    }
}

fn numbers<'s>(storage: &'s mut CpuStorage, layout: &Layout) -> Result<&'s mut [f32]> {
    let CpuStorage::F32(numbers) = storage else { bail!("scores that are not f32") };
    Ok(&mut numbers[layout.start_offset()..][..layout.shape().elem_count()])
}

/// Softmax of one row in place. NaN anywhere makes all of it NaN.
#[inline(always)]
pub(crate) fn softmax(row: &mut [f32]) {
    let top = largest(row);
    let mut sums = [0f32; LANES];
    let mut blocks = row.chunks_exact_mut(LANES);
    for block in &mut blocks {
        for lane in 0..LANES {
            block[lane] = exp(block[lane] - top);
            sums[lane] += block[lane];
        }
    }
    let mut sum: f32 = sums.iter().sum();
    for x in blocks.into_remainder() {
        *x = exp(*x - top);
        sum += *x;
    }
    let scale = 1.0 / sum;
    row.iter_mut().for_each(|x| *x *= scale);
}

#[cfg(test)]
mod tests {
    use affekt_testkit::assert_close;
    use candle_core::Device;

    use super::*;

    #[test]
    fn it_is_softmax_of_the_sum() {
        for keys in [1, 15, 16, 77] {
            let scores = affekt_testkit::noise(0.0, 5.0, (2, 3, 4, keys));
            let plain = candle_nn::ops::softmax_last_dim(&scores).unwrap();
            assert_close("plain", &masked_softmax(scores.copy().unwrap(), None).unwrap(), &plain, 1e-5);
            for masks in [1, 2] {
                let mask = affekt_testkit::noise(0.0, 3.0, (masks, 1, 4, keys));
                let sum = scores.broadcast_add(&mask).unwrap();
                let want = candle_nn::ops::softmax_last_dim(&sum).unwrap();
                let got = masked_softmax(scores.copy().unwrap(), Some(&mask)).unwrap();
                assert_close("masked", &got, &want, 1e-5);
            }
        }
    }

    #[test]
    fn what_is_masked_weighs_exactly_nothing_and_nan_is_not_lost() {
        let scores = Tensor::new(&[[[[1f32, 2.0, 3.0]]]], &Device::Cpu).unwrap();
        let mask = Tensor::new(&[[[[0f32, f32::MIN, 0.0]]]], &Device::Cpu).unwrap();
        let got = masked_softmax(scores, Some(&mask)).unwrap().flatten_all().unwrap();
        assert_eq!(got.to_vec1::<f32>().unwrap()[1], 0.0);
        let scores = Tensor::new(&[[[[1f32, f32::NAN, 3.0]]]], &Device::Cpu).unwrap();
        let got = masked_softmax(scores, None).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(got.iter().all(|x| x.is_nan()), "{got:?}");
        let wrong = Tensor::zeros((1, 1, 2, 3), DType::F32, &Device::Cpu).unwrap();
        let scores = Tensor::zeros((1, 1, 1, 3), DType::F32, &Device::Cpu).unwrap();
        assert!(masked_softmax(scores, Some(&wrong)).is_err());
    }

    #[test]
    fn positions_see_the_past_and_themselves_in_every_type() {
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F16, 4e-3), (DType::BF16, 4e-2)] {
            for (b, heads, t) in [(1, 1, 1), (2, 3, 5), (3, 2, 77)] {
                let like = Tensor::zeros((b, t, 4), dtype, &Device::Cpu).unwrap();
                // The first positions of the second sequence and the last of the third are padding.
                let there = |row: usize, at: usize| !(row == 1 && at < t / 2 || row == 2 && at > t / 2);
                let padding = (0..b * t).map(|at| i64::from(there(at / t, at % t)));
                let padding = Tensor::from_iter(padding, &Device::Cpu).unwrap().reshape((b, t)).unwrap();
                for padding in [None, Some(&padding)] {
                    let scores = affekt_testkit::noise(0.0, 4.0, (b, heads, t, t)).to_dtype(dtype).unwrap();
                    let causal = Causal::new(padding, &like).unwrap();
                    let got = causal.softmax(scores.copy().unwrap()).unwrap().to_dtype(DType::F32).unwrap();
                    let scores: Vec<f32> =
                        scores.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap();
                    let mut want = Vec::new();
                    for (row, scores) in scores.chunks(t).enumerate() {
                        let (text, query) = (row / t / heads, row % t);
                        let sees = |key: usize| key <= query && (padding.is_none() || there(text, key));
                        let weight = |key: usize| if sees(key) { f64::from(scores[key]).exp() } else { 0.0 };
                        let sum: f64 = (0..t).map(weight).sum();
                        let share = |key| if sum == 0.0 { 1.0 / t as f64 } else { weight(key) / sum };
                        want.extend((0..t).map(|key| share(key) as f32));
                    }
                    let want = Tensor::from_vec(want, (b, heads, t, t), &Device::Cpu).unwrap();
                    assert_close(&format!("{dtype:?} {t}"), &got, &want, tolerance);
                }
            }
        }
        let like = Tensor::zeros((2, 2, 8), DType::F32, &Device::Cpu).unwrap();
        let padding = Tensor::ones((2, 3), DType::I64, &Device::Cpu).unwrap();
        assert!(Causal::new(Some(&padding), &like).is_err(), "a mask of another size");
        let nan = Tensor::new(&[[[[1f32, 0.0], [f32::NAN, 2.0]]]], &Device::Cpu).unwrap();
        let got = Causal::new(None, &like).unwrap().softmax(nan).unwrap().flatten_all().unwrap();
        let got = got.to_vec1::<f32>().unwrap();
        assert!(got[..2] == [1.0, 0.0] && got[2..].iter().all(|x| x.is_nan()), "{got:?}");
    }
}
