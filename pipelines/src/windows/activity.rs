//! Speech and pauses, told apart by loudness alone.
//!
//! 1. The level of a frame of 10 ms is the variance of its samples in decibels below full scale. The variance leaves a
//!    constant offset and most of a slow rumble out; 10 ms hold a period of every voice. Samples that are no numbers
//!    are left out.
//! 2. Each level becomes the median of the five around it. A click lasts less than 20 ms, so it touches two frames at
//!    most, and the median of five does not see them; the edges of longer sounds stay where they are.
//! 3. The background is the 2nd percentile of the levels and the voice the 98th: of the 30 s looked at, 0.6 s suffice for
//!    either. Digital silence (below -84 dB) is no background: a recording that is muted for a while has its own
//!    background elsewhere.
//! 4. A frame is speech where its level lies more than 6 dB over the background (steady noise keeps within 2 dB of its
//!    own level) and at most 40 dB below the voice (the weakest consonants lie about 30 dB below the strongest vowels,
//!    Fletcher 1953, and words fade out). Where the 30 s hold 0.6 s of digital silence, the pauses may be that, and the
//!    background found be weak speech: then all that is at most 25 dB below the voice is speech.
//! 5. Where voice and background are less than 10 dB apart, there is only one kind of sound: music, noise, or silence.
//!    All of it counts as speech where it is louder than -50 dB and less than 20 dB below a voice heard before in the
//!    recording; else it is a pause throughout.

use std::ops::Range;

use affekt_core::{SampleRate, Seconds};

/// Samples of a frame: 10 ms.
pub const FRAME: usize = SampleRate::SPEECH.0 as usize / 100;
/// Level of digital silence, in decibels below full scale.
const SILENCE: f32 = -100.0;
/// Levels below this are digital silence, dithered or not: one step of 16 bits is -90 dB.
const MUTE: f32 = -84.0;
/// Frames of the median on either side.
const MEDIAN: usize = 2;
/// The shares of frames that are below the background, and above the voice.
const SHARE: f64 = 0.02;
/// Decibels over the background.
const OVER_BACKGROUND: f32 = 6.0;
/// Decibels below the voice.
const BELOW_VOICE: f32 = 40.0;
/// Decibels below the voice in a sound with digital silence.
const BELOW_VOICE_IF_MUTED: f32 = 25.0;
/// Decibels between voice and background, at least, for the two to be different sounds.
const CONTRAST: f32 = 10.0;
/// From here on, a sound without contrast counts as speech.
const AUDIBLE: f32 = -50.0;
/// Unless it lies this many decibels below a voice heard before.
const BACKGROUND_BELOW_VOICE: f32 = 20.0;

/// Levels of the frames of a sound that grows at its end and is forgotten from its start.
#[derive(Debug)]
pub(super) struct Levels {
    frames: Vec<f32>,
    /// Level of the loudest voice so far.
    voice: f32,
}

impl Default for Levels {
    fn default() -> Self {
        Self { frames: Vec::new(), voice: SILENCE }
    }
}

impl Levels {
    /// Reads the whole frames of `samples` that are not read yet.
    pub fn read(&mut self, samples: &[f32]) {
        let (frames, _) = samples.as_chunks::<FRAME>();
        self.frames.extend(frames[self.frames.len()..].iter().map(|frame| level(frame)));
    }

    /// Reads all frames, with the last, which may be shorter.
    pub fn read_rest(&mut self, samples: &[f32]) {
        self.frames.extend(samples.chunks(FRAME).skip(self.frames.len()).map(level));
    }

    /// Drops the first `frames`.
    pub fn forget(&mut self, frames: usize) {
        self.frames.drain(..frames.min(self.frames.len()));
    }

    /// What is speech in it, and what is not.
    pub fn activity(&mut self) -> Activity {
        let levels: Vec<f32> = (0..self.frames.len()).map(|at| median(around(&self.frames, at))).collect();
        let threshold = self.threshold(&levels);
        Activity { levels, threshold }
    }

    fn threshold(&mut self, levels: &[f32]) -> f32 {
        let mut sorted: Vec<f32> = levels.iter().copied().filter(|&level| level > MUTE).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return MUTE };
        let at = |share: f64| sorted[(last as f64 * share).round() as usize];
        let (background, voice) = (at(SHARE), at(1.0 - SHARE));
        if voice - background >= CONTRAST {
            self.voice = self.voice.max(voice);
            let muted = (levels.len() - sorted.len()) as f64 >= SHARE * levels.len() as f64;
            let most = if muted { voice - BELOW_VOICE_IF_MUTED } else { voice };
            (background + OVER_BACKGROUND).min(most).max(voice - BELOW_VOICE)
        } else if voice > AUDIBLE.max(self.voice - BACKGROUND_BELOW_VOICE) {
            MUTE
        } else {
            f32::INFINITY
        }
    }
}

/// Smoothed levels, and where speech begins.
#[derive(Debug)]
pub(super) struct Activity {
    levels: Vec<f32>,
    /// A frame above it is speech.
    threshold: f32,
}

impl Activity {
    /// Without the first `frames`.
    pub fn after(&self, frames: usize) -> Self {
        Self { levels: self.levels[frames..].to_vec(), threshold: self.threshold }
    }

    fn is_speech(&self, frame: usize) -> bool {
        self.levels[frame] > self.threshold
    }

    /// The longest stretches of frames that are no speech, in order.
    pub fn pauses(&self) -> impl Iterator<Item = Range<usize>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let start = (at..self.levels.len()).find(|&frame| !self.is_speech(frame))?;
            let end = (start..self.levels.len()).find(|&frame| self.is_speech(frame));
            at = end.unwrap_or(self.levels.len());
            Some(start..at)
        })
    }

    /// Mean level of the `width` frames around the start of frame `at`.
    pub fn level_around(&self, at: usize, width: usize) -> f64 {
        let range = at.saturating_sub(width / 2)..(at + width / 2).min(self.levels.len());
        let power: f64 =
            self.levels[range.clone()].iter().map(|&level| 10f64.powf(f64::from(level) / 10.0)).sum();
        10.0 * (power / range.len().max(1) as f64).log10()
    }

    /// Duration of the speech among the first `samples`.
    pub fn speech(&self, samples: usize) -> Seconds {
        let frames = (0..samples.div_ceil(FRAME)).filter(|&frame| self.is_speech(frame));
        // The last frame may be shorter.
        let heard = frames.map(|frame| FRAME.min(samples - frame * FRAME)).sum();
        SampleRate::SPEECH.seconds(heard)
    }
}

/// Decibels below full scale, not below [`SILENCE`].
fn level(frame: &[f32]) -> f32 {
    let finite = || frame.iter().filter(|sample| sample.is_finite()).map(|&sample| f64::from(sample));
    let (count, sum, squares) = finite().fold((0.0f64, 0.0, 0.0), |(count, sum, squares), sample| {
        (count + 1.0, sum + sample, squares + sample * sample)
    });
    let mean = sum / count.max(1.0);
    let variance = (squares / count.max(1.0) - mean * mean).max(1e-10);
    (10.0 * variance.log10()) as f32
}

fn around(levels: &[f32], at: usize) -> &[f32] {
    &levels[at.saturating_sub(MEDIAN)..(at + MEDIAN + 1).min(levels.len())]
}

fn median(levels: &[f32]) -> f32 {
    let mut sorted = [0.0; 2 * MEDIAN + 1];
    let sorted = &mut sorted[..levels.len()];
    sorted.copy_from_slice(levels);
    sorted.sort_unstable_by(f32::total_cmp);
    sorted[(levels.len() - 1) / 2]
}
