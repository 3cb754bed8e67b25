//! `affekt bench`: what it measures, whatever the numbers.

mod simulate;

use std::fs;

use serde_json::Value;

use crate::command::{Ended, SAMPLE, affekt, project};

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn stages(told: &Value) -> Vec<(&str, bool)> {
    let rows = told["stages"].as_array().unwrap();
    rows.iter().map(|row| (row["stage"].as_str().unwrap(), row["in_flow"].as_bool().unwrap())).collect()
}

#[test]
fn generated_clips_give_every_member() {
    let ended = affekt(["bench", "extract", "--clips", "2", "--workers", "2", "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let told = ended.json();
    let expected = [
        ("decode", false),
        ("faces", false),
        ("faces", true),
        ("audio", true),
        ("video", true),
        ("text", true),
        ("simulate", true),
        ("write", true),
    ];
    assert_eq!(stages(&told), expected);
    for row in told["stages"].as_array().unwrap() {
        for member in
            ["workers", "clips", "wall_s", "cpu_s", "cpu_s_per_clip", "clips_per_s", "times_real_time"]
        {
            assert!(number(&row[member]) >= 0.0, "{member} of {row}");
        }
    }
    let data = &told["data"];
    assert_eq!((number(&data["clips"]), number(&data["videos"]), number(&data["failed"])), (2.0, 1.0, 0.0));
    assert_eq!(data["frames"], data["with_face"]);
    assert_eq!((number(&data["generated"]["width"]), number(&data["generated"]["height"])), (1280.0, 720.0));
    assert!(["libx264", "mpeg4"].contains(&data["generated"]["encoder"].as_str().unwrap()));
    assert!(number(&data["clip_s"]) < number(&data["video_s"]));
    let machine = &told["machine"];
    assert!(number(&machine["cores"]) >= 1.0 && machine["bundle"] == "tiny", "{machine}");
    for (object, members) in [
        ("bound", &["cpu_s_per_clip", "share", "clips_per_s"][..]),
        (
            "whole",
            &["wall_s", "cpu_s", "clips_per_s", "times_real_time", "ratio", "start_stop_s", "around_s"],
        ),
        ("projection", &["clips", "clip_hours", "video_hours", "hours"]),
    ] {
        for member in members {
            assert!(number(&told[object][member]) > 0.0, "{member} of {}", told[object]);
        }
    }
    assert_eq!(told["bound"]["resource"].as_str().is_some(), told["bound"]["stage"].as_str().is_some());
    assert_eq!(told["projection"]["stages"].as_array().unwrap().len(), 6);
    assert_eq!(told["features"], serde_json::json!(["audio", "speech", "video", "text", "simulated"]));
}

/// A manifest of one clip of the sample, and what is said in it.
fn own(words: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(project().join(SAMPLE), folder.path().join("film.mp4")).unwrap();
    let path = folder.path().join("clips.jsonl");
    fs::write(&path, format!("{{\"id\":\"a\",\"media\":\"film.mp4\",\"end\":3.0{words}}}\n")).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn on(dataset: &str, features: &str) -> Ended {
    affekt(["bench", "extract", "--dataset", dataset, "--features", features])
}

#[test]
fn ones_own_clips_are_measured_for_the_features_asked_for() {
    let (_folder, dataset) = own(",\"text\":\"I really love this film\"");
    let ended = on(&dataset, "audio,text");
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    for part in
        ["1 clips", "audio, text by tiny on cpu", "of the bound", "start and stop", "limited by", "MOSEI"]
    {
        assert!(ended.stdout.contains(part), "{part} in {}", ended.stdout);
    }
    assert!(!ended.stdout.contains("faces") && !ended.stdout.contains("generated"), "{}", ended.stdout);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let (folder, dataset) = own("");
    fs::remove_file(folder.path().join("film.mp4")).unwrap();
    let absent = on(&dataset, "audio");
    assert_eq!((absent.code, absent.stdout.as_str()), (1, ""), "{}", absent.stderr);
    assert!(absent.stderr.contains("no recording of the dataset is there"), "{}", absent.stderr);
    assert!(absent.stderr.contains("hint:"), "{}", absent.stderr);
    let rootless = affekt(["bench", "extract", "--root", "."]);
    assert_eq!(rootless.code, 1);
    assert!(rootless.stderr.contains("--dataset"), "{}", rootless.stderr);
    let unknown = affekt(["bench", "extract", "--models", "absent", "--json"]);
    assert_eq!((unknown.code, unknown.json()["error"]["kind"].as_str()), (1, Some("bad_model")));
}
