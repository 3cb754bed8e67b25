//! What can be judged in part: a warning says how much is missing.

use std::fs;
use std::path::Path;

use affekt_testkit::clips::Clip;
use serde_json::Value;

use super::{ORDINARY, remade};
use crate::guarded::{judged, warns};

/// Seconds that were judged.
fn length(json: &Value) -> f64 {
    json["duration_s"].as_f64().unwrap()
}

#[test]
fn a_recording_without_its_second_half() {
    let folder = tempfile::tempdir().unwrap();
    let path = remade(folder.path(), "a.mkv", &["-t", "3"]);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let json = judged(&path, &[], ORDINARY);
    assert!((0.5..2.5).contains(&length(&json)), "{json}");
    assert!(warns(&json, &["the file ends at", "header says 3.0"]), "{json}");
}

#[test]
fn torn_packets_in_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let path = remade(folder.path(), "a.mp4", &["-g", "10", "-movflags", "+faststart"]);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    let torn = bytes.len() / 10;
    bytes[middle..middle + torn].iter_mut().enumerate().for_each(|(n, byte)| *byte = (n * 37) as u8);
    fs::write(&path, bytes).unwrap();
    let json = judged(&path, &[], ORDINARY);
    assert!((length(&json) - 5.7).abs() < 0.2, "{json}");
    assert!(json["faces"]["frames"].as_u64().unwrap() > 90, "{json}");
    // How much, of which track.
    assert!(warns(&json, &["the picture", "in all"]), "{json}");
    assert!(warns(&json, &["the sound", "in all"]), "{json}");
}

#[test]
fn what_is_missing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let cases: [(&str, &[&str], &str); 6] = [
        ("no-audio.mp4", &["-an"], "no audio stream"),
        ("no-video.m4a", &["-vn"], "no video stream"),
        ("silence.mp4", &["-af", "volume=0"], "the sound is silent"),
        ("no-face.mp4", &["-vf", "drawbox=c=gray:t=fill"], "no face in any of"),
        // A stream of sound in the header, and not a packet of it.
        ("no-sound.mkv", &["-c", "copy", "-bsf:a", "noise=drop=1"], "the sound (aac) cannot be decoded"),
        ("no-sound.mp4", &["-c", "copy", "-bsf:a", "noise=drop=1"], "no audio stream"),
    ];
    for (name, options, warning) in cases {
        let path = remade(folder, name, &[options, &["-t", "1"]].concat());
        let json = judged(&path, &[], ORDINARY);
        assert!(warns(&json, &[warning]), "{name}: {json}");
    }
}

#[test]
fn a_moment_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let json = judged(&remade(folder.path(), "a.mp4", &["-t", "0.2"]), &[], ORDINARY);
    assert!((0.2..0.3).contains(&length(&json)), "{json}");
    assert_eq!(json["faces"]["frames"], 5, "{json}");
}

/// Makes the header of a Matroska file say that it lasts `seconds`.
fn claim_duration(path: &Path, seconds: f64) {
    let mut bytes = fs::read(path).unwrap();
    // The element Duration, of eight bytes, in milliseconds.
    let at = bytes.windows(3).position(|three| three == [0x44, 0x89, 0x88]).unwrap() + 3;
    bytes[at..at + 8].copy_from_slice(&(seconds * 1e3).to_be_bytes());
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_header_that_claims_ten_hours() {
    let folder = tempfile::tempdir().unwrap();
    let path = remade(folder.path(), "a.mkv", &["-t", "1"]);
    claim_duration(&path, 36_000.0);
    let json = judged(&path, &[], ORDINARY);
    assert!((1.0..1.2).contains(&length(&json)), "{json}");
    assert!(warns(&json, &["the file ends at 1.0", "header says 36000"]), "{json}");
}

#[test]
fn timestamps_before_zero() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["-t", "1", "-output_ts_offset", "-5", "-avoid_negative_ts", "disabled"];
    let json = judged(&remade(folder.path(), "a.mkv", &options), &[], ORDINARY);
    assert!((0.9..1.2).contains(&length(&json)), "{json}");
}

/// A clip of which all that comes after the first second has a clock that is `hours` ahead.
fn jumping(folder: &Path, name: &str, hours: f64) -> std::path::PathBuf {
    let seconds = hours * 3_600.0;
    let picture = format!("setpts='PTS+gte(T,1)*{seconds}/TB'");
    let sound = format!("asetpts='PTS+gte(T,1)*{seconds}/TB'");
    remade(
        folder,
        name,
        &["-t", &format!("{}", seconds + 2.0), "-vf", &picture, "-af", &sound, "-fps_mode", "passthrough"],
    )
}

/// Hours of nothing between two seconds of speech: what is there is judged, and the gap is told or not believed.
#[test]
fn timestamps_that_jump_by_hours() {
    let folder = tempfile::tempdir().unwrap();
    for (name, hours) in [("half.mkv", 0.5), ("two.mkv", 2.0), ("two.mp4", 2.0), ("day.mkv", 24.0)] {
        let json = judged(&jumping(folder.path(), name, hours), &[], ORDINARY);
        let told = warns(&json, &["gap"]) || warns(&json, &["the file ends at"]);
        assert!(told, "{name}: {json}");
    }
}

/// Sound of one kind after another in one file, as recorders of radio make it.
#[test]
fn chained_ogg_is_heard_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    if !Clip::can_write("a.ogg") {
        return;
    }
    let one = fs::read(Clip::new(1.5).without_video().write(folder.path(), "a.ogg")).unwrap();
    let two = fs::read(Clip::new(2.0).without_video().write(folder.path(), "b.ogg")).unwrap();
    let path = folder.path().join("both.ogg");
    fs::write(&path, [one, two].concat()).unwrap();
    let json = judged(&path, &[], ORDINARY);
    assert!((length(&json) - 3.5).abs() < 0.1, "{json}");
    assert!(!warns(&json, &["damaged"]), "{json}");
}
