//! Bad input: one clear error each, and damage that leaves something is a warning.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use affekt_core::{ErrorKind, Explain, Span};
use affekt_media::{Error, Track, Warning, probe};
use affekt_testkit::clips::Clip;
use common::decode_all;
use std::fs;
use std::path::Path;
use tempfile::tempdir;

/// The error of both probing and decoding `path`, which must name the file and a remedy.
fn error_of(path: &Path) -> Error {
    let error = decode_all(path, Span::ALL).unwrap_err();
    assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    assert!(error.hint().is_some(), "{error}");
    error
}

#[test]
fn what_is_no_readable_file() {
    let folder = tempdir().unwrap();
    assert!(matches!(error_of(&folder.path().join("absent.mp4")), Error::NotFound { .. }));
    assert!(matches!(error_of(folder.path()), Error::IsFolder { .. }));
    let empty = folder.path().join("empty.mp4");
    fs::write(&empty, "").unwrap();
    assert!(matches!(error_of(&empty), Error::Empty { .. }));
    assert!(matches!(error_of(Path::new("/dev/null")), Error::NotMedia { .. }));
}

const SECRET: &str = "AFFEKT_MEDIA_TEST_SECRET";

/// Run by [`what_may_not_be_read`] as a user without rights.
#[test]
fn child_without_rights() {
    let Some(path) = std::env::var_os(SECRET) else { return };
    let error = error_of(Path::new(&path));
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    const NOBODY: u32 = 65_534;
    let folder = tempdir().unwrap();
    let path = folder.path().join("secret.mp4");
    fs::write(&path, "secret").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&path).is_err() {
        assert!(matches!(error_of(&path), Error::Unreadable { .. }));
        return;
    }
    // This user may read everything: another one looks, through a copy of this program that it can reach.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let child = std::process::Command::new(&program)
        .args(["child_without_rights", "--exact"])
        .env(SECRET, &path)
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output();
    match child {
        Ok(child) => assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout)),
        Err(error) => println!("skipped: this user may read everything, and cannot be another ({error})"),
    }
}

#[cfg(unix)]
#[test]
fn what_leads_nowhere() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("loop.mp4");
    std::os::unix::fs::symlink(&path, &path).unwrap();
    assert!(matches!(error_of(&path), Error::Unreadable { .. }));
    assert!(matches!(error_of(&folder.path().join("loop.mp4/x.mp4")), Error::Unreadable { .. }));
}

#[test]
fn what_is_no_media() {
    let folder = tempdir().unwrap();
    let mut state = 1u64;
    let random: Vec<u8> = (0..200_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        })
        .collect();
    let html = b"<!DOCTYPE html><html><body>404: not found</body></html>\n".repeat(50);
    for name in ["x.mp4", "x.mp3", "x.wav", "x.txt", "x", "x.mpg"] {
        for content in [&random[..], &random[..100], &html[..], b"hello", &[0; 10_000]] {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            let error = error_of(&path);
            assert_eq!(error.kind(), ErrorKind::NotMedia, "{error}");
        }
    }
}

/// What a playlist names stays closed, whatever the playlist is called.
#[test]
fn playlists_open_no_other_file() {
    let folder = tempdir().unwrap();
    Clip::new(0.4).write(folder.path(), "other.ts");
    Clip::new(0.4).write(folder.path(), "other.mp4");
    let hls = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n";
    let dash = r#"<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"
        mediaPresentationDuration="PT1S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>
        <AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>other.mp4</BaseURL>
        </Representation></AdaptationSet></Period></MPD>"#;
    let session = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n";
    for content in [hls, "ffconcat version 1.0\nfile other.mp4\n", dash, session] {
        for name in ["list.mp4", "list.m3u8", "list.ffconcat", "list.mpd", "list.sdp"] {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            let error = error_of(&path);
            assert!(
                matches!(&error, Error::NotMedia { reason, .. } if reason.contains("playlist")),
                "{error}"
            );
        }
    }
}

#[test]
fn photos_are_no_media_whatever_their_name() {
    let folder = tempdir().unwrap();
    for (photo, name) in
        [("a.png", "a.mp4"), ("b.jpg", "b.mp4"), ("c.jpg", "c.jpg"), ("d.webp", "d.mkv"), ("e.png", "e")]
    {
        let still = Clip::new(0.04).without_audio().codecs(&["-frames:v", "1"]);
        let path = still.write(folder.path(), photo);
        let renamed = folder.path().join(name);
        fs::rename(path, &renamed).unwrap();
        let error = error_of(&renamed);
        assert!(matches!(error, Error::NotMedia { .. }), "{error}");
        assert!(probe(&renamed).is_err());
    }
}

#[test]
fn files_that_are_cut_off() {
    let folder = tempdir().unwrap();
    let (film, sound) = (Clip::new(4.0), Clip::new(4.0).without_video());
    let films = ["a.mp4", "a.mkv", "a.mpg", "a.webm"].map(|name| film.write(folder.path(), name));
    let sounds = ["a.wav", "a.flac", "a.mp3", "a.ogg"].map(|name| sound.write(folder.path(), name));
    for path in films.into_iter().chain(sounds) {
        let name = path.display();
        let whole = fs::read(&path).unwrap();
        for part in [1, 20, 40, 60, 80, 95] {
            fs::write(&path, &whole[..whole.len() * part / 100]).unwrap();
            match decode_all(&path, Span::ALL) {
                Ok((decoded, _)) => assert!(decoded.span.end.unwrap().0 <= 4.1, "{name} {part}%"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotMedia, "{name} {part}%: {error}"),
            }
        }
    }
}

#[test]
fn a_film_that_ends_early_says_so() {
    let folder = tempdir().unwrap();
    let path = Clip::new(6.0).codecs(&["-movflags", "+faststart"]).write(folder.path(), "a.mp4");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let (decoded, frames) = decode_all(&path, Span::ALL).unwrap();
    assert!(!frames.is_empty() && frames.len() < 150);
    assert!(
        decoded.warnings.iter().any(|warning| matches!(warning, Warning::CutShort { .. })),
        "{:?}",
        decoded.warnings
    );
}

#[test]
fn damage_in_the_middle_is_left_out_and_told() {
    let folder = tempdir().unwrap();
    for name in ["a.mp4", "a.mkv", "a.mpg"] {
        let path = Clip::new(6.0).codecs(&["-movflags", "+faststart"]).write(folder.path(), name);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 8_000].iter_mut().enumerate().for_each(|(n, byte)| *byte = (n * 37) as u8);
        fs::write(&path, &bytes).unwrap();
        let (decoded, frames) = decode_all(&path, Span::ALL).unwrap();
        let told = |track: Track| {
            decoded.warnings.iter().any(|warning| match warning {
                Warning::Damaged { track: damaged, .. } | Warning::Gaps { track: damaged, .. } => {
                    *damaged == track
                }
                warning => matches!(warning, Warning::BrokenContainer { .. }),
            })
        };
        assert!(told(Track::Video) || told(Track::Audio), "{name}: {:?}", decoded.warnings);
        let lost = 150 - frames.len();
        assert!(lost < 7 || told(Track::Video), "{name}: {lost} frames lost, {:?}", decoded.warnings);
        assert!(frames.len() > 60, "{name}: {} frames", frames.len());
        assert!(frames.windows(2).all(|pair| pair[0].time < pair[1].time), "{name}");
        assert!((decoded.span.end.unwrap().0 - 6.0).abs() < 0.1, "{name}");
    }
}
