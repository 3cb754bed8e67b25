//! The voice: waveform -> WavLM hidden states.

use affekt_core::{FeatureKind, LayerRule, Waveform};
use affekt_nn::staging::Staging;
use affekt_wavlm::{Normalize, WavLm, normalize};
use affekt_weights::Bundle;
use candle_core::{DType, Device, Tensor};

use super::{Width, summed};
use crate::Error;
use crate::networks::Source;
use crate::recipe::{AudioRecipe, Recipes};

/// Both features of the voice, one row per 20 ms.
pub struct Voice {
    /// (t, width): what the fusion model hears.
    pub audio: Tensor,
    /// (t, width): what the projector hears.
    pub speech: Tensor,
}

/// WavLM, and what the bundle wants of it.
pub struct Encoder {
    network: WavLm,
    audio: Rule,
    speech: Rule,
    dtype: DType,
    staging: Staging,
    memory: Memory,
    width: Width,
}

/// What decides how much memory a pass takes.
struct Memory {
    /// Bytes for each sample: of the first convolution, of all hidden states, inside a block.
    sample: f64,
    /// Bytes for each pair of frames of a clip: the scores of attention.
    pair: f64,
}

impl Memory {
    fn of(config: &affekt_wavlm::Config, dtype: DType) -> Self {
        let bytes = dtype.size_in_bytes() as f64;
        let first = &config.convs[0];
        // A map goes in, another comes out, and one is between them.
        let convolution = 3.0 * first.outputs as f64 / first.stride as f64;
        let frame = (config.layers + 4) * config.hidden_size + 2 * config.intermediate_size;
        let samples_per_frame: usize = config.convs.iter().map(|conv| conv.stride).product();
        // Scores, their bias, and what softmax makes of them.
        let pair = 3.0 * config.heads as f64 * bytes;
        Self { sample: bytes * (convolution + frame as f64 / samples_per_frame as f64), pair }
    }
}

/// One of the two recipes.
struct Rule {
    normalize: Normalize,
    layers: LayerRule,
}

impl Rule {
    fn of(recipe: &AudioRecipe, entries: usize) -> Result<Self, Error> {
        recipe.layers.resolve(entries)?;
        Ok(Self { normalize: recipe.normalize.parse()?, layers: recipe.layers })
    }
}

impl Encoder {
    /// Loads the speech encoder of `bundle`, verified.
    pub fn load(bundle: &Bundle, recipes: &Recipes, device: &Device) -> Result<Self, Error> {
        let name = &recipes.audio.network;
        let (network, config) = Source::of(bundle, name, device)?.wavlm()?;
        let entries = config.layers + 1;
        let dtype = bundle.network(name)?.dtype.into();
        Ok(Self {
            network,
            audio: Rule::of(&recipes.audio, entries)?,
            speech: Rule::of(&recipes.speech, entries)?,
            dtype,
            staging: Staging::new(device),
            memory: Memory::of(&config, dtype),
            width: Width::of(bundle, recipes, FeatureKind::Audio, config.hidden_size)?,
        })
    }

    /// Numbers a row of both features.
    pub fn width(&self) -> usize {
        self.width.numbers
    }

    /// Rows that a clip of `samples` samples (16 kHz) gives; 0 where it is too short for one.
    pub fn frames(&self, samples: usize) -> usize {
        self.network.frames(samples)
    }

    /// Bytes of a device, estimated from the network's shape, that clips of at most `samples` samples take together.
    pub fn bytes(&self, clips: usize, samples: usize) -> u64 {
        let frames = self.frames(samples) as f64;
        (clips as f64 * (self.memory.sample * samples as f64 + self.memory.pair * frames * frames)) as u64
    }

    /// Encodes a clip at 16 kHz. `None` for one that is too short for a single frame.
    ///
    /// # Errors
    /// [`Error::NotFinite`], and what candle reports.
    pub fn encode(&self, waveform: &Waveform) -> Result<Option<Voice>, Error> {
        Ok(self.encode_batch(&[waveform])?.pop().flatten())
    }

    /// Encodes clips at 16 kHz together, each as if it were alone: one answer a clip in the given order, `None` for one
    /// that is too short for a single frame.
    ///
    /// Every clip costs as much as the longest. One pass serves both features, unless their recipes normalise
    /// differently.
    ///
    /// # Errors
    /// As [`Encoder::encode`]; an error of one clip is one of the whole batch.
    pub fn encode_batch(&self, waveforms: &[&Waveform]) -> Result<Vec<Option<Voice>>, Error> {
        let long_enough = |waveform: &&Waveform| self.frames(waveform.samples.len()) > 0;
        let clips: Vec<&[f32]> =
            waveforms.iter().copied().filter(long_enough).map(|waveform| &*waveform.samples).collect();
        let mut voices = self.voices(&clips)?.into_iter();
        Ok(waveforms
            .iter()
            .map(|waveform| if long_enough(waveform) { voices.next() } else { None })
            .collect())
    }

    /// The features of clips of which each has a frame.
    fn voices(&self, clips: &[&[f32]]) -> Result<Vec<Voice>, Error> {
        if clips.is_empty() {
            return Ok(Vec::new());
        }
        let states = self.hidden_states(clips, self.audio.normalize)?;
        let own_pass = if self.audio.normalize == self.speech.normalize {
            None
        } else {
            Some(self.hidden_states(clips, self.speech.normalize)?)
        };
        let audio = self.width.held(summed(&states, self.audio.layers)?)?; // (b, t, width)
        let speech = summed(own_pass.as_ref().unwrap_or(&states), self.speech.layers)?;
        let speech = self.width.held(speech)?; // (b, t, width)
        let voice = |(row, clip): (usize, &&[f32])| {
            let frames = self.frames(clip.len());
            Ok(Voice { audio: rows(&audio, row, frames)?, speech: rows(&speech, row, frames)? })
        };
        clips.iter().enumerate().map(voice).collect()
    }

    /// All hidden states, each (b, t, width).
    fn hidden_states(&self, clips: &[&[f32]], how: Normalize) -> Result<Vec<Tensor>, Error> {
        let lengths: Vec<usize> = clips.iter().map(|clip| clip.len()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let samples = self.staging.upload((clips.len(), longest), |samples: &mut [f32]| {
            for (row, clip) in samples.chunks_exact_mut(longest).zip(clips) {
                row[..clip.len()].copy_from_slice(clip);
            }
        })?; // (b, n)
        let samples = normalize(&samples, how, Some(&lengths))?.to_dtype(self.dtype)?;
        Ok(self.network.forward(&samples, Some(&lengths))?)
    }
}

/// The first `frames` rows of clip `row` of a batch (b, t, width): (frames, width).
fn rows(batch: &Tensor, row: usize, frames: usize) -> Result<Tensor, Error> {
    let rows = batch.get(row)?.narrow(0, 0, frames)?;
    // A view would keep the whole batch in memory for as long as one of its clips is kept.
    if batch.dim(0)? == 1 { Ok(rows) } else { Ok(rows.copy()?) }
}
