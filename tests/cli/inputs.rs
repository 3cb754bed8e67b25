//! Several inputs: folders, patterns, a table at the end.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::command::{SAMPLE, project};
use crate::guarded::guarded;

/// A folder with clips that cost little: half of them are none.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip2.mp4");
    let (from, to) = (project().join(SAMPLE), clip.clone());
    let (from, to) = (from.display().to_string(), to.display().to_string());
    affekt_testkit::clips::ffmpeg(&["-i", &from, "-t", "0.2", &to]);
    let inside = |name: &str| folder.path().join(name);
    fs::create_dir_all(inside("b/.hidden")).unwrap();
    fs::create_dir(inside("empty")).unwrap();
    for name in ["clip10.mp4", "b/x.MP4", "b/.hidden/y.mp4", ".z.mp4"] {
        fs::copy(&clip, inside(name)).unwrap();
    }
    fs::write(inside("b/broken.mkv"), "this is no film").unwrap();
    fs::write(inside("notes.txt"), "not to be looked at").unwrap();
    folder
}

/// The inputs of the lines of `predict --json`, relative to `root`, each with the kind of its error.
fn told(root: &Path, lines: &[Value]) -> Vec<(String, Option<String>)> {
    let prefix = format!("{}/", root.display());
    let line = |line: &Value| {
        let kind = line["error"]["kind"].as_str().map(str::to_owned);
        (line["input"].as_str().unwrap().replace(&prefix, ""), kind)
    };
    lines.iter().map(line).collect()
}

fn line(input: &str, kind: Option<&str>) -> (String, Option<String>) {
    (input.into(), kind.map(str::to_owned))
}

#[test]
fn a_folder_is_all_that_is_in_it() {
    let folder = folder();
    let root = folder.path().to_str().unwrap();
    let run = guarded(["predict", "--json", root]);
    let expected = [
        line("b/broken.mkv", Some("not_media")),
        line("b/x.MP4", None),
        line("clip2.mp4", None),
        line("clip10.mp4", None),
    ];
    assert_eq!(told(folder.path(), &run.ended.json_lines()), expected);
    assert_eq!((run.ended.code, run.ended.stderr.as_str()), (2, ""));
}

#[test]
fn patterns_and_names_together() {
    let folder = folder();
    let inside = |name: &str| folder.path().join(name).display().to_string();
    let arguments =
        [inside("clip2.mp4"), inside("**/*.MP4"), inside("clip*"), inside("empty"), inside("no*.mov")];
    let run = guarded(["predict", "--json"].map(String::from).into_iter().chain(arguments));
    let expected = [
        line("clip2.mp4", None),
        line("b/x.MP4", None),
        line("clip10.mp4", None),
        line("empty", Some("is_folder")),
        line("no*.mov", Some("not_found")),
    ];
    assert_eq!(told(folder.path(), &run.ended.json_lines()), expected);
    assert_eq!((run.ended.code, run.ended.stderr.as_str()), (2, ""));
}

#[test]
fn a_table_ends_several_inputs() {
    let folder = folder();
    let run = guarded(["predict", folder.path().to_str().unwrap()]);
    let table: Vec<&str> = run.ended.stdout.lines().rev().take(6).collect();
    assert!(table[0].starts_with("3 judged, 1 failed; "), "{}", run.ended.stdout);
    assert!(table[5].starts_with("input ") && table[5].contains("without"), "{}", run.ended.stdout);
    let rows = ["clip10.mp4", "clip2.mp4", "x.MP4", "broken.mkv"];
    for (row, name) in table[1..5].iter().zip(rows) {
        assert!(row.split("  ").next().unwrap().ends_with(name), "{row}");
    }
    assert!(table[4].ends_with("failed: not media"), "{}", table[4]);
    assert!(run.ended.stderr.contains("broken.mkv") && run.ended.stderr.contains("hint: "));
    // One file is no list.
    let one = guarded(["predict", folder.path().join("clip2.mp4").to_str().unwrap()]);
    assert!(!one.ended.stdout.contains("judged"), "{}", one.ended.stdout);
}
