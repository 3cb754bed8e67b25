//! What head, eyes and lids do by themselves.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::scene::{Place, Shown};

/// Seconds of a blink.
const BLINK: f64 = 0.2;

/// A slow, irregular motion: two waves.
struct Wave {
    parts: [(f32, f32, f32); 2],
}

impl Wave {
    fn draw(random: &mut ChaCha8Rng, size: f32) -> Self {
        let mut part = |size: f32, speed: std::ops::Range<f32>| {
            (
                size * random.random_range(0.5..1.0),
                random.random_range(speed),
                random.random_range(0.0..std::f32::consts::TAU),
            )
        };
        Self { parts: [part(size, 0.5..1.3), part(0.4 * size, 1.6..3.2)] }
    }

    fn at(&self, time: f64) -> f32 {
        self.parts.iter().map(|&(size, speed, phase)| size * (speed * time as f32 + phase).sin()).sum()
    }
}

/// The motion of a video's person.
pub struct Motion {
    right: Wave,
    down: Wave,
    roll: Wave,
    scale: Wave,
    turn: Wave,
    home: (f32, f32, f32),
    light: f32,
    absences: u32,
    blinks: Vec<f64>,
    /// From when on the eyes look where.
    gazes: Vec<(f64, (f32, f32))>,
}

impl Motion {
    /// The motion of `seed`, for so many seconds.
    pub fn draw(seed: u64, seconds: f64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x4d07_1011);
        let random = &mut random;
        let times = |random: &mut ChaCha8Rng, least: f64, most: f64| {
            let mut times = vec![random.random_range(0.0..most)];
            while times.last().is_some_and(|&last| last < seconds) {
                times.push(times[times.len() - 1] + random.random_range(least..most));
            }
            times
        };
        let blinks = times(random, 1.8, 5.0);
        let gazes = times(random, 0.6, 2.4).into_iter().map(|time| {
            let away = if random.random_bool(0.4) { 1.0 } else { 0.25 };
            (time, (away * random.random_range(-1.0..1.0), away * random.random_range(-1.0..1.0)))
        });
        let gazes = gazes.collect();
        Self {
            right: Wave::draw(random, 0.1),
            down: Wave::draw(random, 0.05),
            roll: Wave::draw(random, 0.05),
            scale: Wave::draw(random, 0.025),
            turn: Wave::draw(random, 0.05),
            home: (
                random.random_range(-0.5..0.5),
                random.random_range(-0.1..0.12),
                random.random_range(0.92..1.08),
            ),
            light: random.random_range(-1.0..1.0),
            absences: random.random_range(0..3),
            blinks,
            gazes,
        }
    }

    /// Where the head is at `time`; it nods a little with the speech, whose level is from 0 to 1.
    pub fn place(&self, time: f64, level: f32) -> Place {
        let shift = (self.home.0 + self.right.at(time), self.home.1 + self.down.at(time) + 0.02 * level);
        Place { shift, roll: self.roll.at(time), scale: self.home.2 + self.scale.at(time) }
    }

    /// How far the lids are closed at `time`, from 0 to 1.
    pub fn blink(&self, time: f64) -> f32 {
        let since = self.blinks.iter().map(|start| time - start).find(|since| (0.0..BLINK).contains(since));
        since.map_or(0.0, |since| (std::f64::consts::PI * since / BLINK).sin() as f32)
    }

    /// Where the eyes look at `time`, to the right and down, each from -1 to 1.
    pub fn gaze(&self, time: f64) -> (f32, f32) {
        self.gazes.iter().take_while(|(start, _)| *start <= time).last().map_or((0.0, 0.0), |(_, gaze)| *gaze)
    }

    /// How far the head is turned at `time`, in half widths of a head.
    pub fn turn(&self, time: f64) -> f32 {
        self.turn.at(time)
    }

    /// Where the light comes from: -1 left, 1 right.
    pub fn light(&self) -> f32 {
        self.light
    }

    /// What is seen in the clip of this number in place of a face.
    pub fn absence(&self, number: usize, place: Place) -> Shown {
        match (self.absences as usize + number) % 3 {
            0 => Shown::Nobody,
            1 => Shown::Shoulder { side: if self.light < 0.0 { -1.0 } else { 1.0 } },
            _ => Shown::Back { place },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_stays_in_the_picture_and_its_lids_and_eyes_within_their_bounds() {
        for seed in 0..20 {
            let motion = Motion::draw(seed, 20.0);
            let times: Vec<f64> = (0..500).map(|frame| f64::from(frame) / 25.0).collect();
            assert!(times.iter().any(|&time| motion.blink(time) > 0.5), "{seed}");
            for time in times {
                let (Place { shift, scale, .. }, gaze) = (motion.place(time, 1.0), motion.gaze(time));
                assert!((0.0..=1.0).contains(&motion.blink(time)));
                assert!(gaze.0.abs() <= 1.0 && gaze.1.abs() <= 1.0, "{gaze:?}");
                assert!(shift.0.abs() < 0.7 && shift.1.abs() < 0.3, "{shift:?}");
                assert!((0.85..1.15).contains(&scale), "{scale}");
            }
        }
    }

    #[test]
    fn clips_without_a_face_take_turns_in_what_is_seen_instead() {
        let motion = Motion::draw(1, 1.0);
        let place = motion.place(0.0, 0.0);
        let seen: Vec<Shown> = (0..3).map(|number| motion.absence(number, place)).collect();
        assert!(seen.contains(&Shown::Nobody) && seen.contains(&Shown::Back { place }));
        assert!(seen.iter().any(|shown| matches!(shown, Shown::Shoulder { .. })));
    }
}
