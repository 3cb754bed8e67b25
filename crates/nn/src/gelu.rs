//! GELU in its exact form, x Φ(x) = x (1 + erf(x / √2)) / 2, for vector loops.

use crate::vectorised::vectorised;
use candle_core::{Result, Tensor};
use rayon::prelude::*;

use crate::cpu::{Numbers, takes};
use crate::exp::exp;
use crate::maps::{Filled, filled};

/// Beyond it Φ(-z) is no normal number any more.
const FAR: f32 = 13.2;
/// t = 1 / (1 + PLACE z) takes [0, ∞) to (0, 1].
const PLACE: f32 = 0.35;
/// Polynomial in t for exp(z² / 2) Φ(-z) / t on [0, [`FAR`]]: a weighted minimax fit, relative error 3e-8. From the
/// highest power down.
const TAIL: [f32; 9] = [
    -0.029_108_994,
    0.143_788_52,
    -0.255_327_85,
    0.158_722_61,
    -0.022_791_13,
    0.105_369_344,
    0.119_869_05,
    0.139_856_71,
    0.139_621_7,
];

/// x Φ(x), within 1e-7 of the larger of 1 and |x|, and down to -5 within 1e-6 of itself; NaN for NaN.
///
/// Meant for loops inside `pulp::Arch::dispatch`: it has no branch and calls nothing. Φ(-z) is computed for z = |x|,
/// where 1 + erf would lose all digits of a small difference.
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    let z = x.abs();
    let z = if z > FAR { FAR } else { z };
    let t = 1.0 / (1.0 + PLACE * z);
    let mut tail = TAIL[0];
    for coefficient in &TAIL[1..] {
        tail = tail * t + coefficient;
    }
    let below = if x < 0.0 { 0.0 } else { x };
    below - z * (tail * t * exp(-0.5 * z * z))
}

/// Numbers that are worth a task of their own.
const TASK: usize = 1 << 14;

/// GELU of every number, exact form; without a backward pass. On the CPU in f32 by a kernel of our own on all threads;
/// otherwise candle's.
pub fn gelu_erf(x: &Tensor) -> Result<Tensor> {
    if !takes(x) {
        return x.gelu_erf();
    }
    let x = x.contiguous()?;
    let numbers = Numbers::of(&x)?;
    let fill = |out: &mut Filled| {
        out.par_chunks_mut(TASK).zip(numbers.par_chunks(TASK)).for_each(|(out, x)| {
            vectorised(
                #[inline(always)]
                || {
                    for (y, x) in out.iter_mut().zip(x) {
                        y.write(gelu(*x));
                    }
                },
            );
        });
    };
    // SAFETY: the blocks cover all numbers.
    let y = unsafe { filled(numbers.len(), fill) };
    Tensor::from_vec(y, x.shape(), x.device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_testkit::assert_close;
    use candle_core::DType;

    /// From the largest to the smallest f32, signs apart, denser than every thousandth of a power of two.
    fn all_sizes() -> impl Iterator<Item = f32> {
        (0..f32::INFINITY.to_bits()).step_by(6007).map(f32::from_bits).flat_map(|x| [x, -x])
    }

    #[test]
    fn it_is_x_phi_of_x_over_the_whole_range() {
        for x in all_sizes() {
            // Candle's in f64 is libm's erf, which is correct to f64, but for the difference 1 + erf far below zero.
            let want = f64::from(x);
            let want = if x < -6.0 { 0.0 } else { candle(want) };
            let (got, scale) = (f64::from(gelu(x)), f64::from(x.abs().max(1.0)));
            assert!((got - want).abs() <= 1e-7 * scale, "gelu({x}) is {want}, got {got}");
            if (-5.0..0.0).contains(&x) {
                assert!((got - want).abs() <= 1e-6 * want.abs() + 1e-38, "gelu({x}) is {want}, got {got}");
            }
        }
        assert!(gelu(f32::NAN).is_nan());
        assert_eq!((gelu(f32::INFINITY), gelu(0.0), gelu(-100.0).abs() < 1e-36), (f32::INFINITY, 0.0, true));
    }

    fn candle(x: f64) -> f64 {
        (candle_core::cpu::erf::erf_f64(x * std::f64::consts::FRAC_1_SQRT_2) + 1.0) * 0.5 * x
    }

    #[test]
    fn every_type_and_layout_is_candles() {
        let x = affekt_testkit::noise(0.0, 3.0, (3, 70, 130));
        for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
            let x = x.to_dtype(dtype).unwrap();
            for x in [x.transpose(1, 2).unwrap(), x.narrow(1, 3, 50).unwrap(), x] {
                let wide = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
                let got = gelu_erf(&x).unwrap();
                assert_eq!((got.dtype(), got.dims()), (dtype, x.dims()));
                assert_close("gelu", &wide(&got), &wide(&x.gelu_erf().unwrap()), 1e-6);
            }
        }
    }
}
