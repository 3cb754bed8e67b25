//! What the test files share.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test file uses its own part")]

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::ControlFlow;
use std::path::Path;

use affekt_core::{Frame, RgbImage, Span};
use affekt_media::{Decoded, Error, Want, decode};

/// Decodes both streams of `span` and collects the frames.
pub fn decode_all(path: &Path, span: Span) -> Result<(Decoded, Vec<Frame>), Error> {
    let mut frames = Vec::new();
    let decoded = decode(path, span, Want::ALL, |frame| {
        frames.push(frame);
        ControlFlow::Continue(())
    })?;
    assert_eq!(decoded.frames, frames.len());
    Ok((decoded, frames))
}

/// Time, width, height and digest of a frame: for films too long to hold.
pub type FrameDigest = (f64, usize, usize, u64);

/// Decodes both streams of `span` and digests the frames.
pub fn decode_digests(path: &Path, span: Span) -> Result<(Decoded, Vec<FrameDigest>), Error> {
    let mut frames = Vec::new();
    let decoded = decode(path, span, Want::ALL, |frame| {
        let mut hasher = DefaultHasher::new();
        frame.image.data.hash(&mut hasher);
        frames.push((frame.time.0, frame.image.width, frame.image.height, hasher.finish()));
        ControlFlow::Continue(())
    })?;
    Ok((decoded, frames))
}

/// The span [start, end).
pub fn span(start: f64, end: f64) -> Span {
    Span::new(Some(start), Some(end)).unwrap()
}

/// Mean of all bytes of a picture.
pub fn brightness(image: &RgbImage) -> f64 {
    image.data.iter().map(|byte| f64::from(*byte)).sum::<f64>() / image.data.len() as f64
}

/// Whether the picture's corner is the red of the synthetic clips.
pub fn is_red(image: &RgbImage, x: usize, y: usize) -> bool {
    let [r, g, b] = image.pixel(x, y);
    r > 180 && g < 80 && b < 80
}

/// Times at which white frames begin.
pub fn flashes(frames: &[Frame]) -> Vec<f64> {
    let white: Vec<bool> = frames.iter().map(|frame| brightness(&frame.image) > 215.0).collect();
    (0..frames.len()).filter(|&n| white[n] && (n == 0 || !white[n - 1])).map(|n| frames[n].time.0).collect()
}

/// Times at which beeps begin, from `start` on.
pub fn beeps(samples: &[f32], start: f64) -> Vec<f64> {
    const QUIET: usize = 4_000;
    let mut last_loud = None;
    let mut onsets = Vec::new();
    for (n, sample) in samples.iter().enumerate() {
        if sample.abs() > 0.2 {
            if last_loud.is_none_or(|last| n - last > QUIET) {
                onsets.push(start + n as f64 / 16_000.0);
            }
            last_loud = Some(n);
        }
    }
    onsets
}
