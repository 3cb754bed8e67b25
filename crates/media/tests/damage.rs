//! Damage and odd headers: what can be decoded is, what is lost is told, and nothing is printed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use affekt_core::{ErrorKind, Explain, Span};
use affekt_media::{Track, Warning};
use affekt_testkit::clips::{Clip, ffmpeg, printed_by};
use common::{decode_all, decode_digests, span};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::tempdir;

/// Numbers without a pattern.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn clips(folder: &Path, seconds: f64) -> Vec<PathBuf> {
    let films = ["a.mp4", "a.mkv", "a.webm", "a.mpg", "a.ts", "a.avi"];
    let sounds = ["a.wav", "a.aiff", "a.flac", "a.mp3", "a.ogg", "a.m4a"];
    let film = Clip::new(seconds).size(64, 48);
    let sound = Clip::new(seconds).without_video().rate(22_050);
    let films = films.into_iter().filter(|name| Clip::can_write(name)).map(|name| film.write(folder, name));
    films.chain(sounds.into_iter().map(|name| sound.write(folder, name))).collect()
}

#[test]
fn random_damage_never_panics_or_hangs() {
    let folder = tempdir().unwrap();
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for path in clips(folder.path(), 1.0) {
        let name = path.display();
        let whole = fs::read(&path).unwrap();
        for round in 0..24 {
            let mut bytes = whole.clone();
            // Headers first: they decide on sizes.
            let region = [64, 1_000, whole.len()][round % 3].min(whole.len()) as u64;
            for _ in 0..=dice.roll() % 10 {
                bytes[(dice.roll() % region) as usize] = [0, 0xff, dice.roll() as u8][round / 3 % 3];
            }
            fs::write(&path, &bytes).unwrap();
            let begun = Instant::now();
            match decode_all(&path, Span::ALL) {
                Ok((decoded, _)) => assert!(decoded.span.end.unwrap().0 < 100.0, "{name}, round {round}"),
                Err(error) => assert!(error.hint().is_some(), "{name}, round {round}: {error}"),
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{name}, round {round}");
        }
    }
}

/// Metadata are bytes, not text: a brand that is no UTF-8 is none of the known ones.
#[test]
fn a_brand_that_is_no_text() {
    let folder = tempdir().unwrap();
    let path = Clip::new(0.4).write(folder.path(), "a.mp4");
    let mut bytes = fs::read(&path).unwrap();
    bytes[8..12].copy_from_slice(&[0xff, 0xfe, 0xed, 0x80]);
    fs::write(&path, bytes).unwrap();
    assert_eq!(decode_all(&path, Span::ALL).unwrap().1.len(), 10);
}

/// Overwrites the middle fifth of the packets of `track` in an MP4 file.
fn tear(path: &Path, track: &str) {
    let args =
        ["-v", "error", "-select_streams", track, "-show_entries", "packet=pos,size", "-of", "csv=p=0"];
    let printed = printed_by("ffprobe", &[&args[..], &[&path.display().to_string()]].concat());
    let printed = String::from_utf8(printed).unwrap();
    let packets: Vec<(usize, usize)> = printed
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split(',').filter_map(|field| field.trim().parse().ok());
            let (size, place) = (numbers.next()?, numbers.next()?);
            Some((place, size))
        })
        .collect();
    let mut bytes = fs::read(path).unwrap();
    let mut dice = Dice(88_172_645_463_325_252);
    for (place, size) in &packets[2 * packets.len() / 5..3 * packets.len() / 5] {
        bytes[*place..place + size].iter_mut().for_each(|byte| *byte = dice.roll() as u8);
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn torn_packets_are_told_with_what_they_last() {
    let folder = tempdir().unwrap();
    for (track, selector) in [(Track::Video, "v:0"), (Track::Audio, "a:0")] {
        let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10"];
        let path = Clip::new(10.0).codecs(&codecs).write(folder.path(), "a.mp4");
        tear(&path, selector);
        let (decoded, frames) = decode_digests(&path, Span::ALL).unwrap();
        let told = decoded.warnings.iter().find_map(|warning| match warning {
            Warning::Damaged { track: damaged, count, lasting } if *damaged == track => {
                Some((*count, lasting.0))
            }
            _ => None,
        });
        let (count, lasting) = told.unwrap_or_else(|| panic!("{track}: {:?}", decoded.warnings));
        assert!((1.0..=3.0).contains(&lasting), "{track}: {count} of {lasting} s, where 2 s are torn");
        assert!(frames.len() >= 190, "{track}: {} frames", frames.len());
        let seconds = decoded.waveform.unwrap().duration().0;
        assert!((seconds - 10.0).abs() < 0.1, "{track}: {seconds} s");
        // What is not torn is unharmed.
        let (after, later) = decode_digests(&path, span(7.0, 9.0)).unwrap();
        assert_eq!((after.warnings, later.len()), (vec![], 50), "{track}");
    }
}

#[test]
fn thousands_of_frames_a_second() {
    let folder = tempdir().unwrap();
    // 5,000 real frames a second; and a header that claims them, with a clock that runs 200 times too fast.
    let fast = Clip::new(0.2).fps(5_000).size(64, 48).codecs(&["-bf", "0"]);
    for name in ["a.mp4", "a.mkv"] {
        let (_, frames) = decode_all(&fast.write(folder.path(), name), Span::ALL).unwrap();
        assert!(frames.len() >= 200, "{name}: {} frames", frames.len());
        assert!(frames.windows(2).all(|pair| pair[0].time < pair[1].time), "{name}");
    }
    let path = Clip::new(2.0).without_audio().write(folder.path(), "b.mp4");
    let mut bytes = fs::read(&path).unwrap();
    let header = bytes.windows(4).position(|four| four == b"mdhd").unwrap();
    let clock = u32::from_be_bytes(bytes[header + 16..header + 20].try_into().unwrap());
    bytes[header + 16..header + 20].copy_from_slice(&(clock * 200).to_be_bytes());
    fs::write(&path, bytes).unwrap();
    let (decoded, frames) = decode_all(&path, Span::ALL).unwrap();
    assert_eq!(frames.len(), 50);
    assert!(decoded.span.end.unwrap().0 < 0.1, "{:?}", decoded.span);
}

#[test]
fn a_rate_of_a_few_samples_a_second_is_refused() {
    let folder = tempdir().unwrap();
    let path = Clip::new(1.0).without_video().write(folder.path(), "a.wav");
    let mut bytes = fs::read(&path).unwrap();
    bytes[24..28].copy_from_slice(&2u32.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let error = decode_all(&path, Span::ALL).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotMedia, "{error}");
}

#[test]
fn a_moment_and_a_silence() {
    let folder = tempdir().unwrap();
    for name in ["a.mp4", "a.webm", "a.mpg"] {
        if Clip::can_write(name) {
            let (decoded, frames) =
                decode_all(&Clip::new(0.2).write(folder.path(), name), Span::ALL).unwrap();
            assert_eq!(frames.len(), 5, "{name}");
            let seconds = decoded.waveform.unwrap().duration().0;
            assert!((0.2..0.28).contains(&seconds), "{name}: {seconds}");
        }
    }
    let path = folder.path().join("silence.m4a");
    let to = path.display().to_string();
    ffmpeg(&["-f", "lavfi", "-i", "anullsrc=r=44100:cl=stereo:d=1", &to]);
    let (decoded, _) = decode_all(&path, Span::ALL).unwrap();
    assert!(decoded.waveform.unwrap().is_silent());
}

const CHILD: &str = "AFFEKT_MEDIA_TEST_FOLDER";

/// Run by [`nothing_is_printed`] in a process of its own: decodes all that is in the folder.
#[test]
fn child_that_decodes_a_folder() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    for entry in fs::read_dir(folder).unwrap() {
        let _ = decode_digests(&entry.unwrap().path(), Span::ALL);
    }
}

#[test]
fn nothing_is_printed() {
    let folder = tempdir().unwrap();
    for path in clips(folder.path(), 2.0) {
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 2_000].fill(0xa5);
        let keep = bytes.len() * 4 / 5;
        fs::write(&path, &bytes[..keep]).unwrap();
    }
    // symphonia 0.6 panics on this loudspeaker mask, and a panic prints: such files must not come to it.
    let three = Clip::new(1.0).without_video().channels(3).codecs(&["-channel_layout", "FL+FR+LFE"]);
    let path = three.write(folder.path(), "mask.wav");
    let mut bytes = fs::read(&path).unwrap();
    let extensible = bytes.windows(2).position(|pair| pair == [0xfe, 0xff]).unwrap();
    bytes[extensible + 20..extensible + 24].copy_from_slice(&0x8000_0001u32.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["child_that_decodes_a_folder", "--exact", "--nocapture"])
        .env(CHILD, folder.path())
        .output()
        .unwrap();
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "", "on the standard error");
    let (decoded, _) = decode_all(&path, Span::ALL).unwrap();
    assert_eq!(decoded.waveform.unwrap().samples.len(), 16_000);
}
