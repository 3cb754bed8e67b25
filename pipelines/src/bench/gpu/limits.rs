//! What the device can do at all, and what a piece of work needs of it.

use candle_core::{DType, Device, Tensor};
use serde::Serialize;

use super::clock::{fastest, timed};
use super::{Error, Scale};

/// The card that the cost model was measured on: dense products of bf16, and memory traffic.
const H200: (f64, f64) = (788.0, 4.3);

/// Rates that no program exceeds.
#[derive(Clone, Debug, Serialize)]
pub struct Limits {
    /// By which floors are computed, in 10^12 operations a second: of the cost model on its card, else as measured.
    pub tflops: f64,
    /// As well, in 10^12 bytes a second.
    pub tb_per_s: f64,
    /// Whether these are the cost model's.
    pub stated: bool,
    /// A large product of bf16, in this run.
    pub measured_tflops: f64,
    /// The same product in f32, which training is in.
    pub measured_f32_tflops: f64,
    /// A large copy, its bytes counted both ways, in this run.
    pub measured_tb_per_s: f64,
}

/// What a piece of work needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Operations with bf16 or f16.
    pub flop: f64,
    /// Operations with f32.
    pub flop_f32: f64,
    /// Bytes that have to be read or written, however clever the program.
    pub bytes: f64,
}

/// Which of both limits holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// Arithmetic.
    Arithmetic,
    /// Memory traffic.
    Memory,
}

impl Limits {
    /// Measures both on the device.
    pub(super) fn measure(device: &Device, scale: Scale, card: Option<&str>) -> Result<Self, Error> {
        let (side, bytes) = scale.probe();
        let product = |dtype| -> Result<f64, Error> {
            let (a, b) =
                (Tensor::ones((side, side), dtype, device)?, Tensor::ones((side, side), dtype, device)?);
            let b = b.t()?;
            let seconds = fastest(&timed(device, 5, || Ok(a.matmul(&b)?))?);
            Ok(2.0 * (side as f64).powi(3) / seconds / 1e12)
        };
        let x = Tensor::zeros(bytes / 4, DType::F32, device)?;
        let copy = fastest(&timed(device, 5, || Ok(x.copy()?))?);
        drop(x);
        let measured_tflops = product(DType::BF16)?;
        let measured_tb_per_s = 2.0 * bytes as f64 / copy / 1e12;
        let stated = card.is_some_and(|card| card.contains("H200"));
        let (tflops, tb_per_s) = if stated { H200 } else { (measured_tflops, measured_tb_per_s) };
        let measured_f32_tflops = product(DType::F32)?;
        Ok(Self { tflops, tb_per_s, stated, measured_tflops, measured_f32_tflops, measured_tb_per_s })
    }

    /// Seconds that the work takes at the least, and what decides.
    pub fn floor(&self, work: &Work) -> (f64, Limit) {
        let arithmetic = work.flop / self.tflops / 1e12 + work.flop_f32 / self.measured_f32_tflops / 1e12;
        let memory = work.bytes / self.tb_per_s / 1e12;
        if arithmetic >= memory { (arithmetic, Limit::Arithmetic) } else { (memory, Limit::Memory) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_of_both_limits_is_the_floor() {
        let limits = Limits {
            tflops: 788.0,
            tb_per_s: 4.3,
            stated: true,
            measured_tflops: 700.0,
            measured_f32_tflops: 50.0,
            measured_tb_per_s: 4.0,
        };
        let (seconds, limit) = limits.floor(&Work { flop: 7.88e12, bytes: 4.3e9, ..Work::default() });
        assert_eq!((seconds, limit), (0.01, Limit::Arithmetic));
        let (seconds, limit) = limits.floor(&Work { flop: 7.88e9, bytes: 13.5e9, ..Work::default() });
        assert!(
            (seconds - 3.14e-3).abs() < 1e-5 && limit == Limit::Memory,
            "a step over Vicuna-7B: {seconds}"
        );
    }
}
