//! Real speech, where this machine has it.

use std::ops::ControlFlow;

use affekt_core::Span;
use affekt_media::Want;
use affekt_testkit::realdata;

use super::sound::RATE;
use super::{cuts, windows};

/// Level of the samples, in decibels below full scale.
fn level(samples: &[f32]) -> f64 {
    let power = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / samples.len() as f64;
    10.0 * power.max(1e-10).log10()
}

/// Recordings of one sentence or two, again and again for a minute: wherever they are cut, 0.05 s around it are far below
/// the voice. (Not 0.1 s: some have no pause at all, and are cut in the closure of a stop.)
#[test]
fn real_speech_is_cut_in_quiet_places() {
    let Some(files) = realdata::files("speech", &["wav", "flac"]) else { return };
    for file in files {
        let decoded =
            affekt_media::decode(&file, Span::ALL, Want::AUDIO, |_| ControlFlow::Break(())).unwrap();
        let once = decoded.waveform.unwrap().samples;
        let sound: Vec<f32> = once.iter().copied().cycle().take(once.len().max(65 * RATE)).collect();
        let windows = windows(&sound);
        let name = file.file_name().unwrap().display();
        for (cut, window) in cuts(&windows).into_iter().zip(&windows) {
            let around = level(&sound[cut - RATE / 40..cut + RATE / 40]);
            let voice = level(&window.samples);
            let (at, share) = (cut as f64 / RATE as f64, window.speech.0 / window.span.duration().unwrap().0);
            println!(
                "{name}: cut at {at:.2} s, {around:.1} dB, voice {voice:.1} dB, {share:.2} of it speech"
            );
            assert!(
                around < voice - 20.0,
                "{name}: cut at {at} s, {around} dB where the voice has {voice} dB"
            );
        }
    }
}
