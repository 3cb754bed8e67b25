//! Sounds with pauses at known places.

use std::f64::consts::TAU;
use std::ops::Range;

use affekt_core::{SampleRate, Seconds};

pub const RATE: usize = SampleRate::SPEECH.0 as usize;

/// Time of a sample.
pub fn at(start: f64, samples: usize) -> Seconds {
    Seconds(start + SampleRate::SPEECH.seconds(samples).0)
}

/// Grows at its end; levels are root mean squares in decibels below full scale.
pub struct Sound {
    pub samples: Vec<f32>,
    /// Where nobody speaks for 0.15 s or more.
    pub pauses: Vec<Range<usize>>,
    /// Samples of speech, closures not counted.
    pub spoken: usize,
    state: u64,
}

impl Sound {
    pub fn new(seed: u64) -> Self {
        Self { samples: Vec::new(), pauses: Vec::new(), spoken: 0, state: seed }
    }

    /// From -1 to 1, by splitmix64 (Steele et al. 2014).
    fn random(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * (self.random() + 1.0) / 2.0
    }

    /// Phrases of one to four seconds with pauses of 0.25 to 0.9 s between them.
    pub fn speech(mut self, seconds: f64, background: f64) -> Self {
        let end = self.samples.len() + (seconds * RATE as f64) as usize;
        while self.samples.len() < end {
            let (phrase, pause) = (self.between(1.0, 4.0), self.between(0.25, 0.9));
            self = self.phrase(phrase, background).pause(pause, background);
        }
        self.samples.truncate(end);
        self
    }

    /// Syllables: 0.12 to 0.25 s of a buzz that swells and fades, or of a hiss 14 dB below, with closures of 0.05 s
    /// after some.
    pub fn phrase(mut self, seconds: f64, background: f64) -> Self {
        let end = self.samples.len() + (seconds * RATE as f64) as usize;
        while self.samples.len() < end {
            let length = ((self.between(0.12, 0.25) * RATE as f64) as usize).min(end - self.samples.len());
            self.spoken += length;
            let pitch = self.between(90.0, 220.0);
            let level = self.between(-24.0, -15.0);
            // No hiss that would drown: nobody could tell it from a pause.
            let hiss = self.random() > 0.6 && level - 14.0 > background + 10.0;
            let level = amplitude(level);
            for at in 0..length {
                let swell = 0.3 + 0.7 * (TAU / 2.0 * at as f64 / length as f64).sin();
                let phase = TAU * pitch * at as f64 / RATE as f64;
                let buzz = phase.sin() + 0.6 * (3.0 * phase).sin() + 0.4 * (7.0 * phase).sin();
                let sound = if hiss { 0.2 * self.random() * 3f64.sqrt() } else { buzz };
                let noise = self.random() * 3f64.sqrt() * amplitude(background);
                self.samples.push((level * swell * sound + noise) as f32);
            }
            if self.random() > 0.4 && self.samples.len() < end {
                let left = (end - self.samples.len()) as f64 / RATE as f64;
                self = self.noise(left.min(0.05), background);
            }
        }
        self
    }

    pub fn pause(mut self, seconds: f64, background: f64) -> Self {
        let start = self.samples.len();
        self = self.noise(seconds, background);
        self.pauses.push(start..self.samples.len());
        self
    }

    pub fn noise(mut self, seconds: f64, level: f64) -> Self {
        for _ in 0..(seconds * RATE as f64) as usize {
            // Even noise from -1 to 1 has a level of 1 / sqrt(3).
            let sample = self.random() * 3f64.sqrt() * amplitude(level);
            self.samples.push(sample as f32);
        }
        self
    }

    pub fn tone(mut self, seconds: f64, level: f64) -> Self {
        let scale = 2f64.sqrt() * amplitude(level);
        let length = (seconds * RATE as f64) as usize;
        self.samples
            .extend((0..length).map(|at| (scale * (TAU * 220.0 * at as f64 / RATE as f64).sin()) as f32));
        self
    }
}

fn amplitude(decibels: f64) -> f64 {
    10f64.powf(decibels / 20.0)
}
