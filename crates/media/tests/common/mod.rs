//! What the test files share.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test file uses its own part")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use affekt_core::{Frame, RgbImage, Span};
use affekt_media::{Decoded, Error, Piece, Summary, Want, decode, stream};
use affekt_testkit::clips::{Clip, repeat};

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
        let RgbImage { width, height, data } = &frame.image;
        frames.push((frame.time.0, *width, *height, digest(data)));
        ControlFlow::Continue(())
    })?;
    Ok((decoded, frames))
}

/// Eight bytes at a time: a film has gigabytes.
fn digest(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mix = |state: u64, word: u64| (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let state = words.iter().fold(0, |state, word| mix(state, u64::from_le_bytes(*word)));
    rest.iter().fold(state, |state, byte| mix(state, u64::from(*byte)))
}

/// What is seen and heard in a span, without holding its frames.
pub struct Witness {
    pub summary: Summary,
    /// Times at which white frames begin.
    pub flashes: Vec<f64>,
    /// Times at which beeps begin.
    pub beeps: Vec<f64>,
}

/// Decodes both streams of `span`, looking for flashes and beeps.
pub fn witness(path: &Path, span: Span) -> Witness {
    let (mut flashes, mut was_white, mut heard) = (Vec::new(), false, Vec::new());
    let summary = stream(path, span, Want::ALL, |piece| {
        match piece {
            Piece::Frame(frame) => {
                let white = is_white(&frame.image);
                flashes.extend((white && !was_white).then_some(frame.time.0));
                was_white = white;
            }
            Piece::Sound { samples, .. } => heard.extend_from_slice(samples),
        }
        ControlFlow::Continue(())
    });
    let summary = summary.unwrap();
    let beeps = beeps(&heard, summary.span.start.0);
    Witness { summary, flashes, beeps }
}

fn is_white(image: &RgbImage) -> bool {
    brightness(image) > 215.0
}

/// The span [start, end).
pub fn span(start: f64, end: f64) -> Span {
    Span::new(Some(start), Some(end)).unwrap()
}

/// Mean of all bytes of a picture.
pub fn brightness(image: &RgbImage) -> f64 {
    image.data.iter().map(|byte| u64::from(*byte)).sum::<u64>() as f64 / image.data.len() as f64
}

/// Whether the picture's corner is the red of the synthetic clips.
pub fn is_red(image: &RgbImage, x: usize, y: usize) -> bool {
    let [r, g, b] = image.pixel(x, y);
    r > 180 && g < 80 && b < 80
}

/// Times at which white frames begin.
pub fn flashes(frames: &[Frame]) -> Vec<f64> {
    let white: Vec<bool> = frames.iter().map(|frame| is_white(&frame.image)).collect();
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

/// Decodes both streams of `which` and looks at nothing.
pub fn pass(path: &Path, which: Span) -> Summary {
    stream(path, which, Want::ALL, |_| ControlFlow::Continue(())).unwrap()
}

/// `minutes` of a tiny film, or of sound alone, without encoding more than ten seconds.
pub fn long(folder: &Path, name: &str, minutes: usize, clip: &Clip) -> PathBuf {
    let (piece, path) = (clip.write(folder, &format!("piece-{name}")), folder.join(name));
    repeat(&piece, 6 * minutes, &path);
    path
}
