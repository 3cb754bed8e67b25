//! The sound of a video.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Error, FRAMES};
use crate::draw::gauss;
use crate::script::Clip;
use crate::speech::{self, RATE};

/// Samples of a frame.
const HOP: usize = (RATE / FRAMES) as usize;
/// Seconds of noise after the last clip.
const TAIL: f64 = 0.3;
/// How much of each value of the noise stays in the next: room noise is not white.
const COLOUR: f64 = 0.6;

/// When a clip is spoken.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoken {
    /// The clip.
    pub id: String,
    /// Its first sample, in seconds, a whole number of milliseconds.
    pub start: f64,
    /// The end of its last sample, in seconds, a whole number of milliseconds.
    pub end: f64,
}

/// What is heard, and what follows from it for the pictures.
pub struct Sound {
    /// Between -1 and 1, at [`RATE`]; as long as all frames.
    pub samples: Vec<f32>,
    /// When each clip is spoken, in order.
    pub spoken: Vec<Spoken>,
    /// How far each frame's speech opens the mouth, from 0 to 1.
    pub levels: Vec<f32>,
}

impl Sound {
    /// Speaks `clips`, each after its pause, and lays their noise over it.
    ///
    /// # Errors
    ///
    /// Where a clip cannot be spoken.
    pub fn record(clips: &[Clip], seed: u64) -> Result<Self, Error> {
        let mut samples = Vec::new();
        let (mut spoken, mut loudest, mut noises) = (Vec::new(), Vec::new(), Vec::new());
        for clip in clips {
            let voice = speech::speak(&clip.text, &clip.speech)
                .map_err(|source| Error::Speech { clip: clip.id.clone(), source })?;
            let start = milliseconds(seconds(samples.len()) + clip.pause.max(0.0));
            samples.resize((start * f64::from(RATE)).round() as usize, 0.0);
            loudest.push(loud(&voice));
            samples.extend(voice);
            let end = (seconds(samples.len()) * 1000.0).ceil() / 1000.0;
            spoken.push(Spoken { id: clip.id.clone(), start, end });
            noises.push((samples.len(), clip.noise_db));
        }
        let frames = (samples.len() + (TAIL * f64::from(RATE)) as usize).div_ceil(HOP);
        samples.resize(frames * HOP, 0.0);
        let levels = levels(&samples, &spoken, &loudest);
        noise(&mut samples, &noises, seed);
        Ok(Self { samples, spoken, levels })
    }

    /// How long it lasts.
    pub fn seconds(&self) -> f64 {
        seconds(self.samples.len())
    }
}

fn seconds(samples: usize) -> f64 {
    samples as f64 / f64::from(RATE)
}

fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

fn level(samples: &[f32]) -> f32 {
    (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32).sqrt()
}

/// The level that nineteen of twenty frames stay below.
fn loud(voice: &[f32]) -> f32 {
    let mut levels: Vec<f32> = voice.chunks(HOP).map(level).collect();
    levels.sort_by(f32::total_cmp);
    levels.get(levels.len() * 19 / 20).copied().unwrap_or(1.0).max(1e-4)
}

/// Smoothed over three frames, so that the mouth does not flicker; 1 where a clip is `loudest`.
fn levels(samples: &[f32], spoken: &[Spoken], loudest: &[f32]) -> Vec<f32> {
    let raw: Vec<f32> = samples.chunks(HOP).map(level).collect();
    let at = |index: usize| raw.get(index).copied().unwrap_or_default();
    let smooth = |index: usize| 0.25 * at(index.saturating_sub(1)) + 0.5 * at(index) + 0.25 * at(index + 1);
    let scale = |index: usize| {
        let time = index as f64 / f64::from(FRAMES);
        let clip = spoken.iter().take_while(|clip| clip.start <= time + 0.1).count();
        loudest.get(clip.saturating_sub(1)).copied().unwrap_or(1.0)
    };
    (0..raw.len()).map(|index| (smooth(index) / scale(index)).clamp(0.0, 1.0)).collect()
}

/// Adds each clip's noise: `noises` says up to which sample, and how loud against full scale.
fn noise(samples: &mut [f32], noises: &[(usize, f64)], seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x0153_e0ff);
    // So that the coloured noise has the power of a white one of deviation 1.
    let fresh = (1.0 - COLOUR * COLOUR).sqrt();
    let mut value = 0.0;
    let mut clip = 0;
    for (index, sample) in samples.iter_mut().enumerate() {
        // What follows the last clip has its noise.
        while clip + 1 < noises.len() && index >= noises[clip].0 {
            clip += 1;
        }
        let Some(&(_, decibels)) = noises.get(clip) else { return };
        value = COLOUR * value + fresh * gauss(&mut random, 1.0);
        *sample = (*sample + (value * 10f64.powf(decibels / 20.0)) as f32).clamp(-1.0, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Order, Script};

    #[test]
    fn clips_are_heard_when_they_are_said_to_be_and_move_the_mouth_only_then() {
        let order = Order { clips: 3, seed: 2, split: None, clips_a_video: Some(3) };
        let mut clips = Script::draw(order).unwrap().clips;
        clips.iter_mut().for_each(|clip| clip.noise_db = -70.0);
        let sound = Sound::record(&clips, 1).unwrap();
        assert_eq!(sound.samples.len(), sound.levels.len() * HOP);
        let sample = |time: f64| (time * f64::from(RATE)).round() as usize;
        let mut before = 0.0;
        for (clip, Spoken { start, end, .. }) in clips.iter().zip(&sound.spoken) {
            assert!((start - before - clip.pause).abs() < 0.002);
            assert!(level(&sound.samples[sample(before)..sample(*start)]) < 0.001);
            assert!(level(&sound.samples[sample(*start)..sample(*end)]) > 0.02);
            let frames = |from: f64, to: f64| {
                &sound.levels[(from * f64::from(FRAMES)) as usize..(to * f64::from(FRAMES)) as usize]
            };
            assert!(frames(before + 0.1, start - 0.1).iter().all(|&open| open < 0.01));
            assert!(frames(*start, *end).iter().any(|&open| open > 0.8));
            before = *end;
        }
    }
}
