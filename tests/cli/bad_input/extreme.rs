//! Sizes, rates and times beyond reason.

use std::fs;

use affekt_testkit::clips::{Clip, ffmpeg};

use super::{ORDINARY, remade};
use crate::guarded::{judged, predict, refused, warns};

#[test]
fn frames_of_8k() {
    let folder = tempfile::tempdir().unwrap();
    let path = remade(folder.path(), "a.mp4", &["-vf", "scale=7680:4320", "-t", "0.4"]);
    // A frame is 50 MB as it is stored, and a decoder holds several.
    let json = judged(&path, &[], 900);
    assert_eq!(json["faces"]["frames"], 10, "{json}");
}

/// Thousands of frames a second, all with a face, cost what a film of an ordinary rate costs.
#[test]
fn five_thousand_real_frames_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let path = remade(folder.path(), "a.mp4", &["-vf", "scale=240:180,fps=5000", "-t", "0.5", "-bf", "0"]);
    judged(&path, &[], ORDINARY);
}

/// 50 frames in a hundredth of a second.
#[test]
fn a_header_that_claims_five_thousand_frames_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let path = remade(folder.path(), "a.mp4", &["-an", "-t", "2"]);
    let mut bytes = fs::read(&path).unwrap();
    let header = bytes.windows(4).position(|four| four == b"mdhd").unwrap();
    let clock = u32::from_be_bytes(bytes[header + 16..header + 20].try_into().unwrap());
    bytes[header + 16..header + 20].copy_from_slice(&(clock * 200).to_be_bytes());
    fs::write(&path, bytes).unwrap();
    let json = judged(&path, &[], ORDINARY);
    assert!(json["duration_s"].as_f64().unwrap() < 0.1, "{json}");
}

/// Shapes, pixels and sound as no camera makes them: judged with words, whatever the rest is worth.
#[test]
fn odd_streams() {
    let folder = tempfile::tempdir().unwrap();
    let picture = |size: &str| format!("testsrc2=s={size}:r=25:d=0.4");
    let (dot, line, usual) = (picture("2x2"), picture("4096x2"), picture("160x120"));
    let tone = |channels: usize, layout: &str| {
        let each = vec!["0.1*sin(2000*t)"; channels].join("|");
        format!("aevalsrc='{each}':s=48000:d=0.4:c={layout}")
    };
    let (mono, many) = (tone(1, "mono"), tone(16, "hexadecagonal"));
    let cases: [(&str, &str, &[&str]); 12] = [
        ("dot.mkv", &dot, &["-c:v", "ffv1"]),
        ("line.mp4", &line, &[]),
        ("gray.mkv", &usual, &["-c:v", "ffv1", "-pix_fmt", "gray16le"]),
        ("alpha.mkv", &usual, &["-c:v", "ffv1", "-pix_fmt", "yuva420p"]),
        ("argb.mov", &usual, &["-c:v", "qtrle", "-pix_fmt", "argb"]),
        ("moving.gif", &usual, &[]),
        ("film.m1v", &usual, &[]),
        ("combed.mp4", &usual, &["-flags", "+ildct+ilme"]),
        ("many.wav", &many, &[]),
        ("slow.wav", &mono, &["-ar", "1000"]),
        ("fast.flac", &mono, &["-ar", "384000", "-strict", "-2"]),
        ("bare.aac", &mono, &[]),
    ];
    for (name, source, options) in cases {
        let path = folder.path().join(name);
        let to = path.display().to_string();
        ffmpeg(&[&["-f", "lavfi", "-i", source][..], options, &[&to]].concat());
        let json = judged(&path, &["--transcript", "a fine day"], ORDINARY);
        assert!((0.35..0.6).contains(&json["duration_s"].as_f64().unwrap()), "{name}: {json}");
    }
}

/// A header that asks for more memory than any film needs.
#[test]
fn pictures_of_a_gigapixel_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = Clip::new(0.4).without_audio().codecs(&["-c:v", "rawvideo"]).write(folder.path(), "a.avi");
    let mut bytes = fs::read(&path).unwrap();
    let format = bytes.windows(4).position(|four| four == b"strf").unwrap() + 8;
    bytes[format + 4..format + 8].copy_from_slice(&32_000u32.to_le_bytes());
    bytes[format + 8..format + 12].copy_from_slice(&32_000u32.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    assert_eq!(refused(&path, &[]), "not_media");
}

/// What a recorder reserved and never filled, or a file of zeros under the name of a recording: no parser collects all of
/// it in the hope of a packet.
#[test]
fn gigabytes_of_nothing() {
    const SIZE: u64 = 4 << 30;
    let folder = tempfile::tempdir().unwrap();
    let begun = [
        remade(folder.path(), "a.mp3", &["-t", "1", "-vn"]),
        remade(folder.path(), "a.mkv", &["-t", "1"]),
        remade(folder.path(), "a.h264", &["-t", "1", "-an", "-c:v", "libx264"]),
    ];
    for path in begun {
        fs::File::options().write(true).open(&path).unwrap().set_len(SIZE).unwrap();
        let json = judged(&path, &[], 900);
        assert!((0.9..1.2).contains(&json["duration_s"].as_f64().unwrap()), "{json}");
    }
    for name in ["zeros.mp3", "zeros.h264", "zeros.mp4"] {
        let path = folder.path().join(name);
        fs::File::create(&path).unwrap().set_len(SIZE).unwrap();
        assert_eq!(predict(&path, &[], 900).1["error"]["kind"], "not_media", "{name}");
    }
}

/// With a voice beside it, the rest of such a file is judged.
#[test]
fn an_undecodable_picture_leaves_the_voice() {
    let folder = tempfile::tempdir().unwrap();
    let path = remade(folder.path(), "a.avi", &["-t", "0.4", "-c:v", "rawvideo", "-c:a", "pcm_s16le"]);
    let mut bytes = fs::read(&path).unwrap();
    let format = bytes.windows(4).position(|four| four == b"strf").unwrap() + 8;
    bytes[format + 4..format + 8].copy_from_slice(&32_000u32.to_le_bytes());
    bytes[format + 8..format + 12].copy_from_slice(&32_000u32.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let json = judged(&path, &[], ORDINARY);
    assert!(warns(&json, &["the picture", "cannot be decoded"]), "{json}");
}
