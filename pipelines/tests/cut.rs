//! One pass for all clips of a recording gives each what a pass of its own gives it.
#![cfg(feature = "media")]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::collections::BTreeSet;

use std::ops::ControlFlow;
use std::path::Path;

use affekt_core::{Digest, RgbImage, Seconds, Span, Stage};
use affekt_faces::Tracker;
use affekt_media::{Decoder, Error as MediaError, Want, decode};
use affekt_pipelines::cut::thinning::Thinning;
use affekt_pipelines::cut::{Cost, Cut, Cutting, Detector, Failure, Found, Order, Part, Picture, Sign};
use affekt_testkit::clips::Clip;
use affekt_testkit::realdata;
use tempfile::tempdir;

fn span(start: f64, end: f64) -> Span {
    Span::new(Some(start), Some(end)).unwrap()
}

fn order(media: &Path, spans: &[Span]) -> Order {
    Order {
        media: media.into(),
        spans: spans.to_vec(),
        unwanted: BTreeSet::new(),
        sound: true,
        faces: Some(Detector::RustFace),
        decoder: Decoder::Cpu,
    }
}

type Found1 = Result<Cut, Failure>;

/// All clips in their order, and the cost.
fn run(order: &Order) -> (Vec<Found1>, Cost) {
    let (clips, cost) = wanted(order);
    (clips.into_iter().map(Option::unwrap).collect(), cost)
}

/// Those that are handed out.
fn wanted(order: &Order) -> (Vec<Option<Found1>>, Cost) {
    let mut clips: Vec<Option<Found1>> = vec![None; order.spans.len()];
    let mut digest = None;
    let mut cutting = Cutting::with_threads(2);
    let cost = cutting.cut(order, &mut |sign| {
        match sign {
            Sign::Found(Found::Opened { digest: found }) => digest = Some(found),
            Sign::Found(Found::Clip(found)) => {
                let index = found.as_ref().map_or_else(|failure| failure.index, |cut| cut.index);
                assert!(clips[index].replace(found).is_none(), "clip {index} comes twice");
            }
            Sign::Alive { .. } => {}
        }
        ControlFlow::Continue(())
    });
    assert_eq!(digest.unwrap(), Digest::of(&std::fs::read(&order.media).unwrap()));
    (clips, cost.unwrap())
}

fn sound_alone(media: &Path, span: Span) -> Option<Result<Vec<f32>, MediaError>> {
    let decoded = decode(media, span, Want::AUDIO, |_| ControlFlow::Continue(()));
    decoded.map(|decoded| decoded.waveform.map(|wave| wave.samples)).transpose()
}

fn crops_alone(media: &Path, span: Span) -> Result<Vec<Option<RgbImage>>, MediaError> {
    let mut detector = Detector::RustFace.build().unwrap();
    let mut tracker = Tracker::new(&mut *detector);
    let mut thinning = Thinning::default();
    decode(media, span, Want::VIDEO, |frame| {
        if thinning.keeps(frame.time.0) {
            tracker.push(frame).unwrap();
        }
        ControlFlow::Continue(())
    })?;
    Ok(tracker.finish().unwrap().faces.into_iter().map(|face| face.map(|face| face.crop)).collect())
}

/// Holds every clip of the pass against one of its own, to the bit. Gives the faces seen.
fn check(media: &Path, spans: &[Span]) -> usize {
    let (clips, cost) = run(&order(media, spans));
    let (mut seen, mut frames) = (0, 0);
    for (clip, span) in clips.iter().zip(spans) {
        let label = format!("{} {span:?}", media.display());
        let Ok(clip) = clip else { panic!("{label}: {clip:?}") };
        let mut end = 0.0_f64;
        match (&clip.sound, sound_alone(media, *span)) {
            (Part::There(wave), Some(alone)) => {
                let alone = alone.unwrap();
                assert_eq!(wave.samples.len(), alone.len(), "{label}");
                assert!(wave.samples == alone, "{label}: samples differ");
                end = end.max(span.start.0 + wave.samples.len() as f64 / 16_000.0);
            }
            (Part::Absent(_), None | Some(Err(MediaError::BadSpan { .. }))) => {}
            (sound, alone) => panic!("{label}: {sound:?} {:?}", alone.map(|alone| alone.map(|_| ()))),
        }
        match (&clip.picture, crops_alone(media, *span)) {
            (Part::There(Picture { crops }), Ok(alone)) => {
                assert!(*crops == alone, "{label}: crops differ, {} of {}", crops.len(), alone.len());
                seen += crops.iter().flatten().count();
                frames += crops.len();
            }
            (Part::Absent(_), Ok(alone)) => assert!(alone.is_empty(), "{label}"),
            (Part::Absent(_), Err(MediaError::BadSpan { .. })) => {}
            (picture, alone) => panic!("{label}: {picture:?} {:?}", alone.map(|_| ())),
        }
        assert_eq!(clip.span.start, span.start, "{label}");
        assert!(clip.span.end.unwrap().0 >= end - 1e-4, "{label}: {:?} {end}", clip.span);
    }
    assert_eq!(cost.frames, frames);
    seen
}

/// Without the noise that AAC's decoder draws by lot, from where it begins on.
fn recipe(seconds: f64) -> Clip {
    Clip::new(seconds).codecs(&["-aac_pns", "0"])
}

/// Out of order, overlapping, the same twice, at the beginning, clipped by the end, open.
fn awkward() -> Vec<Span> {
    vec![
        span(6.013, 8.487),
        span(0.0, 0.5),
        span(2.52, 3.7),
        span(3.1, 6.5),
        span(2.52, 3.7),
        span(4.0, 4.04),
        span(7.9, 60.0),
        Span { start: Seconds(8.2), end: None },
        span(0.2, 8.0),
        span(1.9999, 2.3),
    ]
}

#[test]
fn clips_are_those_of_passes_of_their_own() {
    let folder = tempdir().unwrap();
    let clip = recipe(9.0);
    let lossless = clip.clone().rate(44_100).codecs(&["-c:a", "flac"]);
    check(&lossless.write(folder.path(), "a.mkv"), &awkward());
    let plain = clip.clone().rate(44_100).codecs(&["-c:a", "pcm_s16le"]);
    check(&plain.write(folder.path(), "a.mov"), &awkward());
    check(&clip.clone().sound_starts(0.7).write(folder.path(), "late.mp4"), &awkward());
    check(&clip.clone().variable_rate().write(folder.path(), "variable.mp4"), &awkward());
    check(&clip.clone().without_audio().codecs(&[]).write(folder.path(), "silent.mp4"), &awkward());
    check(&clip.clone().without_video().write(folder.path(), "blind.m4a"), &awkward());
    check(&clip.clone().without_video().codecs(&[]).write(folder.path(), "plain.flac"), &awkward());
    check(&clip.clone().fps(120).write(folder.path(), "quick.mp4"), &awkward());
    check(&clip.write(folder.path(), "a.ts"), &awkward());
}

/// Long stretches without clips are skipped, and what follows them is right.
#[test]
fn clips_after_a_skip_are_right() {
    let folder = tempdir().unwrap();
    let spans = [span(51.0, 52.5), span(1.0, 2.0), span(30.5, 32.0), span(31.0, 33.0)];
    let clip = recipe(60.0).size(64, 48).rate(44_100);
    check(&clip.clone().codecs(&["-c:a", "flac"]).write(folder.path(), "a.mkv"), &spans);
    check(&clip.clone().codecs(&["-c:a", "pcm_s16le"]).write(folder.path(), "a.mov"), &spans);
    // One key frame, at the beginning: it is not gone back to for each clip.
    let single = clip.codecs(&["-aac_pns", "0", "-g", "9999", "-keyint_min", "9999", "-sc_threshold", "0"]);
    check(&single.write(folder.path(), "single.mp4"), &spans);
}

#[test]
fn clips_beyond_the_end_fail_and_the_others_do_not() {
    let folder = tempdir().unwrap();
    for (clip, name) in [
        (Clip::new(3.0), "a.mp4"),
        (Clip::new(3.0).without_audio(), "b.ts"),
        (Clip::new(3.0).without_video(), "c.flac"),
    ] {
        let media = clip.write(folder.path(), name);
        let (clips, _) = run(&order(&media, &[span(20.0, 21.0), span(1.0, 2.0), span(3.5, 4.0)]));
        assert!(clips[1].is_ok(), "{name}: {:?}", clips[1]);
        for (index, start) in [(0, "20.000 s"), (2, "3.500 s")] {
            let failure = clips[index].as_ref().unwrap_err();
            assert_eq!((failure.index, failure.stage), (index, Stage::Decode), "{name}");
            let expected = format!("it starts at {start}, but the recording ends at 3.0");
            assert!(failure.reason.starts_with(&expected), "{name}: {}", failure.reason);
        }
    }
}

#[test]
fn a_stream_that_is_over_is_absent_from_later_clips() {
    let folder = tempdir().unwrap();
    let (long, short) = (folder.path().join("long.mp4"), folder.path().join("short.mp4"));
    recipe(40.0).size(64, 48).write(folder.path(), "long.mp4");
    recipe(8.0).size(64, 48).write(folder.path(), "short.mp4");
    let joined = |picture: &Path, sound: &Path, name: &str| {
        let joined = folder.path().join(name);
        let [picture, sound, out] = [picture, sound, &joined].map(|path| path.to_str().unwrap());
        let maps = ["-map", "0:v", "-map", "1:a", "-c", "copy", out];
        affekt_testkit::clips::ffmpeg(&[&["-i", picture, "-i", sound][..], &maps].concat());
        joined
    };
    let spans = [span(7.0, 9.0), span(9.0, 10.0), span(38.0, 39.0), span(2.0, 3.0)];
    for (media, ends_first) in
        [(joined(&short, &long, "sound.mp4"), "picture"), (joined(&long, &short, "picture.mp4"), "sound")]
    {
        check(&media, &spans);
        let (clips, _) = run(&order(&media, &spans));
        for clip in &clips[1..3] {
            let clip = clip.as_ref().unwrap();
            let absent = [reason(&clip.sound), reason(&clip.picture)].into_iter().flatten().next().unwrap();
            assert!(absent.starts_with(&format!("the {ends_first} ends at 8.0")), "{absent}");
        }
    }
}

fn reason<T>(part: &Part<T>) -> Option<String> {
    if let Part::Absent(reason) = part { Some(reason.clone()) } else { None }
}

#[test]
fn only_what_is_asked_for_is_given() {
    let folder = tempdir().unwrap();
    let media = Clip::new(2.0).write(folder.path(), "a.mp4");
    let both = order(&media, &[span(0.5, 1.5)]);
    let (clips, _) = run(&Order { sound: false, ..both.clone() });
    assert_eq!(clips[0].as_ref().unwrap().sound, Part::Unasked);
    let (clips, cost) = run(&Order { faces: None, ..both.clone() });
    assert_eq!(clips[0].as_ref().unwrap().picture, Part::Unasked);
    assert_eq!(cost.frames, 0);
    let absent = Order { media: folder.path().join("absent.mp4"), ..both };
    let error = Cutting::with_threads(1).cut(&absent, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(error.to_string().ends_with("absent.mp4: no such file"), "{error}");
}

/// AAC's decoder draws noise by lot, as it goes: a run that goes on has to go the way of one that was not interrupted.
#[test]
fn clips_come_out_as_ever_when_others_are_there_already() {
    let folder = tempdir().unwrap();
    let media = Clip::new(24.0).size(64, 48).write(folder.path(), "a.mp4");
    let all = order(&media, &[span(0.5, 2.0), span(4.0, 6.0), span(19.0, 20.5), span(5.5, 7.0)]);
    let (whole, _) = run(&all);
    for unwanted in [&[0][..], &[0, 1], &[0, 1, 3], &[1, 2], &[2]] {
        let (clips, _) = wanted(&Order { unwanted: unwanted.iter().copied().collect(), ..all.clone() });
        for (index, clip) in clips.into_iter().enumerate() {
            let expected = (!unwanted.contains(&index)).then(|| &whole[index]);
            assert!(clip.as_ref() == expected, "clip {index} without {unwanted:?}");
        }
    }
}

/// By the header where that tells, else while it is decoded.
#[test]
fn a_clip_that_is_too_long_fails_alone() {
    let folder = tempdir().unwrap();
    let clip = Clip::new(125.0).size(32, 24).fps(5).rate(8_000);
    for name in ["a.mp4", "a.ts", "a.ogg"] {
        let clip = if name.ends_with("ogg") { clip.clone().without_video() } else { clip.clone() };
        let media = clip.write(folder.path(), name);
        let (clips, _) =
            run(&order(&media, &[Span::ALL, span(1.0, 2.0), span(6.0, 200.0), span(2.0, 124.0)]));
        for index in [0, 3] {
            let failure = clips[index].as_ref().unwrap_err();
            assert!(failure.reason.contains("a clip may last 120.000 s: cut it"), "{name}: {failure:?}");
        }
        assert!(clips[1].is_ok() && clips[2].is_ok(), "{name}");
    }
}

#[test]
fn breaking_off_ends_the_pass() {
    let folder = tempdir().unwrap();
    let media = Clip::new(20.0).write(folder.path(), "a.mp4");
    let order = order(&media, &[span(0.0, 0.5), span(1.0, 2.0), span(3.0, 19.0)]);
    let mut clips = 0;
    let cost = Cutting::with_threads(1).cut(&order, &mut |sign| match sign {
        Sign::Found(Found::Clip(_)) => {
            clips += 1;
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    assert_eq!(clips, 1);
    assert!(cost.unwrap().frames < 100);
}

#[test]
fn real_clips_are_those_of_passes_of_their_own() {
    let Some(files) = realdata::files("video", &["mp4", "mpg"]) else { return };
    for media in files {
        let length = affekt_media::probe(&media).unwrap().duration.unwrap().0.min(12.0);
        let at = |start: f64, end: f64| span(start * length, end * length);
        let spans = [at(0.6, 0.9), at(0.0, 0.3), at(0.25, 0.65), at(0.6, 0.9)];
        let seen = check(&media, &spans);
        assert!(seen > 0, "{}: no face", media.display());
    }
}
