//! What cannot begin is refused before any work, with the remedy.

use std::fs;

use crate::batch::{Cache, extract, small_tree, words};
use crate::command::affekt;
use crate::tree::Tree;

/// Refused with a message that has each of `parts`; the cache is not even made.
#[track_caller]
fn refused(tree: &Tree, more: &[&str], parts: &[&str]) {
    let cache = Cache::new();
    let ended = extract(tree, &cache.path(), more);
    assert_eq!(ended.code, 1, "{} {}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("error: ") && ended.stdout.is_empty(), "{}", ended.stderr);
    for part in parts {
        assert!(ended.stderr.contains(part), "{part:?} is not in {}", ended.stderr);
    }
    assert!(!cache.path().exists(), "it has begun");
}

#[test]
fn datasets_that_cannot_be_read() {
    let sound = small_tree();
    let bare = Tree::new();
    fs::remove_dir_all(bare.path().join("Transcript")).unwrap();
    refused(&bare, &[], &["Transcript/Segmented/Combined", "hint"]);
    let labels = sound.labels("name,score\na_0,1\n");
    refused(&sound, &["--labels", &labels], &["labels.csv", "columns"]);
    let labels = sound.labels(b"id,label\na_0,\xff\n");
    refused(&sound, &["--labels", &labels], &["labels.csv", "UTF-8"]);
    for line in
        ["0___2.0___1.0___end before start", "../x___0.0___1.0___leaves the folder", "0___a___1___no number"]
    {
        let tree = Tree::new();
        tree.video("a", &[line]);
        refused(&tree, &[], &["a.txt", "line 1"]);
    }
    let labels = sound.labels("id,label\nelsewhere_0,1\n");
    refused(&sound, &["--labels", &labels], &["--labels", "none of the 12 clips"]);
    refused(&Tree::new(), &[], &["--dataset", "no clips"]);
    refused(&sound, &["--models", "nowhere"], &["nowhere", "hint"]);
    refused(&sound, &["--device", "cuda:9"], &["cuda:9", "hint"]);
    refused(&sound, &["--device", "cuda:0,0"], &["cuda:0,0", "hint"]);
    refused(&sound, &["--device", "cpu,cpu"], &["cpu,cpu", "hint"]);
    refused(&sound, &["--decode", "nvdec:4095"], &["NVDEC", "4095", "--decode cpu"]);
}

#[test]
fn line_endings_and_byte_order_marks_do_not_matter() {
    let tree = Tree::new();
    tree.copy("a");
    let text = "\u{feff}a___0___0.0___0.6___I really\r\na___1___0.6___1.2___love this film\r\n";
    fs::write(tree.transcript("a"), text).unwrap();
    let cache = Cache::new();
    let ended = extract(&tree, &cache.path(), &["--features", "text"]);
    assert_eq!((ended.code, cache.tensors().len()), (0, 2), "{}", ended.stderr);
}

#[test]
fn caches_that_cannot_be_used() {
    let tree = small_tree();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "no folder").unwrap();
    let ended = extract(&tree, &file, &[]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("is no folder"), "{}", ended.stderr);

    // A shard of a version to come.
    let cache = Cache::new();
    let flags = ["--features", "text"];
    assert_eq!(extract(&tree, &cache.path(), &flags).code, 0);
    let text =
        fs::read_dir(cache.path()).unwrap().flatten().find(|entry| entry.file_name() != "runs").unwrap();
    let shard = fs::read_dir(text.path()).unwrap().flatten().next().unwrap().path();
    let bytes = fs::read(&shard).unwrap();
    let at = bytes.windows(11).position(|window| window == b"\\\"format\\\":").unwrap();
    let mut newer = bytes.clone();
    newer[at + 11] = b'9';
    fs::write(&shard, newer).unwrap();
    let ended = extract(&tree, &cache.path(), &flags);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("version 9") || ended.stderr.contains("damaged"), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint"), "{}", ended.stderr);
}

#[test]
fn a_clip_that_has_become_another_is_not_mixed_with_the_old_one() {
    let (tree, cache) = (small_tree(), Cache::new());
    let flags = ["--features", "text"];
    assert_eq!(extract(&tree, &cache.path(), &flags).code, 0);
    assert_eq!(extract(&tree, &cache.path(), &["--features", "audio"]).code, 0);
    tree.write("a", &["0___0.0___0.6___I hated this film"]);
    let ended = extract(&tree, &cache.path(), &flags);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("a_0") && ended.stderr.contains("other words"), "{}", ended.stderr);
    tree.write("a", &["0___0.0___0.7___I really love this film"]);
    let ended = extract(&tree, &cache.path(), &["--features", "audio"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("a_0") && ended.stderr.contains("0.700"), "{}", ended.stderr);
}

#[test]
fn flags_with_wrong_values_are_named() {
    let (tree, cache) = (small_tree(), Cache::new());
    for (flag, value) in [
        ("--shard", "2/2"),
        ("--max-failures", "200"),
        ("--features", "smell"),
        ("--batch", "0"),
        ("--store", "f64"),
    ] {
        let ended = affekt(words(&tree, &cache.path(), &[flag, value]));
        assert_eq!(ended.code, 1, "{flag}");
        assert!(ended.stderr.contains(flag) && ended.stderr.contains(value), "{}", ended.stderr);
    }
}
