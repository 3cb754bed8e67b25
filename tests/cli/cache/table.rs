//! `affekt cache import` of one file of all clips.

use std::fs;

use affekt_cache::npy;
use affekt_testkit::realdata;
use serde_json::json;

use super::run;

#[test]
fn an_array_and_its_index_come_in() {
    let place = tempfile::tempdir().unwrap();
    let (cache, array, index) =
        (place.path().join("cache"), place.path().join("all.npy"), place.path().join("index.tsv"));
    fs::write(&array, npy::encode(3, 2, [0.0, 1.0, f32::NAN, 3.0, 4.0, 5.0].into_iter())).unwrap();
    fs::write(&index, "row\tid\tlabel\n2\tc\t1\n0\ta\t2\n1\tb\t3\n").unwrap();
    let (array, index) = (array.to_str().unwrap(), index.to_str().unwrap());
    let flags = ["--feature", "text", "--npy", array, "--index", index];
    let ended = run("import", &cache, &[&flags[..], &["--json"]].concat());
    let told = ended.json();
    assert_eq!((ended.code, &told["written"], &told["failed"][0]["id"]), (2, &2.into(), &"b".into()));
    let recipe = &told["recipe"];
    assert_eq!(
        (&recipe["encoder"], &recipe["row"], &recipe["width"]),
        (&json!("unknown"), &json!("clip"), &json!(2))
    );
    let again = run("import", &cache, &flags).stdout;
    assert!(again.contains(": 0 taken, 2 there already\n"), "{again}");
    assert!(again.contains("\n  failed: b: row 0 holds a NaN or an infinity"), "{again}");
    assert_eq!(run("verify", &cache, &[]).code, 0);

    let named = [&flags[..], &["--id-column", "row", "--row-column", "where"]].concat();
    let ended = run("import", &cache, &named);
    assert_eq!(ended.code, 1);
    assert!(
        ended.stderr.contains("the columns are row, id, label; none is called where"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("--row-column"), "{}", ended.stderr);
    let ended = run("import", &cache, &flags[..4]);
    assert!(ended.code == 1 && ended.stderr.contains("--index"), "{}", ended.stderr);
    let ended = run("import", &cache, &[&flags[..4], &["--row-column", "row"]].concat());
    assert!(ended.code == 1 && ended.stderr.contains("--index"), "{}", ended.stderr);
}

/// As docs/src/datasets.md tells.
#[test]
fn the_utterances_of_mosi_come_in() {
    let Some(files) = realdata::files("mosi_utterance", &["npy", "tsv"]) else { return };
    let file = |name: &str| files.iter().find(|path| path.ends_with(name)).unwrap().to_str().unwrap();
    let place = tempfile::tempdir().unwrap();
    let cache = place.path().join("cache");
    let index = file("mosi_index.tsv");
    for (feature, array) in
        [("text", "mosi_text_100.npy"), ("audio", "mosi_audio_73.npy"), ("video", "mosi_video_100.npy")]
    {
        let flags = ["--feature", feature, "--npy", file(array), "--index", index, "--json"];
        let ended = run("import", &cache, &flags);
        assert_eq!((ended.code, &ended.json()["written"]), (0, &2199.into()), "{}", ended.stderr);
        let again = run("import", &cache, &flags).json();
        assert_eq!((&again["written"], &again["already"]), (&0.into(), &2199.into()));
    }
    let list = place.path().join("list");
    let table = fs::read_to_string(index).unwrap();
    let ids: Vec<&str> = table.lines().skip(1).map(|line| line.split('\t').nth(1).unwrap()).collect();
    fs::write(&list, ids.join("\n")).unwrap();
    let ended = run("verify", &cache, &["--manifest", list.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert_eq!(ended.stdout.matches(": sound (shards: 1, features: 2199, absent: 0, failed: 0)").count(), 3);
}
