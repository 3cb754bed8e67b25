//! Dropout whose mask is a function of a key and of each number's place, and of nothing else.

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::cpu::takes;
use crate::kernels::{self, Arg, Grid, Kernel};
use crate::maps::filled;
use crate::node::Node;
use crate::vectorised::vectorised;

/// Numbers of a task.
const TASK: usize = 1 << 14;

/// Where in a training run a dropout stands: what it drops follows from that alone. It is the same for any number of
/// threads and on every device; the backward pass makes the mask again instead of keeping it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropout {
    key: Option<u64>,
}

impl Dropout {
    /// Drops nothing: for everything but training.
    pub const OFF: Self = Self { key: None };

    /// Drops by this key. Two steps of a run need two keys.
    pub fn keyed(key: u64) -> Self {
        Self { key: Some(mixed(key)) }
    }

    /// Independent masks for the layer (or flow, or part) of that name. Names may be nested.
    #[must_use]
    pub fn at(self, name: &str) -> Self {
        let step = |key: u64, byte: u8| mixed(key ^ u64::from(byte)).wrapping_add(1);
        Self { key: self.key.map(|key| mixed(name.bytes().fold(!key, step))) }
    }

    /// Inverted dropout: each number of `x`, of any shape, becomes 0 with the probability `p`, 0 <= p < 1, or else
    /// x / (1 - p). With a gradient. A number that is NaN stays so even where it is dropped.
    ///
    /// The same `Dropout` has the same mask at each call: use [`Self::at`]. Masks repeat after 2^32 numbers.
    ///
    /// # Errors
    /// A probability outside of [0, 1).
    pub fn apply(self, x: &Tensor, p: f64) -> Result<Tensor> {
        let Some(mask) = self.mask(p)? else { return Ok(x.clone()) };
        if kernels::take(x) {
            let x = x.contiguous()?;
            let backward = move |_: &Tensor, gradient: &Tensor| Ok(vec![Some(mask.on_card(gradient)?)]);
            let y = Node::empty("dropout", x.shape(), x.dtype(), backward).of(&[&x])?;
            mask.write(&x, &y)?;
            return Ok(y);
        }
        if takes(x) {
            return x.contiguous()?.apply_op1(mask);
        }
        let factors = vec![1f32; x.elem_count()];
        let factors = Tensor::from_vec(mask.masked(&factors), x.shape(), &candle_core::Device::Cpu)?;
        let factors = match x.dtype() {
            DType::F64 | DType::F32 | DType::F16 | DType::BF16 => factors.to_dtype(x.dtype())?,
            dtype => bail!("dropout of numbers of type {dtype:?}"),
        };
        x * factors.to_device(x.device())?
    }

    /// The mask of probability `p`; `None` where nothing is dropped.
    pub(crate) fn mask(self, p: f64) -> Result<Option<Mask>> {
        if !(0.0..1.0).contains(&p) {
            bail!("a dropout probability of {p}: it lies in 0 <= p < 1");
        }
        let lowest = (p * f64::from(1 << HASH_BITS)).round() as i32;
        Ok(self.key.filter(|_| lowest > 0).map(|key| Mask {
            low: key as u32,
            high: (key >> 32) as u32,
            lowest,
            scale: (1.0 / (1.0 - p)) as f32,
        }))
    }
}

/// Bits of a hash that a probability is compared with: signed comparisons exist on every processor.
const HASH_BITS: u32 = 24;

/// What each number of a tensor is multiplied by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mask {
    low: u32,
    high: u32,
    /// Hashes below it drop their number.
    lowest: i32,
    scale: f32,
}

impl Mask {
    /// Keeps every number as it is.
    pub const NONE: Self = Self { low: 0, high: 0, lowest: 0, scale: 1.0 };

    /// As the kernels of `cuda/mask.cuh` take it.
    pub fn args<'a>(self) -> [Arg<'a>; 4] {
        [Arg::U32(self.low), Arg::U32(self.high), Arg::U32(self.lowest as u32), Arg::F32(self.scale)]
    }

    /// A contiguous `x` times its factors, by a kernel for cards, outside of the graph.
    pub fn on_card(self, x: &Tensor) -> Result<Tensor> {
        let y = kernels::output(x.shape(), x.dtype(), x.device())?;
        self.write(x, &y)?;
        Ok(y)
    }

    fn write(self, x: &Tensor, y: &Tensor) -> Result<()> {
        let count = x.elem_count();
        let [low, high, lowest, scale] = self.args();
        let args = [Arg::Tensor(x), Arg::Tensor(y), Arg::U64(count as u64), low, high, lowest, scale];
        // Four numbers a thread.
        let grid = Grid::each(count.div_ceil(4));
        // SAFETY: the kernel looks at `count`, and both have as many numbers.
        unsafe { Kernel { file: "dropout", name: "dropout" }.run(x.dtype(), grid, &args) }
    }

    /// The factor of the number at `index`, modulo 2^32, of a contiguous tensor: 0 or 1 / (1 - p). For vector loops.
    #[inline(always)]
    pub fn factor(self, index: u32) -> f32 {
        // The two-multiplication mixer of least bias that Wellons' search found ("Prospecting for hash functions"), with
        // one half of the key added to the counter and the other in the middle: streams of two keys are not shifted
        // copies of one another.
        let mut hash = index.wrapping_add(self.low);
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x7feb_352d);
        hash = (hash ^ (hash >> 15) ^ self.high).wrapping_mul(0x846c_a68b);
        hash ^= hash >> 16;
        if (hash >> (32 - HASH_BITS)) as i32 >= self.lowest { self.scale } else { 0.0 }
    }

    /// All numbers of a tensor times their factors.
    fn masked(self, x: &[f32]) -> Vec<f32> {
        let fill = |out: &mut crate::maps::Filled| {
            out.par_chunks_mut(TASK).zip(x.par_chunks(TASK)).enumerate().for_each(|(task, (out, x))| {
                let start = (task * TASK) as u32;
                vectorised(
                    #[inline(always)]
                    || {
                        for (at, (y, x)) in out.iter_mut().zip(x).enumerate() {
                            y.write(x * self.factor(start.wrapping_add(at as u32)));
                        }
                    },
                );
            });
        };
        // SAFETY: the tasks cover all numbers.
        unsafe { filled(x.len(), fill) }
    }
}

impl CustomOp1 for Mask {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Some((start, end)) = layout.contiguous_offsets() else { bail!("dropout of a view") };
        let masked = self.masked(&storage.as_slice::<f32>()?[start..end]);
        Ok((CpuStorage::F32(masked), layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(gradient.contiguous()?.apply_op1_no_bwd(self)?))
    }
}

/// A bijection of 64 bits in which every bit of the result depends on every bit of the input (the finaliser of
/// SplitMix64, over its Weyl step).
fn mixed(key: u64) -> u64 {
    let key = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ (key >> 31)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    /// 1 where a number is kept.
    fn kept(dropout: Dropout, count: usize, p: f64) -> Vec<f32> {
        let ones = Tensor::ones(count, DType::F32, &Device::Cpu).unwrap();
        let kept: Vec<f32> = dropout.apply(&ones, p).unwrap().to_vec1().unwrap();
        kept.into_iter().map(|x| if x > 0.0 { 1.0 } else { 0.0 }).collect()
    }

    fn correlation(a: &[f32], b: &[f32], p: f64) -> f64 {
        let sum: f64 =
            a.iter().zip(b).map(|(a, b)| (f64::from(*a) - 1.0 + p) * (f64::from(*b) - 1.0 + p)).sum();
        sum / (a.len().min(b.len()) as f64 * p * (1.0 - p))
    }

    #[test]
    fn it_drops_at_its_rate_and_keeps_the_mean() {
        let count = 1 << 20;
        for p in [0.1, 0.3, 0.5, 0.9] {
            for seed in 0..4 {
                let kept = kept(Dropout::keyed(seed), count, p);
                let rate = kept.iter().map(|&x| f64::from(x)).sum::<f64>() / count as f64;
                let deviation = (p * (1.0 - p) / count as f64).sqrt();
                assert!((rate - 1.0 + p).abs() < 5.0 * deviation, "{p}: kept {rate}");
            }
            let ones = Tensor::ones(count, DType::F32, &Device::Cpu).unwrap();
            let mean = Dropout::keyed(7).apply(&ones, p).unwrap().mean_all().unwrap();
            assert!((mean.to_scalar::<f32>().unwrap() - 1.0).abs() < 0.02);
        }
    }

    #[test]
    fn masks_are_noise_along_their_places() {
        let (count, p) = (1 << 20, 0.5);
        let limit = 5.0 / (count as f64).sqrt();
        let mask = kept(Dropout::keyed(1), count, p);
        for lag in [1, 2, 3, 4, 8, 16, 32, 255, 256, 257, 1024, 4096, 65_536, 40 * 256, 365 * 256] {
            let correlation = correlation(&mask, &mask[lag..], p);
            assert!(correlation.abs() < 2.0 * limit, "lag {lag}: {correlation}");
        }
        // Words of 8 places are all as frequent: chi-square with 255 degrees of freedom.
        let mut counts = [0f64; 256];
        for word in mask.chunks_exact(8) {
            counts[word.iter().fold(0, |word, &bit| 2 * word + bit as usize)] += 1.0;
        }
        let mean = (count / 8 / 256) as f64;
        let chi: f64 = counts.iter().map(|count| (count - mean).powi(2) / mean).sum();
        assert!((150.0..370.0).contains(&chi), "{chi}");
    }

    #[test]
    fn names_and_keys_have_uncorrelated_masks() {
        let (count, p) = (1 << 18, 0.3);
        let root = Dropout::keyed(0);
        let streams = [
            root,
            Dropout::keyed(1),
            Dropout::keyed(1 << 32),
            Dropout::keyed(u64::MAX),
            root.at("fra2utt_0"),
            root.at("fra2utt_1"),
            root.at("complete").at("fra2utt_0"),
            root.at("fra2utt_0").at("complete"),
            root.at("a"),
            root.at("b"),
            root.at("ab"),
            root.at(""),
        ];
        let masks = streams.map(|stream| kept(stream, count, p));
        for (at, a) in masks.iter().enumerate() {
            for b in &masks[at + 1..] {
                for lag in [0, 1, 256] {
                    let correlation = correlation(a, &b[lag..], p);
                    assert!(
                        correlation.abs() < 5.5 / (count as f64).sqrt(),
                        "{at}, lag {lag}: {correlation}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_key_has_one_mask_whatever_the_threads_and_the_type() {
        let x = affekt_testkit::noise(0.0, 1.0, &[3, 70, 301]);
        let dropout = Dropout::keyed(5).at("layer");
        let numbers = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let want = numbers(&dropout.apply(&x, 0.4).unwrap());
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| numbers(&dropout.apply(&x, 0.4).unwrap())), want);
        }
        let view = x.transpose(0, 1).unwrap();
        let (got, whole) = (dropout.apply(&view, 0.4).unwrap(), view.contiguous().unwrap());
        assert_eq!(numbers(&got), numbers(&dropout.apply(&whole, 0.4).unwrap()));
        let wide = dropout.apply(&x.to_dtype(DType::F64).unwrap(), 0.4).unwrap();
        let zeros = |x: &[f32]| x.iter().map(|&x| x == 0.0).collect::<Vec<_>>();
        assert_eq!(zeros(&numbers(&wide.to_dtype(DType::F32).unwrap())), zeros(&want));
    }

    #[test]
    fn every_type_drops_the_same_numbers_forward_and_backward() {
        for count in [1, 7, 1023, 1024, 1025, 5000] {
            let wide = affekt_testkit::noise(1.5, 0.1, count);
            let want = kept(Dropout::keyed(8), count, 0.4);
            for dtype in [DType::F32, DType::F16, DType::BF16] {
                let x = Var::from_tensor(&wide.to_dtype(dtype).unwrap()).unwrap();
                let y = Dropout::keyed(8).apply(&x, 0.4).unwrap();
                let gradient = y.sum_all().unwrap().backward().unwrap().get(&x).unwrap().clone();
                for numbers in [y, gradient] {
                    let numbers: Vec<f32> = numbers.to_dtype(DType::F32).unwrap().to_vec1().unwrap();
                    let got: Vec<f32> = numbers.iter().map(|x| if *x > 0.0 { 1.0 } else { 0.0 }).collect();
                    assert_eq!(got, want, "{count} {dtype:?}");
                }
            }
        }
    }

    #[test]
    fn the_gradient_passes_where_the_number_passed() {
        for dtype in [DType::F32, DType::F64] {
            let x = Var::rand(1f32, 2f32, (4, 50), &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
            let x = Var::from_tensor(&x).unwrap();
            let y = Dropout::keyed(2).apply(&x, 0.25).unwrap();
            let gradients = (&y * 3.0).unwrap().sum_all().unwrap().backward().unwrap();
            let want = (&y.detach() / x.as_detached_tensor()).unwrap().affine(3.0, 0.0).unwrap();
            let off = (gradients.get(&x).unwrap() - want).unwrap().abs().unwrap().max_all().unwrap();
            assert!(off.to_dtype(DType::F32).unwrap().to_scalar::<f32>().unwrap() < 1e-5);
        }
    }

    #[test]
    fn nothing_is_dropped_where_nothing_shall_be_and_nan_stays() {
        let x = Tensor::new(&[f32::NAN; 100], &Device::Cpu).unwrap();
        for same in [Dropout::OFF.at("x").apply(&x, 0.5), Dropout::keyed(3).apply(&x, 0.0)] {
            assert_eq!(same.unwrap().id(), x.id());
        }
        let dropped: Vec<f32> = Dropout::keyed(3).apply(&x, 0.5).unwrap().to_vec1().unwrap();
        assert!(dropped.iter().all(|x| x.is_nan()));
        for p in [-0.1, 1.0, f64::NAN] {
            assert!(Dropout::OFF.apply(&x, p).is_err());
        }
    }
}
