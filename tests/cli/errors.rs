//! Input that cannot be used: one clear error, never a panic.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::{SAMPLE, affekt, project};

fn in_folder(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path
}

/// Noise that is the same in every run.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..count).map(|_| next()).collect()
}

fn error_kind(path: &Path) -> String {
    let path = path.to_str().unwrap();
    let ended = affekt(["predict", path, "--json"]);
    assert_eq!(ended.code, 1, "{path}: {}", ended.stderr);
    assert_eq!(ended.stderr, "", "{path}");
    let json = ended.json();
    assert_eq!(json["input"], path);
    let error = &json["error"];
    assert!(error["message"].as_str().unwrap().contains(path), "{error}");
    assert!(error["hint"].is_string(), "{error}");
    let for_people = affekt(["predict", path]);
    assert_eq!((for_people.code, for_people.stdout.as_str()), (1, ""));
    assert!(
        for_people.stderr.starts_with("error: ") && for_people.stderr.contains("hint: "),
        "{}",
        for_people.stderr
    );
    error["kind"].as_str().unwrap().to_owned()
}

#[test]
fn every_unusable_input_has_one_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let whole = fs::read(project().join(SAMPLE)).unwrap();
    let cases = [
        (in_folder(folder, "empty.mp4", b""), "empty"),
        (in_folder(folder, "random.mp4", &noise(50_000)), "not_media"),
        (in_folder(folder, "page.mp4", b"<!doctype html><html><body>404</body></html>"), "not_media"),
        (in_folder(folder, "truncated.mp4", &whole[..whole.len() / 3]), "not_media"),
        (folder.join("absent.mp4"), "not_found"),
        (folder.to_path_buf(), "is_folder"),
    ];
    for (path, kind) in cases {
        assert_eq!(error_kind(&path), kind, "{}", path.display());
    }
}

#[test]
fn one_failed_input_of_two_is_exit_code_2() {
    let ended = affekt(["predict", "absent.mp4", SAMPLE, "--json", "--end", "0.5"]);
    assert_eq!(ended.code, 2);
    let lines = ended.json_lines();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["error"]["kind"], "not_found");
    assert!(lines[1]["valence"]["without_text"].is_number());
}

fn refused(args: &[&str]) -> Value {
    let ended = affekt(args.iter().chain(&["--json"]));
    assert_eq!(ended.code, 1, "{args:?}");
    ended.json()["error"].clone()
}

#[test]
fn flags_that_cannot_be_met_are_refused_by_name() {
    let cases: [(&[&str], &str, &str); 7] = [
        (&["--start", "100"], "bad_span", "100"),
        (&["--start", "2", "--end", "1"], "bad_config", "--start"),
        (&["--start", "-1"], "bad_config", "-1"),
        (&["--models", "nowhere"], "bad_model", "nowhere"),
        (&["--device", "tpu"], "device", "tpu"),
        (&["--transcript", "@absent.txt"], "bad_transcript", "absent.txt"),
        (&["--transcript", "auto"], "bad_transcript", "auto"),
    ];
    for (flags, kind, named) in cases {
        let args: Vec<&str> = ["predict", SAMPLE].iter().chain(flags).copied().collect();
        let error = refused(&args);
        assert_eq!(error["kind"], kind, "{error}");
        assert!(error["message"].as_str().unwrap().contains(named), "{error}");
    }
}
