//! Real recordings, where this machine has them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use affekt_core::{ErrorKind, Explain, Span};
use affekt_media::{Decoded, Track, Warning};
use affekt_testkit::clips::printed_by;
use affekt_testkit::realdata;
use common::{FrameDigest, decode_all, decode_digests, span};
use std::path::Path;

#[test]
fn every_film_decodes_whole_and_in_part() {
    for folder in ["video", "video_awkward"] {
        let Some(files) = realdata::files(folder, &["mp4", "mov", "mpg"]) else { return };
        for path in files {
            let (decoded, frames) = decode_digests(&path, Span::ALL).unwrap();
            let name = path.display();
            let video = decoded.info.video.clone().unwrap();
            assert!(frames.len() > 40, "{name}");
            assert!(frames.iter().all(|frame| (frame.1, frame.2) == (video.width, video.height)), "{name}");
            assert!(frames.windows(2).all(|pair| pair[0].0 < pair[1].0), "{name}");
            let missing = |warning: &Warning| *warning == Warning::Missing(Track::Audio);
            assert!(decoded.warnings.iter().all(missing), "{name}: {:?}", decoded.warnings);

            compare_with_ffmpeg(&path, &decoded, &frames);

            let (part, inside) = decode_digests(&path, span(2.05, 2.35)).unwrap();
            let expected: Vec<_> =
                frames.into_iter().filter(|frame| (2.05..2.35).contains(&frame.0)).collect();
            assert_eq!(inside, expected, "{name}");
            if let (Some(part), Some(whole)) = (part.waveform, decoded.waveform) {
                let worst = part.samples.iter().zip(&whole.samples[32_800..]).map(|(a, b)| (a - b).abs());
                assert!(worst.fold(0.0, f32::max) < 5e-3, "{name}");
                assert_eq!(part.samples.len(), 4_800, "{name}");
            }
        }
    }
}

#[test]
fn all_speech_decodes() {
    let Some(files) = realdata::files("speech", &["wav", "flac"]) else { return };
    for path in files {
        let (decoded, frames) = decode_digests(&path, Span::ALL).unwrap();
        compare_with_ffmpeg(&path, &decoded, &frames);
        let wave = decoded.waveform.unwrap();
        assert!(!wave.is_silent() && wave.peak() <= 1.0, "{}", path.display());
        assert!((wave.duration().0 - decoded.info.duration.unwrap().0).abs() < 1e-3, "{}", path.display());
    }
}

#[test]
fn photos_are_refused() {
    let Some(files) = realdata::files("faces", &["jpg", "png"]) else { return };
    for path in files {
        let error = decode_all(&path, Span::ALL).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotMedia, "{error}");
    }
}

/// What `ffprobe` prints for `entries` of the streams that `which` names: one line each, fields between commas.
fn ffprobe(path: &Path, which: &str, entries: &str) -> Vec<String> {
    let path = path.display().to_string();
    let args =
        ["-v", "error", "-select_streams", which, "-show_entries", entries, "-of", "csv=p=0:nk=1", &path];
    let printed = String::from_utf8(printed_by("ffprobe", &args)).unwrap();
    let lines = printed.lines().map(|line| line.trim_end_matches(',').to_owned());
    lines.filter(|line| !line.is_empty() && line != "side_data").collect()
}

fn first_number(lines: &[String]) -> Option<f64> {
    lines.first()?.split(',').find_map(|field| field.parse().ok())
}

/// The sound as the `ffmpeg` command decodes and resamples it, `late` samples of its own rate after time zero.
fn sound_by_ffmpeg(path: &Path, channels: usize, late: usize) -> Vec<f32> {
    let mix: Vec<String> = (0..channels).map(|n| format!("{}*c{n}", 1.0 / channels as f64)).collect();
    let mix = mix.join("+");
    let filter = format!("aformat=sample_fmts=fltp,pan=mono|c0={mix},adelay={late}S:all=1,aresample=16000");
    let path = path.display().to_string();
    let args = ["-v", "error", "-i", &path, "-map", "0:a:0", "-af", &filter, "-f", "f32le", "-"];
    let printed = printed_by("ffmpeg", &args);
    printed.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}

/// Frames and sound are those of the `ffmpeg` command.
fn compare_with_ffmpeg(path: &Path, decoded: &Decoded, frames: &[FrameDigest]) {
    let name = path.display();
    let starts = ["v:0", "a:0"].map(|which| first_number(&ffprobe(path, which, "stream=start_time")));
    let zero = starts.iter().flatten().copied().reduce(f64::min).unwrap_or(0.0);
    if decoded.info.video.is_some() {
        // MPEG-1 packets are no frames; where they are, asking for them saves decoding.
        let is_mpeg = path.extension().is_some_and(|extension| extension == "mpg");
        let entries = if is_mpeg { "frame=best_effort_timestamp_time" } else { "packet=pts_time,flags" };
        let lines = ffprobe(path, "v:0", entries);
        // Packets outside the edit list are flagged to be discarded.
        let shown = lines.iter().filter(|line| !line.contains('D'));
        let mut times: Vec<f64> = shown.filter_map(|line| line.split(',').next()?.parse().ok()).collect();
        times.sort_by(f64::total_cmp);
        assert_eq!(frames.len(), times.len(), "{name}");
        let worst = frames.iter().zip(&times).map(|(ours, theirs)| (ours.0 + zero - theirs).abs());
        assert!(worst.fold(0.0, f64::max) < 2e-6, "{name}: frames come at other times");
    }
    let (Some(wave), Some(audio)) = (&decoded.waveform, &decoded.info.audio) else { return };
    let late = (starts[1].unwrap_or(zero) - zero).max(0.0) * f64::from(audio.rate.0);
    let theirs = sound_by_ffmpeg(path, audio.channels, late.round() as usize);
    let (ours, count) = (wave.samples.len(), theirs.len());
    let padded = decoded.info.video.is_some() && ours > count;
    assert!(ours.abs_diff(count) <= 1 || padded, "{name}: {ours} samples, {count} by ffmpeg");
    if audio.channels > 2 {
        return;
    }
    // Where the sound starts late, the two resamplers differ at its edge: one sees silence before it.
    let edge = late.min(1.0) * (late / f64::from(audio.rate.0) * 16_000.0 + 40.0);
    let pairs = wave.samples.iter().zip(&theirs).skip(edge as usize);
    let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= 1e-6, "{name}: samples differ by {worst}");
}
