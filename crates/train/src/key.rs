//! Where all randomness comes from.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A place in the tree of random streams: the seed is its root, and every use (an epoch's order, a parameter's first
/// numbers, a layer's dropout in one step) has a branch of its own.
///
/// No generator runs along: what is drawn at a place depends on the way to it alone. So a run that is continued draws what
/// it would have drawn, and a layer more or less changes nothing for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64);

impl Key {
    /// The root of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(mixed(seed ^ 0x6166_6665_6b74))
    }

    /// The branch called `name`.
    pub fn with(self, name: &str) -> Self {
        // FNV-1a, then mixed: names are short and differ in single letters.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(mixed(self.0 ^ hash))
    }

    /// The branch with the number `index`.
    pub fn at(self, index: usize) -> Self {
        Self(mixed(self.0.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_add(mixed(index as u64))))
    }

    /// The place as a number, for kernels that count on from it.
    pub fn number(self) -> u64 {
        self.0
    }

    /// A generator that begins here.
    pub fn generator(self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.0)
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn places_differ_and_stay() {
        let root = Key::new(7);
        let mut places = HashSet::from([root.number()]);
        for name in ["epoch", "epocg", "step", ""] {
            assert!(places.insert(root.with(name).number()), "{name}");
            for index in 0..100 {
                assert!(places.insert(root.with(name).at(index).number()), "{name} {index}");
            }
        }
        assert!(places.insert(Key::new(8).number()));
        assert_eq!(root.with("epoch").at(3), Key::new(7).with("epoch").at(3));
    }
}
