//! Memory grows neither with the length of a recording nor without bound with its pictures.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use affekt_core::{SampleRate, Span};
use affekt_media::{Piece, Want, stream};
use affekt_testkit::clips::Clip;
use common::{long, pass};
use std::fs;
use std::ops::ControlFlow;
use tempfile::tempdir;

/// The most memory that the process held while `work` ran, in MB.
fn peak_of(work: impl FnOnce()) -> f64 {
    fs::write("/proc/self/clear_refs", "5").unwrap();
    work();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes / 1024.0
}

/// What is freed stays with the process for a while: the small one first, and no test beside it.
#[test]
fn memory_is_bounded() {
    three_hours_take_no_more_memory_than_three_minutes();
    an_8k_film_takes_a_bounded_amount();
}

fn three_hours_take_no_more_memory_than_three_minutes() {
    let folder = tempdir().unwrap();
    let clip = Clip::new(10.0).size(32, 32).fps(2).rate(8_000);
    for name in ["a.mp4", "a.mkv"] {
        let short = long(folder.path(), &format!("short-{name}"), 3, &clip);
        let long = long(folder.path(), name, 180, &clip);
        let few = peak_of(|| assert!(pass(&short, Span::ALL).frames >= 360));
        let many = peak_of(|| {
            let mut heard = 0;
            let summary = stream(&long, Span::ALL, Want::ALL, |piece| {
                if let Piece::Sound { start, samples } = piece {
                    assert_eq!(start.to_samples(SampleRate::SPEECH), heard);
                    heard += samples.len();
                }
                ControlFlow::Continue(())
            });
            let summary = summary.unwrap();
            assert!(
                summary.frames >= 21_600 && summary.warnings.is_empty(),
                "{name}: {:?}",
                summary.warnings
            );
            assert_eq!(summary.samples, Some(heard), "{name}");
            assert!((heard as f64 / 16_000.0 - 10_800.0).abs() < 200.0, "{name}: {heard} samples");
        });
        // The waveform alone would be 690 MB. What grows is the container's index.
        assert!(many < few + 40.0, "{name}: {few} MB for 3 minutes, {many} MB for 3 hours");
    }
}

fn an_8k_film_takes_a_bounded_amount() {
    let folder = tempdir().unwrap();
    let path = Clip::new(0.4).without_audio().size(7_680, 4_320).write(folder.path(), "a.mp4");
    let mut frames = 0;
    let peak = peak_of(|| {
        let summary = stream(&path, Span::ALL, Want::ALL, |piece| {
            let Piece::Frame(frame) = piece else { panic!("there is no sound") };
            assert_eq!((frame.image.width, frame.image.height), (4_096, 2_304));
            frames += 1;
            ControlFlow::Continue(())
        });
        let video = summary.unwrap().info.video.unwrap();
        assert_eq!((video.width, video.height), (4_096, 2_304));
    });
    assert_eq!(frames, 10);
    assert!(peak < 900.0, "{peak} MB");
}
