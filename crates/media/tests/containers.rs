//! What containers do to their streams: offsets, edit lists, orders, several of a kind; and every codec.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use affekt_core::{Frame, Span};
use affekt_media::{Track, Warning, probe};
use affekt_testkit::clips::{Clip, can_encode, ffmpeg, flash, printed_by};
use common::{Witness, decode_all, span, witness};
use std::path::Path;
use tempfile::tempdir;

/// Flashes and beeps, each within `tolerance` seconds of where they belong, the recording having begun at `from`.
fn assert_at_their_times(path: &Path, which: Span, from: f64, tolerance: f64) -> Witness {
    let name = path.display();
    let witness = witness(path, which);
    let start = from + which.start.0;
    let end = from + witness.summary.span.end.unwrap().0;
    let all = (0..100).map(|n| flash::FIRST + f64::from(n) * flash::PERIOD);
    let expected: Vec<f64> = all.filter(|time| (start..end).contains(time)).collect();
    for (what, found) in [("flashes", &witness.flashes), ("beeps", &witness.beeps)] {
        assert_eq!(found.len(), expected.len(), "{name}: {what} {found:?}, not {expected:?}");
        for (found, expected) in found.iter().zip(&expected) {
            let error = found + from - expected;
            assert!(error.abs() <= tolerance, "{name}: one of the {what} comes {error} s late");
        }
    }
    witness
}

/// AAC and MP3 encoders put about 0.02 s of priming before the sound, Opus less: where containers tell, it is left out.
#[test]
fn encoder_priming_is_left_out() {
    let folder = tempdir().unwrap();
    for name in ["a.mp4", "a.mov"] {
        let path = Clip::new(3.0).write(folder.path(), name);
        assert_at_their_times(&path, Span::ALL, 0.0, 0.002);
        assert_at_their_times(&path, span(2.2, 3.0), 0.0, 0.002);
    }
    // Matroska by older versions of FFmpeg begins its picture later by the priming, in milliseconds.
    for (name, tolerance) in [("a.mkv", 0.002), ("a.webm", 0.008)] {
        if !Clip::can_write(name) {
            continue;
        }
        let Witness { flashes, beeps, .. } = witness(&Clip::new(3.0).write(folder.path(), name), Span::ALL);
        assert_eq!((flashes.len(), beeps.len()), (3, 3), "{name}");
        for (seen, heard) in flashes.iter().zip(&beeps) {
            assert!((seen - heard).abs() < tolerance, "{name}: seen at {seen}, heard at {heard}");
        }
    }
    for name in ["a.m4a", "a.mp3", "a.ogg", "a.opus", "a.flac"] {
        let path = Clip::new(3.0).without_video().write(folder.path(), name);
        let found = witness(&path, Span::ALL).beeps;
        assert_eq!(found.len(), 3, "{name}: {found:?}");
        for (n, time) in found.iter().enumerate() {
            let late = time - flash::FIRST - n as f64 * flash::PERIOD;
            assert!(late.abs() < 0.002, "{name}: beep {n} comes {late} s late");
        }
    }
}

/// A cut without encoding anew: the file holds the group of pictures before the cut, its edit list leaves that out.
#[test]
fn edit_lists_cut_to_the_frame() {
    let folder = tempdir().unwrap();
    let whole = Clip::new(6.0).write(folder.path(), "whole.mp4");
    for (cut, name) in [("1.32", "late.mp4"), ("2.6", "later.mov")] {
        let path = folder.path().join(name);
        let (from, to) = (whole.display().to_string(), path.display().to_string());
        ffmpeg(&["-ss", cut, "-i", &from, "-c", "copy", &to]);
        let (decoded, frames) = decode_all(&path, Span::ALL).unwrap();
        assert_eq!(frames.len(), frames_by_ffprobe(&path), "{name}");
        assert!(frames[0].time.0 < 0.04 && decoded.warnings.is_empty(), "{name}: {:?}", decoded.warnings);
        let cut = cut.parse().unwrap();
        assert_at_their_times(&path, Span::ALL, cut, 0.04);
        assert_at_their_times(&path, span(2.05, 3.0), cut, 0.04);
    }
}

fn frames_by_ffprobe(path: &Path) -> usize {
    let args = ["-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts", "-of", "csv=p=0"];
    let path = path.display().to_string();
    let printed = printed_by("ffprobe", &[&args[..], &[&path]].concat());
    String::from_utf8(printed).unwrap().lines().filter(|line| !line.trim().is_empty()).count()
}

#[test]
fn recordings_that_do_not_begin_at_zero() {
    let folder = tempdir().unwrap();
    // The last of them lets the 33 bits of MPEG's clock overflow after two seconds.
    for (offset, name) in
        [("100", "a.mkv"), ("7.5", "a.mp4"), ("5000", "a.mpg"), ("100", "a.ts"), ("95441.7", "wraps.ts")]
    {
        let options = ["-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2", "-output_ts_offset", offset];
        let path = Clip::new(6.0).codecs(&options).write(folder.path(), name);
        let whole = assert_at_their_times(&path, Span::ALL, 0.0, 0.04);
        assert_eq!((whole.summary.frames, &whole.summary.warnings[..]), (150, &[][..]), "{name}");
        let end = whole.summary.span.end.unwrap().0;
        assert!((end - 6.0).abs() < 0.1, "{name}: {end}");
        assert_at_their_times(&path, span(3.3, 4.7), 0.0, 0.04);
    }
}

#[test]
fn timestamps_below_zero() {
    let folder = tempdir().unwrap();
    for name in ["a.mkv", "a.mp4"] {
        let video = ["-c:v", "libx264", "-bf", "2", "-c:a", "mp2"];
        let early = ["-avoid_negative_ts", "disabled", "-output_ts_offset", "-3"];
        let path = Clip::new(6.0).codecs(&[&video[..], &early[..]].concat()).write(folder.path(), name);
        let (decoded, frames) = decode_all(&path, Span::ALL).unwrap();
        assert!(frames.windows(2).all(|pair| pair[0].time < pair[1].time), "{name}");
        assert!(frames.iter().all(|frame| frame.time.0 >= 0.0), "{name}");
        let end = decoded.span.end.unwrap().0;
        assert!(end <= 6.1 && !frames.is_empty(), "{name}: {end}");
        let (start, length) = (end - 6.0, frames.len());
        assert!(start.abs() < 0.1 || (start + 3.0).abs() < 0.1, "{name}: {length} frames until {end}");
        // What an MP4 file puts before zero is not to be shown.
        let from = if start < -1.0 { 3.0 } else { 0.0 };
        assert_at_their_times(&path, Span::ALL, from, 0.0401);
    }
}

#[test]
fn sound_before_picture_in_the_file() {
    let folder = tempdir().unwrap();
    for name in ["a.mp4", "a.mkv", "a.ts"] {
        let path = Clip::new(4.0).codecs(&["-map", "1:a", "-map", "0:v"]).write(folder.path(), name);
        let info = probe(&path).unwrap();
        assert!(info.audio.is_some() && info.video.is_some());
        assert_at_their_times(&path, Span::ALL, 0.0, 0.04);
        assert_at_their_times(&path, span(2.2, 3.9), 0.0, 0.04);
    }
}

/// Files of one kind after another in one, as recorders of radio make them: the times go on, in a span too.
#[test]
fn chained_files_are_heard_to_their_end() {
    if !Clip::can_write("a.ogg") {
        return;
    }
    let folder = tempdir().unwrap();
    let link = |seconds: f64, rate: u32, name: &str| {
        // Streams are told apart by a number, which is drawn at random where nobody asks for the same bytes.
        let options = ["-c:a", "libvorbis", "-serial_offset", &rate.to_string()];
        let clip = Clip::new(seconds).without_video().rate(rate).codecs(&options);
        std::fs::read(clip.write(folder.path(), name)).unwrap()
    };
    let chain = [link(3.0, 48_000, "a.ogg"), link(0.5, 48_000, "b.ogg"), link(4.0, 44_100, "c.ogg")].concat();
    let path = folder.path().join("chain.ogg");
    std::fs::write(&path, chain).unwrap();
    let found = witness(&path, Span::ALL);
    assert_eq!(found.summary.warnings, [Warning::Missing(Track::Video)]);
    assert!((found.summary.span.end.unwrap().0 - 7.5).abs() < 0.05, "{:?}", found.summary.span);
    let expected = [0.52, 1.52, 2.52, 4.02, 5.02, 6.02, 7.02];
    assert_eq!(found.beeps.len(), expected.len(), "{:?}", found.beeps);
    assert!(found.beeps.iter().zip(expected).all(|(found, time)| (found - time).abs() < 0.01));
    let late = witness(&path, span(4.5, 6.5));
    assert_eq!(late.summary.samples, Some(32_000), "{:?}", late.summary);
    assert_eq!(late.beeps.len(), 2, "{:?}", late.beeps);
}

/// Hours between two seconds are a clock that was set anew: picture and sound go on as before, together.
#[test]
fn a_clock_that_jumps_is_not_believed() {
    let folder = tempdir().unwrap();
    let whole = Clip::new(4.0).write(folder.path(), "whole.mkv").display().to_string();
    let jump = |expression: &str| format!("{expression}='PTS+gte(T,2)*36000/TB'");
    let (picture, sound) = (jump("setpts"), jump("asetpts"));
    for name in ["a.mkv", "a.mp4"] {
        let path = folder.path().join(name);
        let to = path.display().to_string();
        let filters = ["-vf", &picture, "-af", &sound, "-fps_mode", "passthrough"];
        ffmpeg(&[&["-i", &whole][..], &filters, &[&to]].concat());
        let found = witness(&path, Span::ALL);
        assert_eq!(found.summary.frames, frames_by_ffprobe(&path), "{name}");
        assert!((found.summary.span.end.unwrap().0 - 4.0).abs() < 0.2, "{name}: {:?}", found.summary.span);
        let pairs = found.flashes.iter().zip(&found.beeps);
        assert!(pairs.clone().all(|(flash, beep)| (flash - beep).abs() < 0.1), "{name}: {pairs:?}");
        assert_eq!((found.flashes.len(), found.beeps.len()), (4, 4), "{name}");
    }
}

#[test]
fn of_several_sounds_the_preferred_one() {
    let folder = tempdir().unwrap();
    let clip = Clip::new(3.0).write(folder.path(), "clip.mkv").display().to_string();
    for name in ["a.mkv", "a.mp4"] {
        let path = folder.path().join(name);
        let silence = ["-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono:d=3"];
        let order = ["-map", "0:v", "-map", "1:a", "-map", "0:a", "-c:v", "copy", "-c:a", "aac"];
        let prefer = ["-disposition:a:0", "0", "-disposition:a:1", "default"];
        let to = path.display().to_string();
        ffmpeg(&[&["-i", &clip], &silence[..], &order[..], &prefer[..], &[&to]].concat());
        // Each generation in Matroska adds its priming.
        let witness = assert_at_their_times(&path, Span::ALL, 0.0, 0.06);
        assert_eq!(witness.summary.warnings, [Warning::SeveralSounds { chosen: 2, count: 2 }], "{name}");
    }
}

#[test]
fn every_codec() {
    let folder = tempdir().unwrap();
    let codecs: [(&str, &str, &[&str]); 10] = [
        ("h264.mp4", "libx264", &["-preset", "ultrafast", "-bf", "2"]),
        ("hevc.mp4", "libx265", &["-preset", "ultrafast", "-x265-params", "log-level=none"]),
        ("mpeg1.mpg", "mpeg1video", &["-bf", "2"]),
        ("mpeg2.ts", "mpeg2video", &["-bf", "2"]),
        ("vp8.webm", "libvpx", &["-deadline", "realtime"]),
        ("vp9.webm", "libvpx-vp9", &["-deadline", "realtime", "-cpu-used", "8"]),
        ("av1.mkv", "libaom-av1", &["-cpu-used", "8", "-usage", "realtime"]),
        ("mpeg4.avi", "mpeg4", &[]),
        ("mjpeg.mov", "mjpeg", &["-bf", "0", "-pix_fmt", "yuvj420p"]),
        ("prores.mov", "prores", &["-bf", "0", "-pix_fmt", "yuv422p10le"]),
    ];
    for (name, encoder, options) in codecs {
        if !can_encode(encoder) || !Clip::can_write(name) {
            continue;
        }
        let options = [&["-c:v", encoder], options].concat();
        let path = Clip::new(2.0).codecs(&options).write(folder.path(), name);
        let (decoded, frames) = decode_all(&path, Span::ALL).unwrap();
        assert_eq!((frames.len(), decoded.warnings), (50, vec![]), "{name}");
        let nominal = |n: usize| n as f64 * 0.04 + frames[0].time.0;
        assert!(
            frames.iter().enumerate().all(|(n, frame)| (frame.time.0 - nominal(n)).abs() < 2e-3),
            "{name}"
        );
        assert_at_their_times(&path, Span::ALL, 0.0, 0.04);
    }
}

/// Mean difference of two films, frame by frame, in levels.
fn difference(a: &[Frame], b: &[Frame]) -> f64 {
    let pairs = a.iter().zip(b).flat_map(|(a, b)| a.image.data.iter().zip(&b.image.data));
    let (sum, count) =
        pairs.fold((0, 0), |(sum, count), (a, b)| (sum + u64::from(a.abs_diff(*b)), count + 1));
    sum as f64 / f64::from(count)
}

#[test]
fn interlaced_film_comes_without_combs() {
    let folder = tempdir().unwrap();
    let stripes = "color=s=160x120:r=50:d=2,format=yuv420p,geq=lum='128+90*sin((X-4*N)/12)':cb=120:cr=140";
    let make = |name: &str, filter: &str, flags: &[&str]| {
        let (path, source) = (folder.path().join(name), format!("{stripes},{filter}"));
        let to = path.display().to_string();
        let video = ["-f", "lavfi", "-i", &source, "-pix_fmt", "yuv420p", "-c:v", "mpeg2video", "-q:v", "2"];
        ffmpeg(&[&video[..], flags, &[&to]].concat());
        path
    };
    let plain = make("plain.mkv", "framestep=2", &[]);
    let (fields, flags) = ("tinterlace=mode=interleave_top", ["-flags", "+ildct+ilme", "-top", "1"]);
    let combed = make("combed.mkv", fields, &flags);
    // The same with the flag taken away: what decoding without care gives.
    let unaware = make("unaware.mkv", fields, &[]);
    let [plain, combed, unaware] =
        [plain, combed, unaware].map(|path| decode_all(&path, Span::ALL).unwrap().1);
    assert_eq!((plain.len(), combed.len()), (50, 50));
    let (smoothed, woven) = (difference(&plain, &combed), difference(&plain, &unaware));
    assert!(smoothed < 0.4 * woven, "{smoothed} levels from the progressive film, {woven} with combs");
}

#[test]
fn a_picture_that_pauses_is_told() {
    let folder = tempdir().unwrap();
    let source = "testsrc2=s=64x48:r=25:d=6,select='lt(t,1)+gt(t,4)',format=yuv420p";
    let path = folder.path().join("a.ts");
    let to = path.display().to_string();
    ffmpeg(&["-f", "lavfi", "-i", source, "-fps_mode", "vfr", "-c:v", "mpeg2video", &to]);
    let (decoded, _) = decode_all(&path, Span::ALL).unwrap();
    let told = decoded.warnings.iter().find_map(|warning| match warning {
        Warning::Gaps { track: Track::Video, count, lasting } => Some((*count, lasting.0)),
        _ => None,
    });
    let (count, lasting) = told.unwrap();
    assert!(count == 1 && (lasting - 3.0).abs() < 0.1, "{count} pauses of {lasting} s");
}
