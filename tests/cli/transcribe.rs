//! Recognised words: `transcribe`, and `predict --transcript auto`.

mod auto;
mod refused;

use std::fs;
use std::path::{Path, PathBuf};

use affekt_testkit::{clips, realdata};
use serde_json::Value;

use crate::command::{SAMPLE, affekt, project};
use crate::guarded::guarded;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn words_of(media: &str, flags: &[&str]) -> Value {
    let ended = affekt(["transcribe", media, "--json"].iter().chain(flags));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    ended.json()
}

fn has_warning(json: &Value, words: &str) -> bool {
    json["warnings"].as_array().unwrap().iter().any(|warning| warning.as_str().unwrap().contains(words))
}

/// A sound of ffmpeg's making, in `folder`.
fn sound(folder: &Path, name: &str, source: &str) -> PathBuf {
    let path = folder.join(name);
    clips::ffmpeg(&["-f", "lavfi", "-i", source, path.to_str().unwrap()]);
    path
}

/// Segments have words, are in order and lie in the span.
fn check_segments(json: &Value, from: f64) {
    let until = from + number(&json["duration_s"]);
    let segments = json["segments"].as_array().unwrap();
    for segment in segments {
        let (start, end) = (number(&segment["start"]), number(&segment["end"]));
        assert!(from <= start && start <= end && end <= until + 1e-6, "{segment} in {from}..{until}");
        assert!(!segment["text"].as_str().unwrap().trim().is_empty(), "{segment}");
        assert!(number(&segment["log_probability"]) <= 0.0, "{segment}");
        assert!((0.0..=1.0).contains(&number(&segment["no_speech"])), "{segment}");
        let silent = number(&segment["no_speech"]) > 0.6 && number(&segment["log_probability"]) < -1.0;
        assert!(!silent, "a window taken for silence has no segments: {segment}");
    }
    for pair in segments.windows(2) {
        assert!(number(&pair[0]["start"]) <= number(&pair[1]["start"]), "{pair:?}");
    }
    let texts: Vec<&str> = segments.iter().map(|segment| segment["text"].as_str().unwrap()).collect();
    assert_eq!(json["text"], texts.join(" "));
    assert_eq!(json["language"].is_null(), segments.is_empty());
}

#[test]
fn a_transcription_has_the_documented_members_in_order() {
    let json = words_of(SAMPLE, &["--language", "EN"]);
    let members: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["input", "duration_s", "bundle", "language", "segments", "text", "warnings", "timing_s"];
    assert_eq!(members, expected);
    check_segments(&json, 0.0);
    assert!(!json["segments"].as_array().unwrap().is_empty(), "the tiny Whisper writes something: {json}");
    let members: Vec<&str> = json["segments"][0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["start", "end", "text", "log_probability", "no_speech", "looped"]);
    assert_eq!((json["language"].as_str(), json["bundle"].as_str()), (Some("en"), Some("tiny")));
    assert!(json["warnings"][0].as_str().unwrap().contains("untrained"), "{json}");
    let stages: Vec<&str> = json["timing_s"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(stages, ["load", "decode", "recognise", "total"]);
}

#[test]
fn times_count_from_the_start_of_the_recording_and_runs_agree() {
    let run = || {
        let mut json = words_of(SAMPLE, &["--start", "1", "--end", "2.5"]);
        json.as_object_mut().unwrap().remove("timing_s");
        json
    };
    let json = run();
    check_segments(&json, 1.0);
    assert!((number(&json["duration_s"]) - 1.5).abs() < 1e-3);
    assert_eq!(json, run());
}

#[test]
fn people_read_lines_with_times() {
    let ended = affekt(["transcribe", SAMPLE, "--quiet"]);
    let mut lines = ended.stdout.lines();
    assert!(lines.next().unwrap().contains("bundle tiny"), "{}", ended.stdout);
    assert!(lines.next().unwrap().contains("bundle tiny is untrained"), "{}", ended.stdout);
    assert!(lines.any(|line| line.trim_start().starts_with("0:00.0 - ")), "{}", ended.stdout);
}

/// What is spoken, in windows of at most 30 s, however long: the memory is that of one.
#[test]
fn a_long_recording_is_recognised_window_by_window() {
    let folder = tempfile::tempdir().unwrap();
    let source = "aevalsrc='lt(mod(t,5),4)*0.3*sin(2*PI*(200+50*sin(6*t))*t)':s=16000:d=80";
    let talk = sound(folder.path(), "talk.wav", source);
    let run = guarded(["transcribe", talk.to_str().unwrap(), "--json"]);
    let json = run.ended.json();
    check_segments(&json, 0.0);
    assert!((number(&json["duration_s"]) - 80.0).abs() < 0.01);
    assert!(run.peak < 500, "{} MB", run.peak);
}

#[test]
fn without_anything_to_hear_there_are_no_words() {
    let folder = tempfile::tempdir().unwrap();
    let silent = sound(folder.path(), "silent.wav", "anullsrc=r=16000:cl=mono:d=3");
    let blip = sound(folder.path(), "blip.wav", "sine=300:d=0.05");
    for (media, warning) in [(silent, "the sound is silent"), (blip, "no words were recognised")] {
        let json = words_of(media.to_str().unwrap(), &[]);
        check_segments(&json, 0.0);
        assert_eq!((json["segments"].as_array().unwrap().len(), json["text"].as_str()), (0, Some("")));
        assert!(has_warning(&json, warning), "{json}");
    }
}

/// The subtitles of a recording are transcripts: `predict` reads from them what it would have recognised itself.
#[test]
fn subtitles_can_be_judged() {
    let folder = tempfile::tempdir().unwrap();
    let judged = |transcript: &str| {
        let ended = affekt(["predict", SAMPLE, "--json", "--transcript", transcript]);
        assert_eq!(ended.code, 0, "{}", ended.stdout);
        ended.json()
    };
    let auto = judged("auto");
    assert!(auto["valence"]["with_text"].is_number(), "{auto}");
    for format in ["srt", "vtt"] {
        let ended = affekt(["transcribe", SAMPLE, "--format", format]);
        assert!(ended.code == 0 && ended.stderr.contains("untrained"), "{}", ended.stderr);
        let file = folder.path().join(format!("words.{format}"));
        fs::write(&file, &ended.stdout).unwrap();
        let given = judged(&format!("@{}", file.display()));
        assert_eq!(given["valence"], auto["valence"], "{}", ended.stdout);
        assert_eq!(
            (given["text_source"].as_str(), auto["text_source"].as_str()),
            (Some("transcript"), Some("asr"))
        );
    }
}

#[test]
fn a_folder_takes_a_file_for_each_input() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| folder.path().join(name).display().to_string();
    for name in ["a.mp4", "b.mp4"] {
        clips::ffmpeg(&["-i", &project().join(SAMPLE).display().to_string(), "-t", "1", &inside(name)]);
    }
    let words = inside("words");
    let transcribe = |media: &[&str]| affekt(["transcribe", "--out", &words, "--quiet"].iter().chain(media));
    let ended = transcribe(&[&inside("a.mp4"), "absent.mp4", &inside("b.mp4")]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("absent.mp4"), "{}", ended.stderr);
    assert!(fs::read_to_string(inside("words/a.srt")).unwrap().contains(" --> "));
    assert_eq!(fs::read_dir(&words).unwrap().count(), 2);

    // As it is, the folder is one for `predict`.
    let ended = affekt([
        "predict",
        &inside("a.mp4"),
        &inside("b.mp4"),
        "--json",
        "--transcript",
        &format!("@{words}"),
    ]);
    for line in ended.json_lines() {
        assert_eq!(line["text_source"], "transcript", "{line}");
    }

    // What is there may be somebody's work.
    let before = fs::read_to_string(inside("words/a.srt")).unwrap();
    let ended = transcribe(&[&inside("a.mp4")]);
    assert!(ended.code == 1 && ended.stderr.contains("a.srt is there already"), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(inside("words/a.srt")).unwrap(), before);
    let vtt = [&inside("b.mp4"), SAMPLE, SAMPLE, "--format", "vtt"];
    let ended = transcribe(&vtt);
    assert!(ended.code == 2 && ended.stderr.contains("another input"), "{}", ended.stderr);
    assert!(fs::read_to_string(inside("words/sample.vtt")).unwrap().starts_with("WEBVTT\n"));
}

/// Weights are drawn, so that the words mean nothing; the machinery has to hold for real sound all the same.
#[test]
fn real_speech_is_heard() {
    let Some(files) = realdata::files("speech", &["wav", "flac"]) else { return };
    let names = files.iter().map(|file| file.to_str().unwrap());
    let run = guarded(["transcribe", "--json"].into_iter().chain(names));
    assert_eq!((run.ended.code, run.ended.stderr.as_str()), (0, ""));
    let lines = run.ended.json_lines();
    assert_eq!(lines.len(), files.len());
    for line in &lines {
        check_segments(line, 0.0);
    }
}
