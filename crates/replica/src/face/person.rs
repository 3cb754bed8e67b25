//! How persons differ.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::scene::brush::{Tone, scaled};

const SKINS: [Tone; 8] = [
    [236.0, 200.0, 178.0],
    [226.0, 184.0, 158.0],
    [214.0, 170.0, 146.0],
    [222.0, 180.0, 140.0],
    [202.0, 156.0, 124.0],
    [186.0, 138.0, 108.0],
    [168.0, 122.0, 94.0],
    [150.0, 106.0, 82.0],
];

const HAIRS: [Tone; 7] = [
    [38.0, 30.0, 28.0],
    [66.0, 44.0, 32.0],
    [104.0, 70.0, 44.0],
    [176.0, 138.0, 84.0],
    [132.0, 62.0, 36.0],
    [120.0, 116.0, 114.0],
    [186.0, 182.0, 178.0],
];

/// The shape of somebody's hair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hair {
    /// Close to the head, over the ears.
    Short,
    /// Down to the shoulders.
    Long,
    /// None but at the sides.
    Bald,
    /// A round mass of curls.
    Curls,
    /// To the chin, parted at the side.
    Bob,
    /// Tied on top.
    Bun,
}

const STYLES: [Hair; 6] = [Hair::Short, Hair::Long, Hair::Bald, Hair::Curls, Hair::Bob, Hair::Bun];

/// One face, without what it shows. Lengths are in half widths of a head.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The skin in the light.
    pub skin: Tone,
    /// Hair and brows.
    pub hair: Tone,
    /// The shape of the hair.
    pub style: Hair,
    /// The iris.
    pub iris: Tone,
    /// The lips.
    pub lips: Tone,
    /// What the person wears.
    pub shirt: Tone,
    /// From the middle of the face to an eye's.
    pub eyes: f32,
    /// Size of the eyes: 1 is usual.
    pub eye_size: f32,
    /// Thickness of the brows: 1 is usual.
    pub brows: f32,
    /// Width of the jaw: 1 is usual.
    pub jaw: f32,
    /// Length of the lower face: 1 is usual.
    pub length: f32,
    /// Width of the nose: 1 is usual.
    pub nose: f32,
    /// Width of the mouth: 1 is usual.
    pub mouth: f32,
    /// Rims of the glasses, of those who wear some.
    pub glasses: Option<Tone>,
}

impl Person {
    /// The person of `index`: anybody differs from anybody else in most of the above.
    pub fn of(index: u32) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(0xfa_ce00 + u64::from(index));
        let skin = SKINS[random.random_range(0..SKINS.len())];
        let grey = random.random_range(0.92..1.04);
        let hair = HAIRS[(index as usize * 3 + random.random_range(0..3)) % HAIRS.len()];
        let shirt = std::array::from_fn(|_| random.random_range(30.0..190.0));
        Self {
            skin: scaled(skin, grey),
            hair,
            style: STYLES[(index as usize + index as usize / 6) % STYLES.len()],
            iris: [[58.0, 40.0, 30.0], [62.0, 84.0, 104.0], [60.0, 78.0, 52.0]][random.random_range(0..3)],
            lips: [skin[0] * 0.8, skin[1] * 0.5, skin[2] * 0.55],
            shirt,
            eyes: random.random_range(0.39..0.46),
            eye_size: random.random_range(0.9..1.12),
            brows: random.random_range(0.75..1.4),
            jaw: random.random_range(0.86..1.12),
            length: random.random_range(0.94..1.08),
            nose: random.random_range(0.85..1.25),
            mouth: random.random_range(0.9..1.1),
            glasses: random.random_bool(0.2).then(|| scaled(hair, 0.6)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::casting::PERSONS;

    #[test]
    fn nobody_looks_like_anybody_else_and_everybody_always_like_themselves() {
        let persons: Vec<Person> = (0..PERSONS).map(Person::of).collect();
        for (index, person) in persons.iter().enumerate() {
            assert_eq!(*person, Person::of(index as u32));
            assert!(!persons[..index].contains(person), "{index}");
        }
    }
}
