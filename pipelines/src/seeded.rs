//! Numbers that any program can make by itself: the weights of a network as large as a published one, without its file.
//!
//! Number i of the tensor NAME is a hash of i that starts from the CRC-32 of NAME, as a number in -1 to 1 on a grid of
//! 2^-23, times a factor: integer arithmetic and two roundings, so that every language and device gets the same bits.
//! The factor gives weights the variance 1 / fan_in. Biases and means are 0; other vectors (gains, variances) are 1.

use candle_core::{DType, Device, Result, Shape, Tensor, bail};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use crc::{CRC_32_ISO_HDLC, Crc};
use half::{bf16, f16};
use rayon::prelude::*;

const NAMES: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// What a network is built from where its weights are seeded: `dtype` on `device`, whatever it asks for.
pub fn weights(dtype: DType, device: &Device) -> VarBuilder<'static> {
    VarBuilder::from_backend(Box::new(Seeded), dtype, device.clone())
}

/// The weight `name`.
///
/// # Errors
/// Types other than f32, f16 and bf16, and what candle reports.
pub fn weight(name: &str, shape: impl Into<Shape>, dtype: DType, device: &Device) -> Result<Tensor> {
    let shape = shape.into();
    if name.ends_with("bias") || name.ends_with("running_mean") {
        return Tensor::zeros(shape, dtype, device);
    }
    match shape.dims() {
        [] | [_] => Tensor::ones(shape, dtype, device),
        [_, inputs @ ..] => {
            let fan_in: usize = inputs.iter().product();
            let deviation = (1.0 / fan_in as f64).sqrt();
            noise(name, shape, deviation, dtype, device)
        }
    }
}

/// Uniform numbers of this standard deviation, named so that no two inputs are alike.
///
/// # Errors
/// As [`weight`].
pub fn noise(
    name: &str,
    shape: impl Into<Shape>,
    deviation: f64,
    dtype: DType,
    device: &Device,
) -> Result<Tensor> {
    let shape = shape.into();
    let seed = NAMES.checksum(name.as_bytes());
    let bound = (deviation * 3f64.sqrt()) as f32;
    let count = shape.elem_count();
    let number = |at: usize| centred(seed, at) * bound;
    match dtype {
        DType::F32 => {
            let all: Vec<f32> = (0..count).into_par_iter().map(number).collect();
            Tensor::from_vec(all, shape, device)
        }
        DType::F16 => {
            let all: Vec<f16> = (0..count).into_par_iter().map(|at| f16::from_f32(number(at))).collect();
            Tensor::from_vec(all, shape, device)
        }
        DType::BF16 => {
            let all: Vec<bf16> = (0..count).into_par_iter().map(|at| bf16::from_f32(number(at))).collect();
            Tensor::from_vec(all, shape, device)
        }
        other => bail!("seeded numbers are f32, f16 or bf16, not {other:?}"),
    }
}

/// Whole numbers below `below`, the same on every machine: (count).
pub fn integers(name: &str, count: usize, below: u32) -> Vec<u32> {
    let seed = NAMES.checksum(name.as_bytes());
    (0..count).map(|at| hash(seed, at) % below).collect()
}

/// In -1 to 1, exact in f32.
fn centred(seed: u32, at: usize) -> f32 {
    ((hash(seed, at) >> 8) as i32 - (1 << 23)) as f32 * (1.0 / (1 << 23) as f32)
}

/// A mixer of 32 bits: two rounds of shift and multiply.
fn hash(seed: u32, at: usize) -> u32 {
    let mut x = (at as u32).wrapping_mul(0x9e37_79b9).wrapping_add(seed);
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

struct Seeded;

impl SimpleBackend for Seeded {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        weight(name, shape, dtype, device)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        bail!("the seeded weight {name} is asked for without its shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_that_the_script_makes() {
        // From `python3 tests/gpu/seeded.py`.
        assert_eq!(integers("a.weight", 4, 1000), [947, 858, 591, 803]);
        let got: Vec<f32> = weight("a.weight", (2, 3), DType::F32, &Device::Cpu)
            .and_then(|x| x.flatten_all()?.to_vec1())
            .unwrap();
        assert_eq!(got, [0.827_085_73, -0.849_898, 0.029_371_977, 0.982_075, -0.504_042_86, -0.012_662_053]);
    }

    #[test]
    fn weights_have_the_variance_of_their_inputs() {
        let x = weight("layer.weight", (64, 256), DType::F32, &Device::Cpu).unwrap();
        let variance = (x.sqr().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap() * 256.0 - 1.0).abs();
        assert!(variance < 0.05, "{variance}");
        let of = |name: &str| weight(name, 3, DType::F32, &Device::Cpu).unwrap().to_vec1::<f32>().unwrap();
        assert_eq!((of("norm.weight"), of("norm.bias")), (vec![1.0; 3], vec![0.0; 3]));
        assert_eq!((of("bn.running_var"), of("bn.running_mean")), (vec![1.0; 3], vec![0.0; 3]));
    }
}
