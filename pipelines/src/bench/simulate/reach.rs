//! What a machine can do at most: read memory, and multiply.

use std::hint::black_box;
use std::time::Instant;

use affekt_nn::linear::Linear;
use candle_core::{DType, Device, Module, Tensor};
use rayon::prelude::*;
use serde::Serialize;

use super::Error;

/// Words of the memory that is read: 256 MiB, more than caches hold.
const WORDS: usize = 32 << 20;
/// Words that a thread reads in a row.
const CHUNK: usize = 64 << 10;

/// Rows, inputs, outputs and weights of the products: 64 MiB of weights in f32, as a forward pass over many clips has them.
const ROWS: usize = 256;
const INPUTS: usize = 1024;
const OUTPUTS: usize = 2048;
const LAYERS: usize = 8;

/// Of so many rounds the best counts.
const ROUNDS: usize = 5;

/// Rates that nothing on this machine exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reach {
    /// Reading memory on all cores, in GB/s.
    pub read_gb_per_s: f64,
    /// Products of 256 rows with weights, in GFLOP/s.
    pub gflop_per_s: f64,
}

impl Reach {
    /// Measures them, in less than a second; products of numbers of type `dtype`. `None` where networks do not run on the
    /// cores.
    ///
    /// # Errors
    /// What candle reports.
    pub fn measure(device: &Device, dtype: DType) -> Result<Option<Self>, Error> {
        if !device.is_cpu() {
            return Ok(None);
        }
        Ok(Some(Self { read_gb_per_s: reading() / 1e9, gflop_per_s: multiplying(dtype)? / 1e9 }))
    }
}

/// Bytes a second.
fn reading() -> f64 {
    let memory = vec![1u64; WORDS];
    let read = || {
        let sums = memory
            .par_chunks(CHUNK)
            .map(|chunk| chunk.iter().fold(0u64, |sum, word| sum.wrapping_add(*word)));
        black_box(sums.reduce(|| 0, u64::wrapping_add));
        Ok(())
    };
    let seconds = fastest(read).expect("sums do not fail");
    size_of_val(memory.as_slice()) as f64 / seconds
}

/// Operations a second.
fn multiplying(dtype: DType) -> Result<f64, Error> {
    let ones = |rows, columns| Tensor::ones((rows, columns), dtype, &Device::Cpu);
    let layer = |_| Linear::new(&ones(OUTPUTS, INPUTS)?, None);
    let layers: Vec<Linear> = (0..LAYERS).map(layer).collect::<candle_core::Result<_>>()?;
    let rows = ones(ROWS, INPUTS)?;
    let seconds = fastest(|| {
        for layer in &layers {
            black_box(layer.forward(&rows)?);
        }
        Ok(())
    })?;
    Ok((2 * LAYERS * ROWS * INPUTS * OUTPUTS) as f64 / seconds)
}

/// Seconds of the fastest round of `work`.
fn fastest(work: impl Fn() -> Result<(), Error>) -> Result<f64, Error> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        work()?;
        best = best.min(started.elapsed().as_secs_f64());
    }
    Ok(best.max(1e-9))
}
