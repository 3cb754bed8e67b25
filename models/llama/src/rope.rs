//! Rotary position embedding (Su et al. 2021): which angles a position turns by.

use affekt_nn::rotary::{Pairs, Rotation};
use candle_core::{DType, Device, Result, Tensor};

use crate::Config;

/// Angular frequencies of the pairs in a head.
#[derive(Clone, Debug)]
pub(crate) struct Rope {
    frequencies: Tensor, // (1, head_dim / 2)
    pairs: Pairs,
}

impl Rope {
    /// Frequency `i` is `theta^(-2 i / head_dim)`, scaled as the configuration says.
    pub fn new(cfg: &Config, pairs: Pairs, device: &Device) -> Result<Self> {
        let (theta, head_dim) = (cfg.rope_theta as f32, cfg.head_dim);
        let frequency = |i: usize| 1.0 / theta.powf((2 * i) as f32 / head_dim as f32);
        let frequencies = (0..head_dim / 2).map(|i| cfg.rope_scaling.apply(frequency(i)));
        let frequencies: Vec<f32> = frequencies.collect();
        Ok(Self { frequencies: Tensor::from_vec(frequencies, (1, head_dim / 2), device)?, pairs })
    }

    /// These wavelengths, each times its number in `factors` (head_dim / 2).
    pub fn stretched(self, factors: &Tensor) -> Result<Self> {
        Ok(Self { frequencies: self.frequencies.broadcast_div(factors)?, ..self })
    }

    /// The rotation of `positions` (t), u32. Angles are in f32 whatever `dtype` the heads have.
    ///
    /// Only differences of positions matter to attention, so a left-padded row may start anywhere.
    pub fn at(&self, positions: &Tensor, dtype: DType) -> Result<Rotation> {
        Rotation::new(&self.frequencies, positions, dtype, self.pairs)
    }
}
