//! Flash and beep come together, whatever the container does to its streams.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use affekt_core::Span;
use affekt_testkit::clips::{Clip, flash};
use common::{Witness, decode_all, span, witness};
use tempfile::tempdir;

const FRAME: f64 = 0.04;

fn assert_in_sync(clip: &Clip, name: &str, which: Span, expected: usize) {
    if !Clip::can_write(name) {
        return;
    }
    let folder = tempdir().unwrap();
    let path = clip.write(folder.path(), name);
    let Witness { summary, flashes, beeps } = witness(&path, which);
    assert_eq!(summary.warnings, [], "{name}");
    assert_eq!((flashes.len(), beeps.len()), (expected, expected), "{name}: {flashes:?} {beeps:?}");
    for (n, (seen, heard)) in flashes.iter().zip(&beeps).enumerate() {
        assert!((seen - heard).abs() <= FRAME, "{name}: flash {n} at {seen}, beep at {heard}");
        let nominal = flash::FIRST + (n as f64 + which.start.0.floor()) * flash::PERIOD;
        assert!((seen - nominal).abs() <= FRAME, "{name}: flash {n} at {seen}, not {nominal}");
    }
}

#[test]
fn for_a_minute() {
    for name in ["a.mp4", "a.mkv", "a.webm", "a.mpg"] {
        assert_in_sync(&Clip::new(60.0), name, Span::ALL, 60);
    }
}

#[test]
fn in_every_container() {
    for name in ["a.mov", "a.avi", "a.ts"] {
        assert_in_sync(&Clip::new(4.0), name, Span::ALL, 4);
    }
}

#[test]
fn after_a_seek() {
    for name in ["a.mp4", "a.mkv", "a.webm", "a.mpg", "a.avi"] {
        assert_in_sync(&Clip::new(8.0), name, span(5.0, 8.0), 3);
    }
}

#[test]
fn at_44_100_hz() {
    for name in ["a.mp4", "a.mkv", "a.mpg"] {
        assert_in_sync(&Clip::new(4.0).rate(44_100).channels(2), name, Span::ALL, 4);
    }
}

#[test]
fn when_the_sound_starts_late() {
    for name in ["a.mp4", "a.mkv", "a.mpg"] {
        assert_in_sync(&Clip::new(4.0).sound_starts(0.3), name, Span::ALL, 4);
    }
}

#[test]
fn at_a_variable_frame_rate() {
    for name in ["a.mp4", "a.mkv"] {
        let folder = tempdir().unwrap();
        let path = Clip::new(3.0).variable_rate().write(folder.path(), name);
        let (_, frames) = decode_all(&path, Span::ALL).unwrap();
        let times: Vec<i64> =
            frames.iter().map(|frame| ((frame.time.0 - frames[0].time.0) / FRAME).round() as i64).collect();
        let expected: Vec<i64> = (0..75).filter(|n| n % 5 < 3).collect();
        assert_eq!(times, expected, "{name}");
    }
}
