//! A record as JSON, as a file, and as a block.

use std::path::Path;

use affekt_core::{Explain, LayerRule};
use serde_json::{Value, json};

use super::*;

fn failed(clip: &str, stage: Stage, reason: &str) -> Failed {
    let features = vec![FeatureKind::Audio, FeatureKind::Video];
    Failed { clip: ClipId::new(clip).unwrap(), features, stage, reason: reason.into() }
}

fn record() -> RunRecord {
    let spec = FeatureSpec {
        kind: FeatureKind::Audio,
        encoder: "wavlm".into(),
        weights: Digest::of(b"weights"),
        layers: Some(LayerRule::entry(-5)),
        preprocessing: vec!["resample-16k-v1".into()],
        width: 1024,
        dtype: "f32".into(),
        row: "20ms".into(),
    };
    let work = Work { busy_s: Seconds(50.0), cpu_s: Some(Seconds(49.5)), clips: 512, per_second: 5.12 };
    RunRecord {
        affekt: "0.1.0".into(),
        command: vec!["affekt".into(), "extract".into()],
        started: "2026-11-21T22:00:05Z".into(),
        ended: Some("2026-11-21T22:01:45Z".into()),
        ended_by: Ending::Finished,
        host: Host { name: Some("node-7".into()), os: "linux".into(), cpus: 2, memory_bytes: Some(1 << 33) },
        device: "cpu".into(),
        tf32: false,
        config: json!({ "dataset": "mosei", "shard": null }),
        bundle: Bundle {
            name: "tiny".into(),
            caution: None,
            files: [("wavlm".into(), Digest::of(b"weights"))].into(),
        },
        specs: vec![spec.into()],
        counts: [
            (FeatureKind::Text, Counts { done: 500, absent: 12, failed: 0, skipped: 1_024 }),
            (FeatureKind::Audio, Counts { done: 507, absent: 2, failed: 3, skipped: 1_024 }),
        ]
        .into(),
        clips: Clips { total: 512, done: 512, failed: 3 },
        stages: [(Stage::Faces, work), (Stage::Decode, work)].into(),
        devices: vec![Device::new(
            "cpu".into(),
            Seconds(93.0),
            Seconds(5.0),
            vec![
                Batches { stage: Stage::Audio, unit: "samples", first: 320_000, last: 320_000 },
                Batches { stage: Stage::Video, unit: "faces", first: 256, last: 128 },
            ],
            Seconds(100.0),
        )],
        limit: Some(Stage::Faces),
        padding_waste: Some(0.0814),
        generation: Some(Generation {
            passes: 100,
            rows: 6_400,
            mean_in_flight: 15.5,
            most_in_flight: 16,
            held_back: 0,
            peak_cache_bytes: 812_000_000,
        }),
        peak_memory_bytes: Some(1_300_000_000),
        seconds: Times {
            total: Seconds(100.0),
            start: Seconds(0.5),
            stop: Seconds(0.25),
            media: Seconds(1_000.0),
        },
        warnings: Vec::new(),
        failures: vec![
            failed("a_0", Stage::Faces, "the face detector ran out of memory"),
            failed("b_0", Stage::Decode, "/data/b.mp4: moov atom not found at 3.5 s"),
            failed("c_1", Stage::Decode, "/data/c.mp4: moov atom not found at 14 s"),
        ],
        message: None,
    }
}

#[test]
fn the_json_form_is_the_contract() {
    let json = serde_json::to_value(record()).unwrap();
    let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "affekt command started ended ended_by host device tf32 config bundle specs counts clips stages \
                    devices limit padding_waste generation peak_memory_bytes seconds failures warnings message";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    assert_eq!(json["ended_by"], "finished");
    assert_eq!(json["counts"]["audio"], json!({ "done": 507, "absent": 2, "failed": 3, "skipped": 1024 }));
    assert_eq!(
        json["counts"].as_object().unwrap().keys().next().unwrap(),
        "audio",
        "in the order of features"
    );
    assert_eq!(
        json["stages"]["decode"],
        json!({ "busy_s": 50.0, "cpu_s": 49.5, "clips": 512, "per_second": 5.12 })
    );
    let spec = &json["specs"][0];
    let folder = format!("audio-{}", &spec["digest"].as_str().unwrap()[..8]);
    assert_eq!(spec["folder"], folder);
    assert_eq!(spec["spec"]["encoder"], "wavlm");
    let failure = &json["failures"][0];
    let reason = "the face detector ran out of memory";
    assert_eq!(
        *failure,
        json!({ "clip": "a_0", "features": ["audio", "video"], "stage": "faces", "reason": reason })
    );
}

#[test]
fn a_file_is_called_after_moment_machine_and_process() {
    let mut record = record();
    let path = |record: &RunRecord| record.path(Path::new("cache"), 4711).display().to_string();
    assert_eq!(path(&record), "cache/runs/20261121T220005Z-node-7-4711.json");
    record.started = "2026-11-21T22:00:05.25Z".into();
    record.host.name = Some("../a b\u{e9}\n".into());
    assert_eq!(path(&record), "cache/runs/20261121T220005Z-.._a_b__-4711.json");
    record.host.name = None;
    assert_eq!(path(&record), "cache/runs/20261121T220005Z-host-4711.json");
    record.host.name = Some("x".repeat(1_000));
    assert!(path(&record).len() < 120);
}

#[test]
fn a_file_is_there_as_a_whole_and_replaced_as_one() {
    let cache = tempfile::tempdir().unwrap();
    let mut record = record();
    let path = record.path(cache.path(), 1);
    let read = || serde_json::from_str::<Value>(&std::fs::read_to_string(&path).unwrap()).unwrap();
    (record.ended, record.ended_by) = (None, Ending::Running);
    record.save(&path).unwrap();
    assert_eq!((&read()["ended"], &read()["ended_by"]), (&Value::Null, &json!("running")));
    record.ended_by = Ending::Interrupted;
    record.save(&path).unwrap();
    assert_eq!(read()["ended_by"], "interrupted");
    assert_eq!(
        std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "no temporary file stays behind"
    );
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let cache = tempfile::tempdir().unwrap();
    std::fs::write(cache.path().join("runs"), "a file where the folder should be").unwrap();
    let record = record();
    let path = record.path(cache.path(), 1);
    let error = record.save(&path).unwrap_err();
    assert!(error.to_string().contains(&path.display().to_string()) && error.hint().is_some(), "{error}");
    // Onto a folder nothing is renamed.
    let path = cache.path().join("taken.json");
    std::fs::create_dir(&path).unwrap();
    assert!(record.save(&path).is_err());
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 2, "no temporary file stays behind");
}

#[test]
fn people_see_features_reasons_and_speed() {
    let expected = "  \
  feature          done   absent   failed  skipped
  audio             507        2        3     1024
  text              500       12        0     1024

  failed      stage     reason
  2           decode    /data/b.mp4: moov atom not found at 3.5 s (first b_0: audio, video)
  1           faces     the face detector ran out of memory (a_0: audio, video)
  each clip with its reason is in the record

  clips       512 of 512 through, 3 failed; 1 min 40 s, 5.12 clips/s, 10.0 times real time
  run         limited by faces, padding 8.1%, peak memory 1300 MB beside the workers'
  device      cpu: busy 93%, waited for clips 5%, video short of memory: 128 faces at once in place of 256
  generation  15.5 clips in flight, 16 at most, cache 812 MB
  record      runs/r.json
";
    assert_eq!(record().summary(Path::new("runs/r.json")), expected);
}

#[test]
fn a_run_without_work_says_so() {
    let mut record = record();
    record.failures.clear();
    record.devices.clear();
    (record.clips, record.limit, record.padding_waste) = (Clips::default(), None, None);
    record.generation = None;
    (record.seconds, record.peak_memory_bytes) = (Times { total: Seconds(0.4), ..Times::default() }, None);
    record.counts = [(FeatureKind::Audio, Counts { skipped: 14, ..Counts::default() })].into();
    let expected = "  \
  feature          done   absent   failed  skipped
  audio               0        0        0       14

  clips       all in the cache already; 0 s
  record      r.json
";
    assert_eq!(record.summary(Path::new("r.json")), expected);
    record.ended_by = Ending::Interrupted;
    record.message = Some("run the same command again to go on".into());
    let summary = record.summary(Path::new("r.json"));
    assert!(summary.contains("\n  ended       interrupted\n"), "{summary}");
    record.bundle.caution = Some("bundle tiny knows only\nits small world".into());
    let summary = record.summary(Path::new("r.json"));
    assert!(summary.contains("\n  warning     bundle tiny knows only\\nits small world\n"), "{summary}");
    let clip = ClipId::new("a_1").unwrap();
    record.warnings = vec![Warned { clip, warning: "only 0.260 s of its 4.000 s are there".into() }];
    let summary = record.summary(Path::new("r.json"));
    assert!(
        summary.contains("1 clip is there, but not as one would wish; the first: a_1: only 0.260 s"),
        "{summary}"
    );
}

#[test]
fn many_reasons_are_cut_and_counted() {
    let mut record = record();
    let letters =
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
    let long = "x\n".repeat(500);
    record.failures =
        letters.iter().map(|word| failed("a_0", Stage::Audio, &format!("{word} {long}"))).collect();
    let summary = record.summary(Path::new("r.json"));
    assert_eq!(summary.matches("...").count(), 10);
    assert!(summary.contains("\n  2           for other reasons\n"), "{summary}");
    assert!(summary.lines().all(|line| line.len() < 200), "{summary}");
}
