//! `affekt cache`: stores that the library has filled.

mod npy;
mod table;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use affekt_cache::{Facts, Store};
use affekt_core::{ClipId, Digest, FeatureKind, FeatureSpec};
use serde_json::{Value, json};

use crate::command::{Ended, affekt};

const WIDTH: usize = 4;

/// A recipe whose crop has this version.
fn spec(kind: FeatureKind, version: u32) -> FeatureSpec {
    FeatureSpec {
        kind,
        encoder: "manet".into(),
        weights: Digest::of(b"weights"),
        layers: None,
        preprocessing: vec!["find-v1".into(), format!("crop-v{version}")],
        width: WIDTH,
        dtype: "f16".into(),
        row: "frame".into(),
    }
}

fn id(name: &str) -> ClipId {
    ClipId::new(name).unwrap()
}

/// One shard with these clips, of a row each, and one that is absent and one that has failed. Gives its path.
fn fill(cache: &Path, spec: &FeatureSpec, clips: &[&str]) -> PathBuf {
    let mut writer = Store::open(cache, spec).unwrap().writer().unwrap();
    for clip in clips {
        writer.add(id(clip), Facts::default(), &[0.5; WIDTH]).unwrap();
    }
    writer.add_absent(id("mute"), Facts::default(), "no words").unwrap();
    writer.add_failure(id("torn"), Facts::default(), "decode", "cut off").unwrap();
    writer.commit().unwrap().unwrap()
}

fn run(command: &str, cache: &Path, flags: &[&str]) -> Ended {
    affekt(["cache", command, "--cache", cache.to_str().unwrap()].iter().chain(flags))
}

#[test]
fn ls_tells_what_is_there() {
    let place = tempfile::tempdir().unwrap();
    let cache = place.path();
    fill(cache, &spec(FeatureKind::Video, 1), &["a", "b"]);
    fill(cache, &spec(FeatureKind::Text, 1), &["a"]);
    let ended = run("ls", cache, &["--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let features = &ended.json()["features"];
    let recipe = spec(FeatureKind::Video, 1);
    assert_eq!(features[0]["folder"], recipe.folder());
    assert_eq!(features[0]["recipe"], serde_json::to_value(&recipe).unwrap());
    let counts =
        |row: &Value| ["done", "absent", "failed", "shards", "temporary"].map(|name| row[name].clone());
    assert_eq!(counts(&features[0]), [2, 1, 1, 1, 0].map(Value::from));
    assert_eq!(counts(&features[1]), [1, 1, 1, 1, 0].map(Value::from));
    let text = run("ls", cache, &[]).stdout;
    assert!(
        text.starts_with("FEATURE    SPEC         DONE  ABSENT  FAILED  SHARDS     SIZE\nvideo "),
        "{text}"
    );
    assert!(
        text.contains("manet, weights ") && text.contains("4 numbers (f16) a row, a row a frame"),
        "{text}"
    );
    assert!(text.contains("after find-v1, crop-v1"), "{text}");
}

#[test]
fn verify_finds_damage_and_what_is_missing() {
    let place = tempfile::tempdir().unwrap();
    let cache = place.path();
    let shard = fill(cache, &spec(FeatureKind::Video, 1), &["a", "b"]);
    let list = cache.join("list.jsonl");
    fs::write(&list, "{\"id\": \"a\"}\n{\"id\": \"mute\"}\n").unwrap();
    let list = list.to_str().unwrap();
    let sound = run("verify", cache, &["--manifest", list]);
    assert_eq!(sound.code, 0, "{}", sound.stdout);
    assert!(
        sound.stdout.contains(": sound (shards: 1, features: 2, absent: 1, failed: 1)"),
        "{}",
        sound.stdout
    );

    fs::write(list, "a\nnever\ntorn\n").unwrap();
    let ended = run("verify", cache, &["--manifest", list, "--json"]);
    assert_eq!((ended.code, &ended.json()["sound"]), (2, &Value::Bool(false)));
    let row = &ended.json()["features"][0];
    assert_eq!((&row["missing"], &row["failed"]), (&json!(["never"]), &json!(["torn"])));
    let text = run("verify", cache, &["--manifest", list]).stdout;
    assert!(text.contains("\n  missing: never\n  failed: torn\n"), "{text}");

    let mut bytes = fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&shard, bytes).unwrap();
    let ended = run("verify", cache, &["--json"]);
    let problem = &ended.json()["features"][0]["problems"][0];
    assert_eq!((ended.code, &problem["kind"]), (2, &Value::from("unreadable")));
    assert!(problem["message"].as_str().unwrap().contains("tensor of b") && problem["hint"].is_string());
    // The header still stands: listing reads no more.
    assert_eq!(run("ls", cache, &[]).code, 0);
    fs::write(&shard, "<html>").unwrap();
    let ended = run("ls", cache, &[]);
    assert_eq!(ended.code, 1, "no shard can be read");
    assert!(
        ended.stdout.contains("error: shard ") && ended.stdout.contains("    hint: "),
        "{}",
        ended.stdout
    );
}

#[test]
fn gc_removes_what_is_superseded_and_stale_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let cache = place.path();
    let (old, new, other) =
        (spec(FeatureKind::Video, 1), spec(FeatureKind::Video, 2), spec(FeatureKind::Text, 1));
    fill(cache, &old, &["a", "b"]);
    fill(cache, &other, &["a"]);
    fill(cache, &new, &["a"]);
    let kept = run("gc", cache, &["--json"]).json();
    assert_eq!((&kept["superseded"], &kept["kept"][0]["folder"]), (&json!([]), &old.folder().into()));
    assert!(kept["kept"][0]["reason"].as_str().unwrap().contains("lacks 1"), "{kept}");

    fill(cache, &new, &["a", "b"]);
    let stale = cache.join(new.folder()).join(".part-1-0.tmp");
    fs::write(&stale, "half").unwrap();
    let before = SystemTime::now() - Duration::from_secs(2 * 3600);
    File::options().write(true).open(&stale).unwrap().set_modified(before).unwrap();
    let fresh = cache.join(new.folder()).join(".part-2-0.tmp");
    fs::write(&fresh, "half").unwrap();

    let dry = run("gc", cache, &["--dry-run"]);
    assert_eq!(dry.code, 0);
    let told = format!("would remove {}, superseded by {}: ", old.folder(), new.folder());
    assert!(dry.stdout.starts_with(&told) && dry.stdout.contains(".part-1-0.tmp"), "{}", dry.stdout);
    assert!(cache.join(old.folder()).exists() && stale.exists());
    let told = run("gc", cache, &["--json"]).json();
    assert_eq!(told["superseded"][0]["folder"], old.folder());
    assert!(!cache.join(old.folder()).exists() && !stale.exists() && fresh.exists());
    assert_eq!(run("verify", cache, &[]).code, 0);
    let again = run("gc", cache, &[]).stdout;
    assert!(again.ends_with(": nothing to remove\n"), "{again}");
}

#[test]
fn places_that_are_no_cache() {
    let place = tempfile::tempdir().unwrap();
    let (absent, file, empty) =
        (place.path().join("absent"), place.path().join("file"), place.path().join("empty"));
    fs::write(&file, "x").unwrap();
    fs::create_dir(&empty).unwrap();
    for command in ["ls", "verify", "gc"] {
        for (cache, kind) in [(&absent, "not_found"), (&file, "bad_config")] {
            let ended = run(command, cache, &["--json"]);
            let error = &ended.json()["error"];
            assert_eq!((ended.code, &error["kind"]), (1, &Value::from(kind)), "{command}");
            assert!(error["message"].as_str().unwrap().contains(cache.to_str().unwrap()), "{error}");
            assert!(error["hint"].is_string(), "{error}");
        }
        let ended = run(command, &empty, &[]);
        let honest = ended.stdout.contains("holds no features") || ended.stdout.contains("nothing to remove");
        assert!(ended.code == 0 && honest, "{}", ended.stdout);
    }
    let list = place.path().join("list");
    fs::write(&list, "a\n").unwrap();
    assert_eq!(run("verify", &empty, &["--manifest", list.to_str().unwrap()]).code, 2);
    fs::write(&list, "../a\n").unwrap();
    let ended = run("verify", &empty, &["--manifest", list.to_str().unwrap()]);
    assert!(ended.code == 1 && ended.stderr.contains("line 1"), "{}", ended.stderr);
    assert_eq!(run("verify", &empty, &["--feature", "video"]).code, 1);
    assert_eq!(run("verify", &empty, &["--feature", "smell"]).code, 1);
}

#[test]
fn another_format_version_is_said_to_be_one() {
    let place = tempfile::tempdir().unwrap();
    let shard = fill(place.path(), &spec(FeatureKind::Video, 1), &["a"]);
    let mut bytes = fs::read(&shard).unwrap();
    let version = br#"\"format\":1"#;
    let at = bytes.windows(version.len()).position(|window| window == version).unwrap();
    bytes[at + version.len() - 1] = b'7';
    fs::write(&shard, bytes).unwrap();
    for command in ["ls", "verify"] {
        let ended = run(command, place.path(), &["--json"]);
        let problem = &ended.json()["features"][0]["problems"][0];
        assert!(problem["message"].as_str().unwrap().contains("format version 7"), "{problem}");
        assert_ne!(ended.code, 0);
    }
    let out = place.path().join("out");
    let ended = run("export", place.path(), &["--npy", out.to_str().unwrap()]);
    assert!(
        ended.code == 1 && ended.stderr.contains("format version 7") && !out.exists(),
        "{}",
        ended.stderr
    );
}
