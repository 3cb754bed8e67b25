//! Who speaks where. Voices, persons and backgrounds of one split never appear in another.

use std::ops::Range;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::draw::pick;
use crate::split::Split;

/// Accents of espeak-ng. All splits share them; what makes a voice is its variant.
const ACCENTS: [&str; 4] = ["en-us", "en-gb", "en-gb-x-rp", "en-us-nyc"];

/// Variants of espeak-ng's voices that speak plainly: none that whispers, croaks or plays a robot.
const TRAIN: [&str; 24] = [
    "m1", "m3", "m4", "m7", "f2", "f4", "adam", "Alex", "Alicia", "Andy", "Annie", "antonio", "belinda",
    "benjamin", "david", "ed", "edward", "Gene", "linda", "marcelo", "Michael", "pablo", "robert", "steph",
];
const VALID: [&str; 4] = ["m6", "f1", "paul", "steph3"];
const TEST: [&str; 7] = ["m2", "m5", "f3", "f5", "Andrea", "john", "max"];

/// How many persons there are.
pub const PERSONS: u32 = 44;
/// How many backgrounds there are.
pub const BACKGROUNDS: u32 = 56;

/// Who and what a video shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cast {
    /// A voice of espeak-ng, as `en-us+f3`.
    pub voice: String,
    /// A face, below [`PERSONS`].
    pub person: u32,
    /// What is behind it, below [`BACKGROUNDS`].
    pub background: u32,
}

impl Cast {
    /// One for a video of `split`.
    pub fn draw(rng: &mut ChaCha8Rng, split: Split) -> Self {
        let voice = format!("{}+{}", pick(rng, &ACCENTS), pick(rng, variants(split)));
        let (persons, backgrounds) = (persons(split), backgrounds(split));
        Self { voice, person: rng.random_range(persons), background: rng.random_range(backgrounds) }
    }
}

/// The variants of the voices of a split.
pub fn variants(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => &TRAIN,
        Split::Valid => &VALID,
        Split::Test => &TEST,
    }
}

fn persons(split: Split) -> Range<u32> {
    match split {
        Split::Train => 0..30,
        Split::Valid => 30..35,
        Split::Test => 35..PERSONS,
    }
}

fn backgrounds(split: Split) -> Range<u32> {
    match split {
        Split::Train => 0..38,
        Split::Valid => 38..44,
        Split::Test => 44..BACKGROUNDS,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn voices_persons_and_backgrounds_are_each_of_one_split() {
        let voices: Vec<String> =
            Split::ALL.into_iter().flat_map(variants).map(|variant| variant.to_lowercase()).collect();
        assert_eq!(voices.iter().collect::<HashSet<_>>().len(), voices.len(), "{voices:?}");
        let joined = |of: fn(Split) -> Range<u32>| Split::ALL.into_iter().flat_map(of).collect::<Vec<_>>();
        assert_eq!(joined(persons), (0..PERSONS).collect::<Vec<_>>());
        assert_eq!(joined(backgrounds), (0..BACKGROUNDS).collect::<Vec<_>>());
    }
}
