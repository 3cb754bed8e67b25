//! Draws from a seeded generator.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// One of `items`, all as likely.
pub fn pick<'a, T>(rng: &mut ChaCha8Rng, items: &'a [T]) -> &'a T {
    &items[rng.random_range(0..items.len())]
}

/// True in `share` of the cases.
pub fn chance(rng: &mut ChaCha8Rng, share: f64) -> bool {
    rng.random::<f64>() < share
}

/// A Gaussian number of mean 0.
pub fn gauss(rng: &mut ChaCha8Rng, deviation: f64) -> f64 {
    let number: f64 = StandardNormal.sample(rng);
    number * deviation
}
