//! What cannot be judged: one error with kind, name and remedy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use affekt_testkit::clips::{Clip, ffmpeg};

use super::{ORDINARY, remade};
use crate::command::{SAMPLE, project};
use crate::guarded::{judged, refused};

fn file(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path
}

/// Noise that is the same in every run.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn what_is_no_recording() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let whole = fs::read(project().join(SAMPLE)).unwrap();
    let photo = remade(folder, "photo.jpg", &["-frames:v", "1"]);
    let words = file(folder, "words.srt", b"1\n00:00:00,000 --> 00:00:01,000\nhello\n\n");
    let subtitles = folder.join("subtitles.mkv");
    ffmpeg(&[Path::new("-i"), &words, &subtitles]);
    let empty_folder = folder.join("empty");
    fs::create_dir(&empty_folder).unwrap();
    let cases = [
        (file(folder, "empty.mp4", b""), "empty"),
        (file(folder, "random.mp4", &noise(50_000)), "not_media"),
        (file(folder, "page.mp4", b"<!doctype html><html><body>404</body></html>"), "not_media"),
        (file(folder, "truncated.mp4", &whole[..whole.len() / 3]), "not_media"),
        (file(folder, "photo.mp4", &fs::read(photo).unwrap()), "not_media"),
        (subtitles, "no_streams"),
        (words, "no_streams"),
        (folder.join("absent.mp4"), "not_found"),
        (folder.join("absent*.mp4"), "not_found"),
        (folder.join("absent[.mp4"), "bad_config"),
        (empty_folder, "is_folder"),
    ];
    for (path, kind) in cases {
        assert_eq!(refused(&path, &[]), kind, "{}", path.display());
    }
}

/// A playlist is no recording: what it names stays closed, be it elsewhere on the disk or on the net.
#[test]
fn playlists_open_no_other_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Clip::new(1.0).write(folder, "other.ts");
    Clip::new(1.0).write(folder, "other.mp4");
    let hls = |name: &str| {
        format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{name}\n#EXT-X-ENDLIST\n")
    };
    let dash = r#"<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"
        mediaPresentationDuration="PT1S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>
        <AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>other.mp4</BaseURL>
        </Representation></AdaptationSet></Period></MPD>"#;
    let session = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n";
    let lists = [
        ("beside.m3u8", hls("other.ts")),
        ("disguised.mp4", hls("other.ts")),
        ("net.m3u8", hls("http://127.0.0.1:9/other.ts")),
        ("list.ffconcat", "ffconcat version 1.0\nfile other.mp4\n".into()),
        ("list.mp4", "ffconcat version 1.0\nfile other.mp4\n".into()),
        ("dash.mpd", dash.into()),
        ("session.sdp", session.into()),
    ];
    for (name, text) in lists {
        assert_eq!(refused(&file(folder, name, text.as_bytes()), &[]), "not_media", "{name}");
    }
}

/// Reading them would wait, or never end.
#[test]
#[cfg(unix)]
fn pipes_and_devices_are_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.mp4");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [&pipe, Path::new("/dev/null"), Path::new("/dev/zero")] {
        assert_eq!(refused(path, &[]), "not_media", "{}", path.display());
    }
}

#[test]
fn without_voice_and_face_words_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let silence = folder.join("silence.wav");
    ffmpeg(&["-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono:d=1", silence.to_str().unwrap()]);
    let gray = folder.join("gray.mp4");
    ffmpeg(&["-f", "lavfi", "-i", "color=gray:s=160x120:r=25:d=1", gray.to_str().unwrap()]);
    for path in [silence, gray] {
        assert_eq!(refused(&path, &[]), "nothing_to_judge", "{}", path.display());
        let json = judged(&path, &["--transcript", "what a fine day"], ORDINARY);
        assert!(json["valence"]["with_text"].is_number(), "{json}");
        assert_eq!(json["text_source"], "transcript");
    }
}
