//! Sound at 16 kHz equals what the `ffmpeg` command makes of it, by whichever reader it came.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use affekt_core::Span;
use affekt_testkit::clips::{Clip, ffmpeg};
use common::decode_all;
use std::path::Path;
use tempfile::tempdir;

/// The samples that `ffmpeg` gives for `path`, mixed down to the mean of `channels` and resampled.
fn reference(path: &Path, channels: usize) -> Vec<f32> {
    let out = path.with_extension("f32");
    let mix: Vec<String> = (0..channels).map(|n| format!("{}*c{n}", 1.0 / channels as f64)).collect();
    let filter = format!("aformat=sample_fmts=fltp,pan=mono|c0={},aresample=16000", mix.join("+"));
    let (input, output) = (path.display().to_string(), out.display().to_string());
    ffmpeg(&["-i", &input, "-vn", "-af", &filter, "-f", "f32le", &output]);
    let bytes = std::fs::read(out).unwrap();
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

fn check(clip: &Clip, name: &str, channels: usize) {
    let folder = tempdir().unwrap();
    let path = clip.write(folder.path(), name);
    let (decoded, _) = decode_all(&path, Span::ALL).unwrap();
    let (ours, theirs) = (decoded.waveform.unwrap().samples, reference(&path, channels));
    assert!(ours.len().abs_diff(theirs.len()) <= 1, "{name}: {} samples, not {}", ours.len(), theirs.len());
    let worst = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= 2e-6, "{name}: samples differ by {worst}");
}

#[test]
fn plain_audio_files() {
    let clip = Clip::new(2.0).without_video();
    for rate in [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000] {
        check(&clip.clone().rate(rate), "a.wav", 1);
    }
    for name in ["a.flac", "a.mp3", "a.ogg", "a.aiff", "a.m4a", "a.opus"] {
        check(&clip.clone().rate(48_000).channels(2), name, 2);
    }
    check(&clip.clone().rate(44_100).codecs(&["-c:a", "pcm_s24le"]), "a.wav", 1);
    check(&clip.clone().rate(44_100).codecs(&["-c:a", "pcm_u8"]), "a.wav", 1);
    check(&clip.clone().rate(44_100).codecs(&["-c:a", "pcm_f32le"]).channels(2), "a.wav", 2);
    check(&clip.rate(44_100).codecs(&["-c:a", "alac"]), "a.m4a", 1);
}

#[test]
fn sound_of_films() {
    for name in ["a.mp4", "a.mov"] {
        check(&Clip::new(2.0).rate(44_100).channels(2), name, 2);
    }
}

#[test]
fn a_tone_keeps_pitch_and_loudness() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("tone.wav");
    let text = path.display().to_string();
    ffmpeg(&["-f", "lavfi", "-i", "aevalsrc=0.5*sin(2*PI*440*t)|0.5*sin(2*PI*440*t):s=44100:d=1", &text]);
    let (decoded, _) = decode_all(&path, Span::ALL).unwrap();
    let samples = decoded.waveform.unwrap().samples;
    assert_eq!(samples.len(), 16_000);
    for (n, sample) in samples.iter().enumerate().skip(100).take(15_800) {
        let expected = 0.5 * (std::f64::consts::TAU * 440.0 * n as f64 / 16_000.0).sin();
        assert!((f64::from(*sample) - expected).abs() < 1e-4, "{n}: {sample} {expected}");
    }
}
