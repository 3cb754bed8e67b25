//! `affekt inventory`: a dataset shaped as MOSEI, and manifests.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::command::{Ended, SAMPLE, affekt, project};
use crate::tree::Tree;

/// Runs `affekt inventory` over `tree`.
fn inventory(tree: &Tree, more: &[&str]) -> Ended {
    let root = tree.path().to_str().unwrap();
    affekt(["inventory", "--dataset", "mosei", "--root", root].iter().chain(more))
}

/// Kind, severity, clip and name of the file of every problem.
fn problems(told: &Value) -> Vec<[String; 4]> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = |value: &Value| {
        Path::new(&text(value)).file_name().unwrap_or_default().to_string_lossy().into_owned()
    };
    let problem = |problem: &Value| {
        let [kind, severity, clip] = ["kind", "severity", "clip"].map(|field| text(&problem[field]));
        [kind, severity, clip, name(&problem["file"])]
    };
    told["problems"].as_array().unwrap().iter().map(problem).collect()
}

#[test]
fn a_sound_dataset_is_counted() {
    let tree = Tree::sound();
    let labels = tree
        .labels("video,clip,label\n-3g5yACwYnA,0,2\n-3g5yACwYnA,1,1\n--qXJuDtHPw,0,-1\n--qXJuDtHPw,1,0\n");
    let ended = inventory(&tree, &["--labels", &labels, "--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    let told = ended.json();
    assert_eq!(problems(&told), [] as [[String; 4]; 0]);
    let summary = &told["summary"];
    assert_eq!((summary["all"]["clips"].as_u64(), summary["all"]["with_label"].as_u64()), (Some(4), Some(4)));
    assert_eq!((summary["probed"].as_u64(), summary["errors"].as_u64()), (Some(2), Some(0)));
    assert!((summary["all"]["hours"].as_f64().unwrap() - 2.0 * 5.6 / 3600.0).abs() < 1e-9);
    for split in ["train", "valid"] {
        assert_eq!(summary["splits"][split]["videos"], 1, "{split}");
    }
    let people = inventory(&tree, &["--labels", &labels]);
    assert_eq!(people.code, 0);
    for part in ["split", "train", "valid", "0 errors, 0 warnings; 2 media files were opened"] {
        assert!(people.stdout.contains(part), "{}", people.stdout);
    }
}

#[test]
fn warnings_alone_end_with_0() {
    let tree = Tree::sound();
    tree.write("-3g5yACwYnA", &["0___0.0___2.5___one", "1___2.0___5.0___two"]);
    let ended = inventory(&tree, &["--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert_eq!(problems(&ended.json()), [["overlap", "warning", "-3g5yACwYnA_1", "-3g5yACwYnA.mp4"]]);
}

/// Each kind of problem once, in videos of their own.
fn broken() -> (Tree, String) {
    let tree = Tree::sound();
    tree.write("AxNy9TeTLq8", &["0___0.0___1.0___unseen"]);
    tree.copy("188343");
    tree.copy("extra");
    tree.write("unknown", &["0___0.0___1.0___unknown"]);
    tree.video("VAXhC2U9-2A", &["0___0.0___1.0___hi"]);
    fs::write(tree.media("VAXhC2U9-2A"), "this is no video").unwrap();
    tree.video("EmmuWoCUgXs", &[]);
    fs::write(tree.transcript("EmmuWoCUgXs"), b"EmmuWoCUgXs___0___0.0___1.0___caf\xe9\n").unwrap();
    let lines = [
        "0___0.0___1.0___one",
        "0___1.0___2.0___again",
        "1___1.0___2.0___ ",
        "2___3.0___2.0___backwards",
        "3___x___4.0___not a number",
        "../4___2.0___3.0___elsewhere",
        "5___3.0",
        "6___5.0___9.0___beyond",
        "7___4.0___5.5___shared",
    ];
    tree.video("icbUzboLcDQ", &lines);
    let labels = "id,label,split\n\
        -3g5yACwYnA_0,3.5,train\n-3g5yACwYnA_1,nan,train\n--qXJuDtHPw_0,1,dress\n--qXJuDtHPw_1,1,\n\
        AxNy9TeTLq8_0,0,test\n188343_0,0,test\nnowhere_0,0,test\nVAXhC2U9-2A_0,0,test\nEmmuWoCUgXs_0,0,test\n\
        icbUzboLcDQ_0,1,test\nicbUzboLcDQ_1,1,test\nicbUzboLcDQ_2,1,test\nicbUzboLcDQ_3,1,test\nicbUzboLcDQ_6,1,test\n\
        icbUzboLcDQ_6,2,test\nicbUzboLcDQ_9,2,test\n";
    let labels = tree.labels(labels);
    (tree, labels)
}

#[test]
fn each_kind_of_problem_is_found_once() {
    let (tree, labels) = broken();
    let ended = inventory(&tree, &["--labels", &labels, "--json"]);
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    let expected = [
        ["missing_media", "error", "", "AxNy9TeTLq8.mp4"],
        ["missing_media", "error", "", "nowhere.mp4"],
        ["missing_transcript", "error", "", "188343.mp4"],
        ["missing_label", "error", "icbUzboLcDQ_7", "icbUzboLcDQ.mp4"],
        ["missing_label", "error", "unknown_0", "unknown.mp4"],
        ["extra_media", "error", "", "extra.mp4"],
        ["extra_transcript", "error", "", "unknown.txt"],
        ["extra_label", "error", "icbUzboLcDQ_9", "labels.csv"],
        ["unreadable_media", "error", "", "VAXhC2U9-2A.mp4"],
        ["unreadable_transcript", "error", "", "EmmuWoCUgXs.txt"],
        ["bad_line", "error", "", "icbUzboLcDQ.txt"],
        ["bad_id", "error", "icbUzboLcDQ_../4", "icbUzboLcDQ.txt"],
        ["duplicate_id", "error", "icbUzboLcDQ_0", "icbUzboLcDQ.txt"],
        ["duplicate_id", "error", "icbUzboLcDQ_6", "labels.csv"],
        ["bad_span", "error", "icbUzboLcDQ_2", "icbUzboLcDQ.txt"],
        ["bad_number", "error", "icbUzboLcDQ_3", "icbUzboLcDQ.txt"],
        ["bad_number", "error", "-3g5yACwYnA_1", "labels.csv"],
        ["bad_split", "error", "--qXJuDtHPw_0", "labels.csv"],
        ["span_outside_media", "error", "icbUzboLcDQ_6", "icbUzboLcDQ.mp4"],
        ["empty_text", "error", "icbUzboLcDQ_1", "icbUzboLcDQ.txt"],
        ["overlap", "warning", "icbUzboLcDQ_6", "icbUzboLcDQ.mp4"],
        ["label_range", "warning", "-3g5yACwYnA_0", "-3g5yACwYnA.mp4"],
        ["no_split", "warning", "", "--qXJuDtHPw.mp4"],
        ["no_split", "warning", "", "icbUzboLcDQ.mp4"],
        ["no_split", "warning", "", "unknown.mp4"],
    ];
    let told = ended.json();
    let expected: Vec<[String; 4]> = expected.iter().map(|problem| problem.map(str::to_owned)).collect();
    assert_eq!(problems(&told), expected, "{}", ended.stdout);
    assert_eq!(
        (told["summary"]["errors"].as_u64(), told["summary"]["warnings"].as_u64()),
        (Some(20), Some(5))
    );
    assert_eq!(told["summary"]["kinds"]["no_split"], 3);
    assert!(told["problems"].as_array().unwrap().iter().all(|problem| problem["message"] != ""));
}

#[test]
fn people_see_each_kind_with_its_first_files() {
    let (tree, labels) = broken();
    for clip in 0..7 {
        tree.copy(&format!("more{clip}"));
    }
    let ended = inventory(&tree, &["--labels", &labels]);
    assert_eq!((ended.code, ended.stderr.as_str()), (2, ""));
    let parts = [
        "extra media: 8",
        "... and 3 more; --json has them all",
        "overlap (warning): 1",
        "icbUzboLcDQ.txt: line 5: the start \"x\" is not a number",
        "27 errors, 5 warnings",
    ];
    for part in parts {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
}

#[test]
fn without_probing_no_media_file_is_opened() {
    let tree = Tree::sound();
    fs::write(tree.media("-3g5yACwYnA"), "this is no video").unwrap();
    let ended = inventory(&tree, &["--no-probe", "--json"]);
    assert_eq!((ended.code, ended.json()["summary"]["probed"].as_u64()), (0, Some(0)), "{}", ended.stdout);
    assert_eq!(inventory(&tree, &["--json"]).code, 2);
}

#[test]
fn each_probed_file_is_an_event() {
    let ended = inventory(&Tree::sound(), &["--verbose"]);
    let events: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut indices: Vec<u64> = events.iter().map(|event| event["index"].as_u64().unwrap()).collect();
    indices.sort_unstable();
    assert_eq!(indices, [0, 1]);
    assert!(events.iter().all(|event| event["event"] == "input" && event["count"] == 2));
}

#[test]
fn a_manifest_is_held_against_its_media() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(project().join(SAMPLE), folder.path().join("a.mp4")).unwrap();
    let manifest = folder.path().join("clips.jsonl");
    let inventory = |lines: &str, more: &[&str]| {
        fs::write(&manifest, lines).unwrap();
        affekt(["inventory", "--json", "--dataset", manifest.to_str().unwrap()].iter().chain(more))
    };
    let good = "\u{feff}{\"id\": \"a\", \"media\": \"a.mp4\", \"text\": \"hello\", \"label\": 1, \"split\": \"test\"}\r\n";
    let ended = inventory(good, &[]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    let hours = ended.json()["summary"]["splits"]["test"]["hours"].as_f64().unwrap();
    assert!((hours * 3600.0 - 5.686).abs() < 0.05, "{hours}");
    let bad = format!(
        "{good}{}\n{}\n{}\n",
        r#"{"id": "a/b", "media": "a.mp4"}"#,
        r#"{"id": "c", "media": "c.mp4"}"#,
        r#"{"id": "d", "start": 1}"#,
    );
    let ended = inventory(&bad, &[]);
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    let kinds: Vec<String> = problems(&ended.json()).into_iter().map(|[kind, ..]| kind).collect();
    assert_eq!(kinds, ["missing_media", "bad_line", "bad_id", "no_split"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let ended = inventory(good, &["--root", elsewhere.path().to_str().unwrap()]);
    assert_eq!(problems(&ended.json())[0][0], "missing_media");
}

#[test]
fn a_manifest_without_clips_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("clips.jsonl");
    let inventory = |lines: &str| {
        fs::write(&manifest, lines).unwrap();
        affekt(["inventory", "--dataset", manifest.to_str().unwrap()])
    };
    let ended = inventory("");
    assert_eq!((ended.code, ended.stderr.as_str()), (2, ""));
    assert!(ended.stdout.contains("no clips: 1") && !ended.stdout.contains("-0"), "{}", ended.stdout);
    let ended = inventory("{\"id\": \"a\", \"media\": \"a.mp4\", \"end\": 1e300}\n");
    assert!(ended.code == 2 && ended.stdout.contains("bad number: 1"), "{}", ended.stdout);
    assert!(ended.stdout.lines().all(|line| line.len() < 300), "{}", ended.stdout);
}

#[test]
fn what_cannot_be_taken_up_is_refused_before_any_work() {
    let tree = Tree::sound();
    let root = tree.path().to_str().unwrap();
    let nowhere = tree.path().join("Videos");
    let refused = |args: &[&str], kind: &str, part: &str| {
        let ended = affekt(["inventory", "--json"].iter().chain(args));
        assert_eq!((ended.code, ended.stderr.as_str()), (1, ""), "{args:?}: {}", ended.stdout);
        let error = &ended.json()["error"];
        assert_eq!(error["kind"], kind, "{error}");
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
        assert!(!error["hint"].as_str().unwrap().is_empty(), "{error}");
    };
    refused(&["--dataset", "meld", "--root", root], "bad_config", "meld");
    refused(&["--dataset", "mosei"], "bad_config", "mosei");
    refused(
        &["--dataset", "mosei", "--root", nowhere.to_str().unwrap()],
        "bad_dataset",
        "Videos/Full/Combined",
    );
    refused(&["--dataset", "absent.jsonl"], "not_found", "absent.jsonl");
    let with_labels = |text: &[u8], kind: &str, part: &str| {
        let labels = tree.labels(text);
        refused(&["--dataset", "mosei", "--root", root, "--labels", &labels], kind, part);
    };
    with_labels(b"name,label\nx,1\n", "bad_dataset", "name, label");
    with_labels(b"id,split\nx,train\n", "bad_dataset", "id, split");
    with_labels(b"id,label\nx,1\ncaf\xe9,1\n", "unreadable", "line 3");
    with_labels(b"", "unreadable", "empty");
    let device = ["--dataset", "mosei", "--root", root, "--labels", "/dev/zero"];
    refused(&device, "unreadable", "a pipe or a device");
}
