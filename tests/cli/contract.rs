//! The JSON that other tools rely on.

use serde_json::Value;

use crate::bundles::{digest, drawn};
use crate::command::{SAMPLE, affekt};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn predict(flags: &[&str]) -> Value {
    let ended = affekt(["predict", SAMPLE, "--json", "--end", "1.5"].iter().chain(flags));
    let report = ended.stderr.lines().all(|line| line.starts_with("report: "));
    assert_eq!((ended.code, report), (0, true), "{}", ended.stderr);
    ended.json()
}

#[test]
fn a_prediction_has_the_documented_members_in_order() {
    let json = predict(&["--transcript", "I really love it."]);
    let members = [
        "input",
        "duration_s",
        "bundle",
        "label",
        "text_source",
        "valence",
        "attention",
        "timeline",
        "faces",
        "audio",
        "simulated",
        "warnings",
        "timing_s",
    ];
    assert_eq!(keys(&json), members);
    assert_eq!(keys(&json["valence"]), ["with_text", "without_text"]);
    assert_eq!(keys(&json["attention"]["with_text"]), ["audio", "text", "video"]);
    assert_eq!(keys(&json["timeline"][0]), ["start", "end", "with_text", "without_text"]);
    assert_eq!(keys(&json["faces"]), ["frames", "with_face", "coverage", "tracks"]);
    assert_eq!(keys(&json["audio"]), ["present", "silent", "seconds"]);
    assert_eq!(keys(&json["simulated"]), ["hypothesis", "tokens", "score", "looped"]);
    assert_eq!(json["text_source"], "transcript");
    assert_eq!(json["timing_s"].as_object().unwrap().keys().next_back().unwrap(), "total");
    let shares =
        json["attention"]["without_text"].as_object().unwrap().values().map(|share| share.as_f64().unwrap());
    assert!((shares.sum::<f64>() - 1.0).abs() < 1e-6);
    assert!((json["duration_s"].as_f64().unwrap() - 1.5).abs() < 1e-3);
}

#[test]
fn stages_add_up_to_the_total_and_networks_are_loaded_once() {
    let ended = affekt(["predict", SAMPLE, SAMPLE, "--json", "--end", "2"]);
    let timings: Vec<Value> = ended.json_lines().iter().map(|json| json["timing_s"].clone()).collect();
    for timing in &timings {
        let mut stages: Vec<(&str, f64)> = timing
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, time)| (&**name, time.as_f64().unwrap()))
            .collect();
        let (name, total) = stages.pop().unwrap();
        let sum: f64 = stages.iter().map(|(_, time)| time).sum();
        assert!(name == "total" && (sum - total).abs() <= 0.05 * total, "{timing}");
    }
    let loads: Vec<bool> = timings.iter().map(|timing| timing["load"].is_number()).collect();
    assert_eq!(loads, [true, false]);
}

#[test]
fn without_a_transcript_there_is_no_valence_with_text() {
    let json = predict(&[]);
    assert!(json["valence"]["with_text"].is_null() && json["attention"]["with_text"].is_null());
    assert!(json["text_source"].is_null());
    assert!(json["valence"]["without_text"].is_number());
}

#[test]
fn an_untrained_bundle_says_so_first() {
    let first = predict(&["--models", drawn()])["warnings"][0].as_str().unwrap().to_owned();
    assert_eq!(first, "bundle tiny is untrained: its numbers carry no meaning");
    let block = affekt(["predict", SAMPLE, "--end", "1.0", "--quiet", "--models", drawn()]).stdout;
    assert!(block.lines().nth(1).unwrap().contains("untrained"), "{block}");
}

#[test]
fn words_change_only_the_flow_that_reads_them() {
    let (one, other) =
        (predict(&["--transcript", "I love it"]), predict(&["--transcript", "I hate every bit"]));
    assert_ne!(one["valence"]["with_text"], other["valence"]["with_text"]);
    assert_eq!(one["valence"]["without_text"], other["valence"]["without_text"]);
}

#[test]
fn identical_runs_give_identical_numbers() {
    let run = || {
        let mut json = predict(&["--transcript", "It is okay."]);
        json.as_object_mut().unwrap().remove("timing_s");
        json
    };
    assert_eq!(run(), run());
}

#[test]
fn doctor_verifies_the_bundle_and_names_every_feature() {
    let ended = affekt(["doctor", "--json"]);
    assert_eq!(ended.code, 0);
    let json = ended.json();
    let features = json["bundle"]["Ok"]["features"].as_array().unwrap().clone();
    let kinds: Vec<&str> = features.iter().map(|feature| feature["spec"]["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["audio", "speech", "video", "text", "simulated"]);
    assert!(json["cards"].is_array() && json["nvdec"].is_boolean() && json["tf32"] == false, "{json}");
    assert_eq!(affekt(["doctor", "--json", "--tf32"]).json()["tf32"], true);
    assert_eq!(affekt(["doctor", "--models", "nowhere"]).code, 1);
}

#[test]
fn faces_finds_the_speaker_and_draws_a_sheet() {
    let folder = tempfile::tempdir().unwrap();
    let ended = affekt(["faces", SAMPLE, "--json", "--draw", folder.path().to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let json = ended.json();
    assert!(json["coverage"].as_f64().unwrap() > 0.9, "{}", json["coverage"]);
    let sheet = json["drawn"][0].as_str().unwrap();
    assert!(sheet.ends_with("sample.sheet.png") && std::fs::metadata(sheet).unwrap().len() > 10_000);
}

#[test]
fn a_report_is_one_page_that_holds_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html");
    let page = page.to_str().unwrap();
    let json = predict(&["--report", page, "--transcript", "I <b>love</b> it."]);
    let html = std::fs::read_to_string(page).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>") && html.trim_end().ends_with("</html>"));
    assert!(html.contains("data:image/jpeg;base64,") && !html.contains("<b>love</b>"));
    assert!(html.contains(&digest("wavlm/model.safetensors")), "the digest of WavLM's weights");
    let without_text = json["valence"]["without_text"].to_string();
    assert!(html.contains(&without_text), "{without_text}");
    assert!(!html.contains("<script") && !html.contains("src=\"http"));
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_the_work() {
    let ended = affekt(["predict", SAMPLE, "--json", "--report", "absent/report.html"]);
    assert_eq!(ended.code, 1);
    let error = &ended.json()["error"];
    assert_eq!(error["kind"], "unwritable");
    assert!(error["message"].as_str().unwrap().contains("absent/report.html"), "{error}");
}

#[test]
fn a_report_never_takes_the_place_of_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.mp4"), folder.path().join("two.mp4"));
    for clip in [&one, &two] {
        std::fs::copy(crate::command::project().join(SAMPLE), clip).unwrap();
    }
    // As a shell makes it of `--report *.mp4`.
    let ended = affekt(["predict", "--json", "--report", one.to_str().unwrap(), two.to_str().unwrap()]);
    assert_eq!((ended.code, &ended.json()["error"]["kind"]), (1, &"bad_config".into()));
    let sample = std::fs::read(crate::command::project().join(SAMPLE)).unwrap();
    assert!(std::fs::read(&one).unwrap() == sample);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no draft stays behind");
}

#[test]
fn a_command_line_that_cannot_be_read_is_exit_code_1() {
    for wrong in [&["predict"][..], &["predict", SAMPLE, "--start", "noon"], &["no-such-command"], &[]] {
        let ended = affekt(wrong);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{wrong:?}");
        assert!(ended.stderr.contains("--help") || ended.stderr.contains("Usage"), "{}", ended.stderr);
    }
    assert_eq!(affekt(["--help"]).code, 0);
    assert_eq!(affekt(["predict", "--help"]).code, 0);
}

#[test]
fn completions_and_man_page_are_generated() {
    assert!(affekt(["completions", "bash"]).stdout.contains("predict"));
    assert!(affekt(["man"]).stdout.contains(".TH affekt"));
}
