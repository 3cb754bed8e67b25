//! The front end: waveform -> log-mel frames, as transformers' `WhisperFeatureExtractor` computes them.

use std::f64::consts::PI;
use std::sync::Arc;

use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Samples of a Fourier transform: 25 ms at 16 kHz.
const WINDOW: usize = 400;
/// Samples between two frames: 10 ms.
const HOP: usize = 160;
/// Frequencies of a transform, from 0 to 8000 Hz in steps of 40 Hz.
const BINS: usize = WINDOW / 2 + 1;
/// Samples that the network hears at once: 30 s.
const HEARD: usize = 480_000;
/// Frames of 30 s.
pub const WINDOW_FRAMES: usize = HEARD / HOP;
/// Frames that a thread takes at a time.
const SHARE: usize = 250;

/// A bank of filters on the mel scale, and the transform before it.
pub struct Mel {
    fft: Arc<dyn RealToComplex<f64>>,
    hann: Vec<f64>,
    filters: Vec<Filter>,
}

/// A triangle over some neighbouring frequencies.
struct Filter {
    first: usize,
    weights: Vec<f64>,
}

/// The log-mel frames of a recording.
pub struct Spectrogram {
    /// (frames, bands), one row for 10 ms.
    values: Vec<f32>,
    bands: usize,
    /// Frames that the recording fills; silence may follow.
    content: usize,
}

impl Mel {
    /// The front end with `bands` bands.
    pub fn new(bands: usize) -> Self {
        // Periodic: over 400 samples, not 399.
        let hann = (0..WINDOW).map(|at| 0.5 - 0.5 * (2.0 * PI * at as f64 / WINDOW as f64).cos());
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(WINDOW),
            hann: hann.collect(),
            filters: filters(bands),
        }
    }

    /// Log-mel frames of `samples` (16 kHz): frame `i` is centred on sample `160 i`. A recording shorter than 30 s is
    /// followed by silence up to there; one that is longer gives `floor(n / 160)` frames, and its ends are mirrored.
    ///
    /// The values are within 8 decades of the loudest of the whole recording: `(max(log10 p, loudest - 8) + 4) / 4`.
    /// The sums are in f64, so that quiet bands beside loud ones keep their digits.
    pub fn spectrogram(&self, samples: &[f32]) -> Spectrogram {
        let bands = self.filters.len();
        let heard = samples.len().max(HEARD);
        let mut values = vec![0.0; heard / HOP * bands];
        values.par_chunks_mut(SHARE * bands).enumerate().for_each(|(share, rows)| {
            self.powers(samples, heard, share * SHARE, rows);
        });
        let loudest = values.par_iter().copied().reduce(|| f32::NEG_INFINITY, f32::max);
        values.par_iter_mut().for_each(|value| *value = (value.max(loudest - 8.0) + 4.0) / 4.0);
        Spectrogram { values, bands, content: samples.len() / HOP }
    }

    /// Decadic logarithms of the bands' powers in frame `first` and those that follow: `rows` is (frames, bands).
    fn powers(&self, samples: &[f32], heard: usize, first: usize, rows: &mut [f32]) {
        let mut segment = vec![0.0; WINDOW];
        let mut spectrum = vec![Complex::default(); BINS];
        let mut scratch = self.fft.make_scratch_vec();
        let mut power = [0.0; BINS];
        for (row, bands) in rows.chunks_mut(self.filters.len()).enumerate() {
            let start = ((first + row) * HOP) as isize - (WINDOW / 2) as isize;
            for (at, (value, hann)) in segment.iter_mut().zip(&self.hann).enumerate() {
                *value = hann * sample(samples, heard, start + at as isize);
            }
            self.fft
                .process_with_scratch(&mut segment, &mut spectrum, &mut scratch)
                .expect("the buffers have the lengths of the plan");
            for (power, value) in power.iter_mut().zip(&spectrum) {
                *power = value.norm_sqr();
            }
            for (band, filter) in bands.iter_mut().zip(&self.filters) {
                let covered = &power[filter.first..][..filter.weights.len()];
                let sum: f64 =
                    covered.iter().zip(&filter.weights).map(|(power, weight)| power * weight).sum();
                *band = sum.max(1e-10).log10() as f32;
            }
        }
    }
}

/// The sample `at`, silence behind the recording, mirrored at 0 and at `heard`.
fn sample(samples: &[f32], heard: usize, at: isize) -> f64 {
    let at = at.unsigned_abs();
    let at = if at < heard { at } else { 2 * (heard - 1) - at };
    samples.get(at).map_or(0.0, |&sample| f64::from(sample))
}

impl Spectrogram {
    /// Frames that the recording fills.
    pub fn content(&self) -> usize {
        self.content
    }

    /// Frames from `start` on that [`Self::window`] takes from the recording or the silence behind it.
    pub fn remaining(&self, start: usize) -> usize {
        (self.values.len() / self.bands).saturating_sub(start).min(WINDOW_FRAMES)
    }

    /// The 30 s from frame `start` on, zeros behind the last: (1, bands, 3000).
    pub fn window(&self, start: usize, device: &Device) -> Result<Tensor> {
        let mut window = vec![0.0; self.bands * WINDOW_FRAMES];
        for frame in 0..self.remaining(start) {
            let row = &self.values[(start + frame) * self.bands..][..self.bands];
            for (band, value) in row.iter().enumerate() {
                window[band * WINDOW_FRAMES + frame] = *value;
            }
        }
        Tensor::from_vec(window, (1, self.bands, WINDOW_FRAMES), device)
    }
}

/// Triangles evenly spaced on Slaney's mel scale from 0 to 8000 Hz, each of area 1 (Slaney, 1998, "Auditory Toolbox").
fn filters(bands: usize) -> Vec<Filter> {
    let top = hertz_to_mel(8000.0);
    let corners: Vec<f64> =
        (0..bands + 2).map(|at| mel_to_hertz(top * at as f64 / (bands + 1) as f64)).collect();
    let triangle = |corner: &[f64]| {
        let weight = |bin: usize| {
            let hertz = 40.0 * bin as f64;
            let rising = (hertz - corner[0]) / (corner[1] - corner[0]);
            let falling = (corner[2] - hertz) / (corner[2] - corner[1]);
            rising.min(falling).max(0.0) * 2.0 / (corner[2] - corner[0])
        };
        let first = (0..BINS).find(|&bin| weight(bin) > 0.0).unwrap_or(0);
        let weights = (first..BINS).map(weight).take_while(|&weight| weight > 0.0).collect();
        Filter { first, weights }
    };
    corners.windows(3).map(triangle).collect()
}

/// Linear up to 1000 Hz (15 mel), then 27 mel for a factor of 6.4.
fn hertz_to_mel(hertz: f64) -> f64 {
    if hertz < 1000.0 { hertz * 3.0 / 200.0 } else { 15.0 + (hertz / 1000.0).ln() * 27.0 / 6.4_f64.ln() }
}

fn mel_to_hertz(mel: f64) -> f64 {
    if mel < 15.0 { mel * 200.0 / 3.0 } else { 1000.0 * ((mel - 15.0) * 6.4_f64.ln() / 27.0).exp() }
}
