//! Seeded noise. Candle cannot seed its own on the CPU, and a test on drawn numbers is to pass or fail for good.

use std::cell::Cell;
use std::f64::consts::TAU;

use candle_core::{Device, Shape, Tensor};

thread_local! {
    /// The state of the generator. A test has a thread of its own, so it draws the same numbers in every run.
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// Gaussian numbers in f32 on the CPU, other ones at each call.
pub fn noise(mean: f32, deviation: f32, shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    // Box and Muller (1958).
    let gauss = || mean + deviation * ((-2.0 * uniform().ln()).sqrt() * (TAU * uniform()).cos()) as f32;
    let numbers: Vec<f32> = (0..shape.elem_count()).map(|_| gauss()).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).expect("as many numbers as the shape has")
}

/// Evenly from above 0 to 1, by splitmix64 (Steele et al. 2014).
fn uniform() -> f64 {
    let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (((mixed ^ (mixed >> 31)) >> 11) + 1) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_its_mean_and_deviation_and_no_row_twice() {
        let rows = noise(3.0, 2.0, (2, 50_000));
        let [first, second]: [Vec<f32>; 2] = rows.to_vec2().unwrap().try_into().unwrap();
        assert_ne!(first, second);
        let mean = first.iter().sum::<f32>() / 50_000.0;
        let deviation = (first.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 50_000.0).sqrt();
        assert!((mean - 3.0).abs() < 0.03 && (deviation - 2.0).abs() < 0.03, "{mean} {deviation}");
    }
}
