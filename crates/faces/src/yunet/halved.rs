//! Maxima over 2 x 2 places with the channels last.
//!
//! Candle's element-wise operations share large maps out among threads of their own, which wait in a loop. Beside
//! rayon's threads on two cores that cost a batch of small pictures a third of its time; here it is one pass.

use affekt_nn::maps;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// The largest of every four neighbours: (b, h, w, c) -> (b, h / 2, w / 2, c), both sides even. NaN stays NaN.
pub fn halved(map: &Tensor) -> Result<Tensor> {
    let (_, height, width, _) = map.dims4()?;
    if height % 2 != 0 || width % 2 != 0 {
        bail!("a map of {height} x {width} places cannot be halved");
    }
    if let Some(pooled) = maps::halved(map)? {
        return Ok(pooled);
    }
    if map.device().is_cpu() && map.dtype() == DType::F32 {
        return map.contiguous()?.apply_op1_no_bwd(&Largest);
    }
    let pooled = map.permute((0, 3, 1, 2))?.contiguous()?.max_pool2d(2)?; // (b, c, h / 2, w / 2)
    pooled.permute((0, 2, 3, 1))?.contiguous()
}

/// The kernel, for a contiguous map in f32.
struct Largest;

impl CustomOp1 for Largest {
    fn name(&self) -> &'static str {
        "halved"
    }

    fn cpu_fwd(&self, map: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (b, height, width, c) = layout.shape().dims4()?;
        let Some((from, to)) = layout.contiguous_offsets() else { bail!("a map that is not contiguous") };
        let map = &map.as_slice::<f32>()?[from..to];
        let row = width * c;
        let mut out = vec![0f32; map.len() / 4];
        if !out.is_empty() {
            let arch = pulp::Arch::new();
            let rows = out.par_chunks_mut(row / 2).zip(map.par_chunks(2 * row)).with_min_len(8);
            rows.for_each(|(out, pair)| arch.dispatch(|| largest(pair.split_at(row), c, out)));
        }
        Ok((CpuStorage::F32(out), (b, height / 2, width / 2, c).into()))
    }
}

/// One row of the result from two rows of the map.
#[inline(always)]
fn largest((upper, lower): (&[f32], &[f32]), c: usize, out: &mut [f32]) {
    let pairs = upper.chunks_exact(2 * c).zip(lower.chunks_exact(2 * c));
    for (out, (upper, lower)) in out.chunks_exact_mut(c).zip(pairs) {
        let (left, right) = upper.split_at(c);
        let (lower_left, lower_right) = lower.split_at(c);
        for channel in 0..c {
            let above = larger(left[channel], right[channel]);
            out[channel] = larger(above, larger(lower_left[channel], lower_right[channel]));
        }
    }
}

/// Unlike `f32::max`, this keeps NaN for the gate behind the network.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a < b || b.is_nan() { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_testkit::assert_close;
    use candle_core::Device;

    #[test]
    fn maxima_are_candles_and_keep_nan() {
        for shape in [(1, 2, 2, 16), (2, 6, 4, 64), (1, 40, 10, 3), (1, 0, 2, 5)] {
            let map = affekt_testkit::noise(0.0, 1.0, shape);
            let want = map.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
            if want.elem_count() > 0 {
                let want = want.max_pool2d(2).unwrap().permute((0, 2, 3, 1)).unwrap();
                assert_close("halved", &halved(&map).unwrap(), &want, 0.0);
            }
        }
        for place in 0..4 {
            let values: Vec<f32> = (0..4).map(|at| if at == place { f32::NAN } else { 1.0 }).collect();
            let map = Tensor::from_vec(values, (1, 2, 2, 1), &Device::Cpu).unwrap();
            let out: Vec<f32> = halved(&map).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            assert!(out[0].is_nan(), "{place}");
        }
        assert!(halved(&Tensor::zeros((1, 3, 2, 1), DType::F32, &Device::Cpu).unwrap()).is_err());
    }
}
