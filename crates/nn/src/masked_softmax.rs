//! Softmax of attention scores behind a mask.

use crate::vectorised::vectorised;
use candle_core::{CpuStorage, DType, InplaceOp1, InplaceOp2, Layout, Result, Tensor, bail};
use rayon::prelude::*;

use crate::exp::{LANES, exp, largest};

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
}
