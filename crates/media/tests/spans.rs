//! A span is exactly that stretch of the whole: the same frames at the same times, the same samples.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use affekt_core::{Frame, SampleRate, Seconds, Span, Waveform};
use affekt_media::{Decoded, Error, Piece, Want, decode, stream};
use affekt_testkit::clips::Clip;
use common::{decode_all, span};
use std::ops::ControlFlow;
use std::path::Path;
use tempfile::tempdir;

const SPANS: [(f64, f64); 7] =
    [(0.0, 0.5), (0.2, 0.6), (1.9999, 2.3), (2.52, 3.7), (4.0, 4.04), (6.013, 8.487), (7.9, 60.0)];

fn samples(waveform: &Waveform, from: Seconds, to: Seconds) -> &[f32] {
    &waveform.samples[from.to_samples(SampleRate::SPEECH)..to.to_samples(SampleRate::SPEECH)]
}

/// Compares each span with the whole; samples may differ by `tolerance`.
fn check(path: &Path, tolerance: f32) {
    let (whole, all_frames) = decode_all(path, Span::ALL).unwrap();
    let (wave, end) = (whole.waveform.unwrap(), whole.span.end.unwrap());
    assert_eq!(wave.samples.len(), end.to_samples(SampleRate::SPEECH));
    for (from, to) in SPANS {
        let label = format!("{} [{from}, {to})", path.display());
        let (part, frames) = decode_all(path, span(from, to)).unwrap();
        let covered = part.span.end.unwrap();
        assert_eq!(covered.0, to.min(end.0), "{label}");
        let inside: Vec<&Frame> =
            all_frames.iter().filter(|frame| span(from, to).contains(frame.time)).collect();
        let times = |frames: &[&Frame]| frames.iter().map(|frame| frame.time.0).collect::<Vec<_>>();
        assert_eq!(times(&frames.iter().collect::<Vec<_>>()), times(&inside), "{label}");
        assert!(frames.iter().zip(&inside).all(|(a, b)| a.image == b.image), "{label}: pictures differ");
        assert!(frames.iter().enumerate().all(|(n, frame)| frame.index == n), "{label}");
        let part = part.waveform.unwrap();
        let expected = samples(&wave, Seconds(from), covered);
        assert_eq!(part.samples.len(), expected.len(), "{label}");
        let worst = part.samples.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= tolerance, "{label}: samples differ by {worst}");
    }
}

#[test]
fn lossless_sound_to_the_bit() {
    let folder = tempdir().unwrap();
    let clip = Clip::new(9.0).rate(44_100);
    check(&clip.clone().codecs(&["-c:a", "pcm_s16le"]).write(folder.path(), "a.mov"), 1e-6);
    // Matroska counts in milliseconds: the blocks' places must be found on their grid.
    check(&clip.clone().codecs(&["-c:a", "flac"]).write(folder.path(), "a.mkv"), 1e-6);
    check(&clip.codecs(&["-c:v", "mpeg4", "-c:a", "pcm_s16le"]).write(folder.path(), "a.avi"), 1e-6);
}

#[test]
fn coded_sound_within_what_the_codec_forgets() {
    let folder = tempdir().unwrap();
    let clip = Clip::new(9.0);
    // AAC's noise substitution draws random numbers from the start on; MPEG audio has no such state.
    check(&clip.write(folder.path(), "a.mp4"), 5e-3);
    check(&clip.write(folder.path(), "a.mkv"), 5e-3);
    check(&clip.write(folder.path(), "a.webm"), 5e-3);
    check(&clip.clone().rate(44_100).write(folder.path(), "a.mpg"), 1e-3);
}

#[test]
fn a_long_group_of_pictures_needs_a_far_seek() {
    let folder = tempdir().unwrap();
    let options = ["-c:v", "libx264", "-g", "1000", "-keyint_min", "1000", "-bf", "3", "-c:a", "flac"];
    check(&Clip::new(9.0).codecs(&options).write(folder.path(), "a.mkv"), 1e-6);
}

#[test]
fn pictures_that_lean_on_the_group_before() {
    let folder = tempdir().unwrap();
    let clip = Clip::new(9.0);
    let with = |video: &[&'static str]| clip.clone().codecs(&[video, &["-c:a", "mp2"]].concat());
    let h264 =
        ["-c:v", "libx264", "-preset", "ultrafast", "-g", "24", "-bf", "3", "-x264-params", "open-gop=1"];
    check(&with(&h264).write(folder.path(), "h264.ts"), 1e-3);
    let hevc = [
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        "open-gop=1:keyint=24:bframes=3:log-level=none",
    ];
    check(&with(&hevc).write(folder.path(), "hevc.mkv"), 1e-3);
    check(&with(&["-c:v", "mpeg2video", "-bf", "2", "-g", "12"]).write(folder.path(), "mpeg2.mpg"), 1e-3);
    check(
        &with(&["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"])
            .write(folder.path(), "vp9.mkv"),
        1e-3,
    );
}

#[test]
fn plain_audio_files_too() {
    let folder = tempdir().unwrap();
    for (name, tolerance) in
        [("a.wav", 1e-6), ("a.flac", 1e-6), ("a.mp3", 1e-3), ("a.ogg", 1e-3), ("a.m4a", 5e-3)]
    {
        check(&Clip::new(9.0).without_video().rate(44_100).write(folder.path(), name), tolerance);
    }
}

#[test]
fn audio_alone_equals_audio_with_picture() {
    let folder = tempdir().unwrap();
    let path = Clip::new(4.0).write(folder.path(), "a.mp4");
    let (both, _) = decode_all(&path, span(2.5, 3.5)).unwrap();
    let skip = |_: Frame| -> ControlFlow<()> { panic!("no frame was wanted") };
    let sound = decode(&path, span(2.5, 3.5), Want::AUDIO, skip).unwrap();
    assert_eq!(sound.waveform, both.waveform);
    assert_eq!((sound.frames, sound.warnings), (0, vec![]));
    let picture = decode(&path, span(2.5, 3.5), Want::VIDEO, |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((picture.waveform, picture.frames), (None, both.frames));
}

#[test]
fn breaking_off_stops_the_frames_and_not_the_sound() {
    let folder = tempdir().unwrap();
    let path = Clip::new(3.0).write(folder.path(), "a.mp4");
    let stop_at_third =
        |frame: Frame| if frame.index == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let decoded: Decoded = decode(&path, Span::ALL, Want::ALL, stop_at_third).unwrap();
    assert_eq!(decoded.frames, 3);
    assert!(decoded.waveform.unwrap().samples.len() >= 48_000);
    assert_eq!(decoded.warnings, []);
}

#[test]
fn pieces_join_to_the_whole() {
    let folder = tempdir().unwrap();
    for (name, which) in [("a.mp4", Span::ALL), ("a.mkv", span(2.5, 3.7)), ("a.mpg", span(0.3, 9.0))] {
        let path = Clip::new(4.0).rate(44_100).sound_starts(0.5).write(folder.path(), name);
        let (decoded, frames) = decode_all(&path, which).unwrap();
        let (mut seen, mut heard, mut apart) = (Vec::new(), Vec::new(), 0.0f64);
        let summary = stream(&path, which, Want::ALL, |piece| {
            match piece {
                Piece::Frame(frame) => seen.push(frame),
                Piece::Sound { start, samples } => {
                    let place = which.start.to_samples(SampleRate::SPEECH) + heard.len();
                    assert_eq!(start, SampleRate::SPEECH.seconds(place), "{name}");
                    heard.extend_from_slice(samples);
                    let latest = seen.last().map_or(start, |frame: &Frame| frame.time);
                    apart = apart.max((latest.0 - start.0).abs());
                }
            }
            ControlFlow::Continue(())
        });
        let summary = summary.unwrap();
        assert_eq!((summary.frames, summary.samples), (seen.len(), Some(heard.len())), "{name}");
        assert_eq!((seen, heard), (frames, decoded.waveform.unwrap().samples), "{name}");
        assert_eq!((summary.span, summary.warnings), (decoded.span, decoded.warnings), "{name}");
        // A caller that wants both of a moment must not hold much of one while it waits for the other.
        assert!(apart < 2.0, "{name}: picture and sound come {apart} s apart");
    }
}

#[test]
fn breaking_off_the_sound_leaves_the_frames() {
    let folder = tempdir().unwrap();
    for name in ["a.mp4", "a.flac"] {
        let clip = if name == "a.mp4" { Clip::new(3.0) } else { Clip::new(3.0).without_video() };
        let path = clip.write(folder.path(), name);
        let mut heard = 0;
        let summary = stream(&path, Span::ALL, Want::ALL, |piece| match piece {
            Piece::Frame(_) => ControlFlow::Continue(()),
            Piece::Sound { samples, .. } => {
                heard += samples.len();
                ControlFlow::Break(())
            }
        });
        let summary = summary.unwrap();
        assert_eq!(summary.samples, Some(heard), "{name}");
        assert!(heard < 8_000, "{name}: {heard} samples after breaking off");
        assert_eq!(summary.frames, if name == "a.mp4" { 75 } else { 0 }, "{name}");
    }
}

#[test]
fn a_span_past_the_end_names_the_duration() {
    let folder = tempdir().unwrap();
    for name in ["a.mp4", "a.mpg", "a.webm"] {
        let path = Clip::new(2.0).write(folder.path(), name);
        let error = decode_all(&path, Span::new(Some(9.0), None).unwrap()).unwrap_err();
        let Error::BadSpan { duration, .. } = error else { panic!("{name}: {error}") };
        assert!((duration.0 - 2.0).abs() < 0.1, "{name}: {duration}");
    }
}
