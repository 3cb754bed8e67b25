//! `affekt cache export` and `import`.

use std::fs;

use affekt_core::FeatureKind;
use serde_json::{Value, json};

use super::{fill, run, spec};

#[test]
fn features_go_out_and_come_in() {
    let place = tempfile::tempdir().unwrap();
    let (cache, other, npy) =
        (place.path().join("cache"), place.path().join("other"), place.path().join("npy"));
    let npy = npy.to_str().unwrap();
    fill(&cache, &spec(FeatureKind::Video, 1), &["a", "b"]);
    fill(&cache, &spec(FeatureKind::Text, 1), &["a"]);
    let ended = run("export", &cache, &["--npy", npy, "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let told = ended.json_lines();
    assert_eq!((&told[0]["feature"], &told[0]["written"]), (&"video".into(), &2.into()));
    let without = json!([
        {"id": "mute", "reason": "no words"},
        {"id": "torn", "reason": "failed at decode: cut off"}
    ]);
    assert_eq!(told[0]["without"], without);
    assert_eq!(told[1]["feature"], "text");
    let again = run("export", &cache, &["--npy", npy, "--feature", "video"]);
    assert!(again.stdout.contains(": 0 written, 2 there already\n"), "{}", again.stdout);

    let flags =
        ["--npy", npy, "--feature", "video", "--encoder", "manet", "--preprocessing", "crop", "--json"];
    let ended = run("import", &other, &flags);
    let told = ended.json();
    assert_eq!((ended.code, &told["written"], &told["recipe"]["width"]), (0, &2.into(), &4.into()));
    assert_eq!(told["recipe"]["row"], "frame");
    let again = run("import", &other, &flags).json();
    assert_eq!((&again["already"], &again["folder"]), (&2.into(), &told["folder"]));
    let listed = run("ls", &other, &["--json"]).json();
    assert_eq!(listed["features"][0]["recipe"], told["recipe"]);
    assert_eq!(run("verify", &other, &[]).code, 0);
}

#[test]
fn a_damaged_feature_is_named_and_the_others_are_exported() {
    let place = tempfile::tempdir().unwrap();
    let cache = place.path().join("cache");
    let shard = fill(&cache, &spec(FeatureKind::Video, 1), &["a", "b"]);
    let mut bytes = fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&shard, bytes).unwrap();
    let npy = place.path().join("npy");
    let flags = ["--npy", npy.to_str().unwrap()];
    let ended = run("export", &cache, &flags);
    assert_eq!((ended.code, ended.stderr.as_str()), (2, ""));
    assert!(
        ended.stdout.contains(": 1 written") && ended.stdout.contains("failed: b: shard "),
        "{}",
        ended.stdout
    );
    assert!(npy.join("video/a.npy").exists() && !npy.join("video/b.npy").exists());
    let told = run("export", &cache, &[&flags[..], &["--json"]].concat()).json();
    assert_eq!((&told["already"], &told["failed"][0]["id"]), (&1.into(), &"b".into()));
    assert_eq!(told["failed"][0]["error"]["kind"], "unreadable");
}

#[test]
fn several_recipes_of_a_feature_need_a_choice() {
    let place = tempfile::tempdir().unwrap();
    let cache = place.path().join("cache");
    let specs = [1, 2].map(|version| spec(FeatureKind::Video, version));
    specs.iter().for_each(|spec| drop(fill(&cache, spec, &["a"])));
    fill(&cache, &spec(FeatureKind::Text, 1), &["a"]);
    let npy = place.path().join("npy");
    let npy = npy.to_str().unwrap();
    // The feature that needs no choice is exported.
    let ended = run("export", &cache, &["--npy", npy]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("several recipes") && ended.stderr.contains("--spec"), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("text-"), "{}", ended.stdout);
    let digest = specs[1].digest();
    let ended = run("export", &cache, &["--npy", npy, "--spec", digest.short()]);
    assert!(ended.code == 0 && ended.stdout.contains(&specs[1].folder()), "{}", ended.stdout);
    let ended = run("export", &cache, &["--npy", npy, "--spec", "xyz"]);
    assert!(ended.code == 1 && ended.stderr.contains("*-xyz"), "{}", ended.stderr);
    // What is there is not overwritten by anything else.
    fs::write(place.path().join("npy/video/a.npy"), "mine").unwrap();
    let ended = run("export", &cache, &["--npy", npy, "--spec", digest.short()]);
    assert!(ended.code == 1 && ended.stderr.contains("a.npy is there already"), "{}", ended.stderr);
}

#[test]
fn arrays_that_cannot_be_taken_are_named() {
    let place = tempfile::tempdir().unwrap();
    let (cache, npy) = (place.path().join("cache"), place.path().join("npy"));
    fs::create_dir(&npy).unwrap();
    let good = affekt_cache::npy::encode(2, 3, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0].into_iter());
    let pickle: &[u8] = b"\x80\x04\x95cos\nsystem\n";
    let flags =
        ["--npy", npy.to_str().unwrap(), "--feature", "audio", "--encoder", "wavlm", "--layers", "-5"];
    fs::write(npy.join("bad.npy"), pickle).unwrap();
    let ended = run("import", &cache, &flags);
    assert!(ended.code == 1 && ended.stderr.contains("bad.npy") && !cache.exists(), "{}", ended.stderr);
    fs::write(npy.join("good.npy"), good).unwrap();
    let ended = run("import", &cache, &flags);
    assert_eq!(ended.code, 2);
    assert!(ended.stdout.contains("\n  failed: bad: it is a pickle"), "{}", ended.stdout);
    let ended = run("import", &cache, &flags[..6]);
    assert_eq!(ended.code, 2, "another recipe: {}", ended.stderr);
    for wrong in [&["--dtype", "i8"], &["--weights", "abc"], &["--layers", "five"]] {
        let ended = run("import", &cache, &[&flags[..6], &wrong[..]].concat());
        assert!(ended.code == 1 && ended.stderr.contains(wrong[1]), "{}", ended.stderr);
    }
    let empty = place.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let flags = ["--npy", empty.to_str().unwrap(), "--feature", "text", "--encoder", "x", "--json"];
    let none: Value = run("import", &cache, &flags).json();
    assert_eq!(none["error"]["kind"], "not_found");
}
