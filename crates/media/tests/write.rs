//! Films to measure with: what is written comes back, at any length.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod common;

use std::path::{Path, PathBuf};

use affekt_core::{Explain as _, RgbImage, Seconds, Span};
use affekt_media::write::{Error, Reel, Settings};
use affekt_media::{Want, stream};
use common::decode_digests;

const SETTINGS: Settings = Settings { rate: 30, bits: 300_000, group: 15 };
/// Pictures of one round: two groups.
const ROUND: usize = 30;

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny/sample.mp4")
}

/// A bar that wanders over a slope.
fn pictures() -> impl Iterator<Item = RgbImage> {
    (0..ROUND).map(|number| {
        let mut image = RgbImage::black(128, 64);
        for (at, pixel) in image.data.chunks_exact_mut(3).enumerate() {
            let (x, y) = (at % 128, at / 128);
            let bar = x / 4 == number;
            pixel.copy_from_slice(&if bar { [230, 230, 230] } else { [x as u8, 2 * y as u8, 60] });
        }
        image
    })
}

fn reel() -> Reel {
    Reel::record(pictures(), &SETTINGS, &sample()).unwrap()
}

#[test]
fn a_film_is_as_long_as_wanted_up_to_a_group_and_repeats_itself() {
    let (reel, folder) = (reel(), tempfile::tempdir().unwrap());
    assert!(["libx264", "mpeg4"].contains(&reel.encoder()));
    for (wanted, frames) in [(0.2, 15), (0.5, 15), (0.51, 30), (7.9, 240)] {
        let path = folder.path().join(format!("{frames}.mp4"));
        let length = reel.write(&path, Seconds(wanted)).unwrap();
        assert!((length.0 - frames as f64 / 30.0).abs() < 1e-9, "{wanted}: {length}");
        let (decoded, seen) = decode_digests(&path, Span::ALL).unwrap();
        assert_eq!((seen.len(), decoded.warnings.len()), (frames, 0), "{:?}", decoded.warnings);
        let info = &decoded.info;
        assert!((info.duration.unwrap().0 - length.0).abs() < 0.1, "{info:?}");
        // A block of sound is 46 ms.
        let heard = decoded.waveform.unwrap().duration().0;
        assert!((heard - length.0).abs() < 0.1, "{heard} s of sound in {length}");
        for (number, frame) in seen.iter().enumerate() {
            assert!((frame.0 - number as f64 / 30.0).abs() < 1e-4, "frame {number} at {}", frame.0);
            assert_eq!(frame.3, seen[number % ROUND].3, "frame {number}");
        }
    }
}

#[test]
fn the_picture_is_the_one_that_was_given() {
    let (reel, folder) = (reel(), tempfile::tempdir().unwrap());
    let path = folder.path().join("film.mp4");
    reel.write(&path, Seconds(1.0)).unwrap();
    let mut given = pictures();
    stream(&path, Span::ALL, Want::VIDEO, |piece| {
        let affekt_media::Piece::Frame(frame) = piece else { return std::ops::ControlFlow::Continue(()) };
        let given = given.next().unwrap();
        let difference = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b));
        let mean =
            given.data.iter().zip(&frame.image.data).map(difference).sum::<f64>() / given.data.len() as f64;
        assert!(mean < 6.0, "frame {} is off by {mean} on average", frame.index);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    assert!(given.next().is_none());
}

#[test]
fn what_cannot_be_recorded_or_written_is_refused() {
    let nothing = std::iter::empty::<RgbImage>();
    assert!(matches!(Reel::record(nothing, &SETTINGS, &sample()), Err(Error::Encode { .. })));
    let mixed = pictures().chain([RgbImage::black(64, 64)]);
    assert!(matches!(Reel::record(mixed, &SETTINGS, &sample()), Err(Error::Encode { .. })));
    let mute = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let error = Reel::record(pictures(), &SETTINGS, &mute).err().unwrap();
    assert!(error.to_string().contains("Cargo.toml") && error.hint().is_some(), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let error = reel().write(&folder.path().join("absent/film.mp4"), Seconds(1.0)).unwrap_err();
    assert_eq!(error.kind(), affekt_core::ErrorKind::Unwritable, "{error}");
}
