//! The camera's noise.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Length of the noise that is drawn once: a prime, so that it does not fall on the same columns in every row.
const LENGTH: usize = 65_521;
/// Largest deviation, of 255.
const STRENGTH: i16 = 3;

/// Noise, drawn once and laid over each picture at another offset.
pub struct Grain {
    values: Vec<i16>,
}

impl Grain {
    /// The noise of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Self { values: (0..LENGTH).map(|_| random.random_range(-STRENGTH..=STRENGTH)).collect() }
    }

    /// The picture of `rgba` (four bytes a pixel, opaque) with the noise of frame `index`, as three bytes a pixel.
    pub fn lay(&self, rgba: &[u8], index: usize, rgb: &mut Vec<u8>) {
        rgb.clear();
        rgb.reserve(rgba.len() / 4 * 3);
        let start = index.wrapping_mul(40_503) % LENGTH;
        let noise = self.values[start..].iter().chain(self.values.iter().cycle());
        for (pixel, noise) in rgba.chunks_exact(4).zip(noise) {
            rgb.extend(pixel[..3].iter().map(|&value| (i16::from(value) + noise).clamp(0, 255) as u8));
        }
    }
}
