//! Long recordings: windows at pauses, their words, results while the run goes on, memory that does not grow.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use affekt_testkit::clips;
use serde_json::Value;

use crate::command::affekt;

/// A tone for four seconds, a pause of one, and so on; a grey picture of one frame a second beside it.
fn talk(folder: &Path, name: &str, seconds: u32) -> PathBuf {
    let path = folder.join(name);
    let sound = format!("aevalsrc='lt(mod(t,5),4)*0.3*sin(2*PI*(200+50*sin(6*t))*t)':s=16000:d={seconds}");
    let picture = format!("color=gray:s=64x48:r=1:d={seconds}");
    let (sound, picture) = (sound.as_str(), picture.as_str());
    let target = path.to_str().unwrap();
    clips::ffmpeg(&["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-shortest", target]);
    path
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The events and the prediction.
fn predict(media: &Path, flags: &[&str]) -> (Vec<Value>, Value) {
    let media = media.to_str().unwrap();
    let ended = affekt(["predict", media, "--json"].iter().chain(flags));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    let mut lines = ended.json_lines();
    let last = lines.pop().unwrap();
    (lines, last)
}

fn bounds(timeline: &Value) -> Vec<(f64, f64)> {
    let windows = timeline.as_array().unwrap();
    windows.iter().map(|window| (number(&window["start"]), number(&window["end"]))).collect()
}

#[test]
fn windows_are_cut_at_pauses_and_the_answer_is_their_mean() {
    let folder = tempfile::tempdir().unwrap();
    let (events, result) = predict(&talk(folder.path(), "talk.mkv", 75), &[]);
    let windows = bounds(&result["timeline"]);
    assert!(windows.len() >= 4, "{windows:?}");
    assert_eq!(windows[0].0, 0.0);
    assert!((windows.last().unwrap().1 - number(&result["duration_s"])).abs() < 1e-6);
    assert!((number(&result["duration_s"]) - 75.0).abs() < 0.1);
    for pair in windows.windows(2) {
        assert_eq!(pair[0].1, pair[1].0, "windows touch");
        let in_period = pair[0].1 % 5.0;
        assert!((4.0..5.0).contains(&in_period), "{} is no pause", pair[0].1);
    }
    assert!(windows.iter().all(|(start, end)| end - start <= 20.0 + 1e-6), "{windows:?}");

    // Every window was told as it was done, as it stands in the timeline.
    assert_eq!(events.len(), windows.len());
    for (event, window) in events.iter().zip(result["timeline"].as_array().unwrap()) {
        assert_eq!(event["event"], "window");
        assert_eq!(event["input"], result["input"]);
        for member in ["start", "end", "with_text", "without_text"] {
            assert_eq!(event[member], window[member]);
        }
    }
    let weighted = windows
        .iter()
        .zip(&events)
        .map(|((start, end), event)| (end - start, (end - start) * number(&event["without_text"])));
    let (seconds, sum) = weighted.fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
    assert!((sum / seconds - number(&result["valence"]["without_text"])).abs() < 1e-9);
}

#[test]
fn half_a_minute_is_one_window() {
    let folder = tempfile::tempdir().unwrap();
    let long = talk(folder.path(), "talk.mkv", 45);
    let (events, result) = predict(&long, &["--start", "10", "--end", "39.5"]);
    assert_eq!((events.len(), bounds(&result["timeline"])), (0, vec![(10.0, 39.5)]));
}

#[test]
fn timed_words_go_to_their_windows() {
    let folder = tempfile::tempdir().unwrap();
    let talk = talk(folder.path(), "talk.mkv", 50);
    let mosei = folder.path().join("words.txt");
    std::fs::write(&mosei, "talk___0___1.0___3.5___I love it\ntalk___1___46___48___but I hate the end\n")
        .unwrap();
    let words = format!("@{}", mosei.display());
    let (_, result) = predict(&talk, &["--transcript", &words]);
    let timeline = result["timeline"].as_array().unwrap();
    assert!(timeline[0]["with_text"].is_number() && timeline.last().unwrap()["with_text"].is_number());
    assert!(
        timeline[1..timeline.len() - 1].iter().all(|window| window["with_text"].is_null()),
        "{timeline:?}"
    );
    assert_eq!(result["text_source"], "transcript");
    assert!(result["valence"]["with_text"].is_number());

    // The same words in a window give the same number as the window judged alone.
    let (start, end) = bounds(&result["timeline"])[0];
    let flags = ["--transcript", "I love it", "--start", &start.to_string(), "--end", &end.to_string()];
    let (_, alone) = predict(&talk, &flags);
    let (whole, alone) = (number(&timeline[0]["with_text"]), number(&alone["valence"]["with_text"]));
    assert!((whole - alone).abs() < 1e-5, "{whole} {alone}");
}

#[test]
fn words_without_times_are_divided_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let talk = talk(folder.path(), "talk.mkv", 50);
    let text = "This is good. ".repeat(30);
    let (_, result) = predict(&talk, &["--transcript", &text]);
    let timeline = result["timeline"].as_array().unwrap();
    assert!(timeline.iter().all(|window| window["with_text"].is_number()), "{timeline:?}");
    let warnings = result["warnings"].to_string();
    assert!(warnings.contains("no times") && warnings.contains("speech"), "{warnings}");
}

#[test]
fn a_long_picture_without_sound_is_divided_evenly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mute.mp4");
    let picture = "color=gray:s=64x48:r=5:d=50";
    clips::ffmpeg(&["-f", "lavfi", "-i", picture, path.to_str().unwrap()]);
    let words = folder.path().join("words.srt");
    std::fs::write(&words, "1\n00:00:01,000 --> 00:00:02,000\nhello\n").unwrap();
    let (events, result) = predict(&path, &["--transcript", &format!("@{}", words.display())]);
    let windows = bounds(&result["timeline"]);
    assert_eq!((windows.len(), events.len()), (3, 3), "{windows:?}");
    assert!(windows.iter().all(|(start, end)| (end - start - 50.0 / 3.0).abs() < 0.5), "{windows:?}");
    // Only the first window has anything to judge.
    assert!(events[0]["without_text"].is_number() && events[1]["without_text"].is_null());
    assert!(result["warnings"].to_string().contains("2 of 3 windows"), "{}", result["warnings"]);
}

#[test]
fn a_picture_that_outlasts_its_sound_is_judged_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outlasts.mkv");
    let sound = "aevalsrc='lt(mod(t,5),4)*0.3*sin(2*PI*200*t)':s=16000:d=35";
    let picture = "color=gray:s=64x48:r=5:d=70";
    clips::ffmpeg(&["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, path.to_str().unwrap()]);
    let (_, result) = predict(&path, &[]);
    let windows = bounds(&result["timeline"]);
    assert!((windows.last().unwrap().1 - 70.0).abs() < 0.1, "{windows:?}");
    assert!(windows.iter().all(|(start, end)| end - start <= 20.0 + 1e-6), "{windows:?}");
    assert!(windows.windows(2).all(|pair| pair[0].1 == pair[1].0), "{windows:?}");
    assert!((number(&result["audio"]["seconds"]) - 35.0).abs() < 0.1);
}

#[test]
fn short_sound_does_not_make_long_windows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("short-sound.mkv");
    let sound = "aevalsrc='lt(mod(t,5),4)*0.3*sin(2*PI*200*t)':s=16000:d=25";
    let picture = "color=gray:s=64x48:r=5:d=60";
    clips::ffmpeg(&["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, path.to_str().unwrap()]);
    let (events, result) = predict(&path, &["--transcript", "a few words that are said at the start"]);
    let windows = bounds(&result["timeline"]);
    assert!(windows.iter().all(|(start, end)| end - start <= 20.0 + 1e-6), "{windows:?}");
    assert_eq!(events.len(), windows.len());
    assert!(result["timeline"][0]["with_text"].is_number());
    let warnings = result["warnings"].to_string();
    assert!(warnings.contains("the sound ends at 25") && warnings.contains("no times"), "{warnings}");
}

#[test]
fn a_transcript_does_not_fail_what_is_judged_without() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("over.mkv");
    let sound = "aevalsrc='0.3*sin(2*PI*200*t)':s=16000:d=3";
    let picture = "color=gray:s=64x48:r=5:d=50";
    clips::ffmpeg(&["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, path.to_str().unwrap()]);
    let (_, result) =
        predict(&path, &["--start", "10", "--transcript", "some words that are divided evenly"]);
    assert!(result["valence"]["with_text"].is_number());
    assert!(result["warnings"].to_string().contains("evenly"), "{}", result["warnings"]);
}

#[test]
fn the_first_window_is_told_before_the_last_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let talk = talk(folder.path(), "talk.mkv", 900);
    let program = assert_cmd::cargo::cargo_bin("affekt");
    let mut child = Command::new(program)
        .args(["predict", talk.to_str().unwrap(), "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let still_running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(first["event"], "window");
    assert!(still_running, "fifteen minutes are not judged at once");
}

/// Peak of a run in MB, read while it runs.
fn peak(media: &Path) -> f64 {
    let program = assert_cmd::cargo::cargo_bin("affekt");
    let mut child = Command::new(program)
        .args(["predict", media.to_str().unwrap(), "--json"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0f64;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        peak = peak.max(kilobytes.unwrap_or_default() / 1024.0);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(child.wait().unwrap().success());
    peak
}

#[test]
#[cfg(target_os = "linux")]
fn memory_does_not_grow_with_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let (short, long) = (talk(folder.path(), "short.mkv", 90), talk(folder.path(), "long.mkv", 900));
    let (short, long) = (peak(&short), peak(&long));
    assert!(long < 1.25 * short + 16.0, "{long:.0} MB for 15 minutes, {short:.0} MB for 1.5");
}
