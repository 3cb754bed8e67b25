//! Which streams there are, and how their pictures lie.

mod common;

use affekt_core::{SampleRate, Span};
use affekt_media::{Error, Track, Want, Warning, decode, probe};
use affekt_testkit::clips::{Clip, ffmpeg};
use common::{decode_all, is_red};
use std::ops::ControlFlow;
use tempfile::tempdir;

#[test]
fn probing_tells_the_facts() {
    let folder = tempdir().unwrap();
    let path = Clip::new(2.0).rate(44_100).channels(2).write(folder.path(), "a.mp4");
    let info = probe(&path).unwrap();
    assert!(info.container.contains("mp4"));
    assert!((info.duration.unwrap().0 - 2.0).abs() < 0.05);
    let (audio, video) = (info.audio.unwrap(), info.video.unwrap());
    assert_eq!((audio.codec.as_str(), audio.rate, audio.channels), ("aac", SampleRate(44_100), 2));
    assert_eq!((video.codec.as_str(), video.width, video.height, video.fps), ("h264", 160, 120, Some(25.0)));
}

#[test]
fn missing_streams_are_facts() {
    let folder = tempdir().unwrap();
    let silent = Clip::new(1.0).without_audio().write(folder.path(), "silent.mp4");
    let (decoded, frames) = decode_all(&silent, Span::ALL).unwrap();
    assert_eq!((decoded.waveform, frames.len()), (None, 25));
    assert_eq!(decoded.warnings, [Warning::Missing(Track::Audio)]);
    let blind = Clip::new(1.0).without_video().write(folder.path(), "blind.wav");
    let (decoded, frames) = decode_all(&blind, Span::ALL).unwrap();
    assert_eq!((decoded.waveform.unwrap().samples.len(), frames.len()), (16_000, 0));
    assert_eq!(decoded.warnings, [Warning::Missing(Track::Video)]);
    let nothing = decode(&blind, Span::ALL, Want::VIDEO, |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((nothing.frames, nothing.waveform), (0, None));
}

#[test]
fn rotated_film_comes_upright() {
    let folder = tempdir().unwrap();
    for (degrees, size, corner) in [
        (90, (120, 160), (115, 5)),
        (180, (160, 120), (155, 115)),
        (270, (120, 160), (5, 155)),
        (0, (160, 120), (5, 5)),
    ] {
        let path = Clip::new(0.4).rotation(degrees).write(folder.path(), &format!("{degrees}.mp4"));
        let video = probe(&path).unwrap().video.unwrap();
        assert_eq!((video.width, video.height), size, "{degrees}");
        let (_, frames) = decode_all(&path, Span::ALL).unwrap();
        for frame in &frames {
            assert_eq!((frame.image.width, frame.image.height), size, "{degrees}");
            assert!(is_red(&frame.image, corner.0, corner.1), "{degrees}: the red corner is elsewhere");
        }
    }
}

#[test]
fn oblong_pixels_come_square() {
    let folder = tempdir().unwrap();
    let path = Clip::new(0.2).sample_aspect(4, 3).write(folder.path(), "a.mp4");
    let video = probe(&path).unwrap().video.unwrap();
    assert_eq!((video.width, video.height), (213, 120));
    let (_, frames) = decode_all(&path, Span::ALL).unwrap();
    assert_eq!((frames[0].image.width, frames[0].image.height), (213, 120));
    assert!(is_red(&frames[0].image, 50, 5) && !is_red(&frames[0].image, 57, 5));
}

#[test]
fn cover_art_is_no_film() {
    let folder = tempdir().unwrap();
    let (sound, cover) = (Clip::new(1.0).without_video(), Clip::new(0.04).without_audio());
    let sound = sound.write(folder.path(), "sound.mp3");
    let cover = cover.codecs(&["-frames:v", "1"]).write(folder.path(), "cover.png");
    let song = folder.path().join("song.mp3");
    let (sound, cover, song) = (sound.as_os_str(), cover.as_os_str(), song.as_os_str());
    let flags = ["-map", "0", "-map", "1", "-c", "copy", "-disposition:v", "attached_pic"].map(AsRef::as_ref);
    ffmpeg(&[&["-i".as_ref(), sound, "-i".as_ref(), cover], &flags[..], &[song]].concat());
    let (decoded, frames) = decode_all(song.as_ref(), Span::ALL).unwrap();
    assert_eq!((decoded.info.video, frames.len()), (None, 0));
    assert_eq!(decoded.waveform.unwrap().samples.len(), 16_000);
}

#[test]
fn colours_follow_the_tags() {
    let folder = tempdir().unwrap();
    for (name, filter, matrix) in [
        (
            "601.mkv",
            "out_color_matrix=bt601:out_range=tv",
            ["-colorspace", "smpte170m", "-color_range", "tv"],
        ),
        ("709.mkv", "out_color_matrix=bt709:out_range=tv", ["-colorspace", "bt709", "-color_range", "tv"]),
        ("full.mkv", "out_color_matrix=bt709:out_range=pc", ["-colorspace", "bt709", "-color_range", "pc"]),
    ] {
        let path = folder.path().join(name);
        let source = format!("color=c=0xC86432:s=64x64:r=25:d=0.2,scale={filter},format=yuv444p");
        let path_text = path.display().to_string();
        ffmpeg(&[&["-f", "lavfi", "-i", &source, "-c:v", "ffv1"], &matrix[..], &[&path_text]].concat());
        let (_, frames) = decode_all(&path, Span::ALL).unwrap();
        for (value, expected) in frames[0].image.pixel(32, 32).iter().zip([0xC8u8, 0x64, 0x32]) {
            assert!(value.abs_diff(expected) <= 2, "{name}: {:?}", frames[0].image.pixel(32, 32));
        }
    }
}

#[test]
fn neither_sound_nor_film_is_an_error() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("words.srt");
    std::fs::write(&path, "1\n00:00:00,000 --> 00:00:01,000\nHello\n\n").unwrap();
    let error = probe(&path).unwrap_err();
    assert!(matches!(error, Error::NoStreams { streams: 1, .. }), "{error}");
}
