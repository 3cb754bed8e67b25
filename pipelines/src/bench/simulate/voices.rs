//! The voices that text is simulated from.

use std::path::Path;

use affekt_core::{ClipId, SampleRate};
use candle_core::{Device, Tensor};

use super::Error;
use crate::batch::speech::Speech;
use crate::bench::lengths::{self, Noise};
use crate::networks::Encoders;
use crate::recipe::specs;
use crate::simulate::source;

/// WavLM makes a row of every 320 samples, the last of which sees 80 more.
const HOP: usize = 320;
const TAIL: usize = 80;

/// How much of a drawn row stays in the next one: sounds last for some rows.
const MEMORY: f32 = 0.9;

const SEED: u64 = 11;

/// One voice.
#[derive(Clone, Debug)]
pub struct Voice {
    /// What it is called.
    pub clip: ClipId,
    /// WavLM's last layer: (t, width)
    pub speech: Tensor,
    /// Samples (16 kHz) of the sound.
    pub samples: usize,
    /// What is said, where that is known.
    pub words: Option<String>,
}

impl Voice {
    /// Its length in seconds.
    pub fn seconds(&self) -> f64 {
        SampleRate::SPEECH.seconds(self.samples).0
    }
}

/// The voices of a measurement.
#[derive(Clone, Debug)]
pub struct Voices {
    /// The longest first, as `affekt simulate` takes them up.
    pub all: Vec<Voice>,
    /// Whether they are out of a cache; else drawn.
    pub cached: bool,
}

impl Voices {
    /// `count` voices as long as MOSEI's clips are, of rows of `width` numbers: noise of variance 1 that changes slowly, always
    /// the same.
    ///
    /// # Errors
    /// What candle reports.
    pub fn drawn(count: usize, width: usize) -> Result<Self, Error> {
        let mut noise = Noise::new(SEED);
        let voice = |(at, seconds): (usize, f64)| {
            let samples = (seconds * f64::from(SampleRate::SPEECH.0)).round() as usize;
            let rows = samples.saturating_sub(TAIL) / HOP;
            let clip = ClipId::new(format!("voice-{at}")).expect("letters and digits");
            let speech = Tensor::from_vec(drawn(rows, width, &mut noise), (rows, width), &Device::Cpu)?;
            Ok(Voice { clip, speech, samples, words: None })
        };
        let all = lengths::of(count).into_iter().enumerate().map(voice).collect::<Result<_, Error>>()?;
        Ok(Self { all, cached: false }.longest_first())
    }

    /// Of the width that `encoders` take.
    ///
    /// # Errors
    /// Those of the networks' configurations, and what candle reports.
    pub fn drawn_for(encoders: &Encoders, count: usize) -> Result<Self, Error> {
        let kinds = [affekt_core::FeatureKind::Speech];
        let spec = specs(&encoders.bundle, &encoders.recipes, &kinds, &[], "f32")?.swap_remove(0);
        Self::drawn(count, spec.width)
    }

    /// At most `count` voices of the speech in `cache`, kept as `store` where that is given; of more clips equally many
    /// between two that are taken, by their names.
    ///
    /// # Errors
    /// [`Error::Nothing`] where there is none; those of [`source::speech`] and of the cache.
    pub fn cached(
        encoders: &Encoders,
        cache: &Path,
        store: Option<&str>,
        count: usize,
    ) -> Result<Self, Error> {
        let nothing = || Error::Nothing {
            reason: format!("{} has no speech by the bundle {}", cache.display(), encoders.bundle.name()),
        };
        let speech =
            source::speech(&encoders.bundle, &encoders.recipes, cache, store)?.ok_or_else(nothing)?;
        let mut rows = source::clips(cache, &speech)?;
        rows.retain(|row| speech.clip(&row.id).is_some_and(affekt_cache::Clip::is_done));
        if rows.is_empty() {
            return Err(nothing());
        }
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        let count = count.min(rows.len());
        let voice = |at: usize| {
            let row = &rows[at * rows.len() / count];
            let Speech { rows, samples, .. } = Speech::of(&speech, &row.id)?;
            Ok(Voice { clip: row.id.clone(), speech: rows, samples, words: row.text.clone() })
        };
        let all = (0..count).map(voice).collect::<Result<_, Error>>()?;
        Ok(Self { all, cached: true }.longest_first())
    }

    /// Length of all in seconds.
    pub fn seconds(&self) -> f64 {
        self.all.iter().map(Voice::seconds).sum()
    }

    fn longest_first(mut self) -> Self {
        self.all.sort_by_key(|voice| std::cmp::Reverse(voice.samples));
        self
    }
}

/// Noise (rows, width) in which every number follows the one above it.
fn drawn(rows: usize, width: usize, noise: &mut Noise) -> Vec<f32> {
    // Uniform numbers of variance 1, and what keeps the sum at it.
    let scale = 3f32.sqrt() * (1.0 - MEMORY * MEMORY).sqrt() / 2f32.powi(31);
    let mut numbers: Vec<f32> = Vec::with_capacity(rows * width);
    for at in 0..rows * width {
        let new = noise.next().cast_signed() as f32 * scale;
        let above = at.checked_sub(width).map_or(0.0, |above| numbers[above]);
        numbers.push(MEMORY * above + new);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_voices_are_as_long_as_clips_and_always_the_same() {
        let voices = Voices::drawn(32, 8).unwrap();
        assert_eq!(voices.all.len(), 32);
        assert!((7.2..7.4).contains(&(voices.seconds() / 32.0)), "{}", voices.seconds());
        assert!(voices.all.windows(2).all(|pair| pair[0].samples >= pair[1].samples));
        let numbers = |voices: &Voices| voices.all[0].speech.to_vec2::<f32>().unwrap();
        assert_eq!(numbers(&voices), numbers(&Voices::drawn(32, 8).unwrap()));
        let rows = numbers(&voices);
        assert_eq!(rows.len(), (voices.all[0].samples - 80) / 320);
        let all: Vec<f32> = rows.concat();
        let variance = all.iter().map(|x| x * x).sum::<f32>() / all.len() as f32;
        assert!((0.8..1.2).contains(&variance), "{variance}");
        let alike: f32 =
            rows.windows(2).map(|pair| pair[0].iter().zip(&pair[1]).map(|(a, b)| a * b).sum::<f32>()).sum();
        assert!((0.8..1.0).contains(&(alike / variance / all.len() as f32)), "{alike}");
    }
}
