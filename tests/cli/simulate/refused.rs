//! What cannot begin is refused before any work, with the remedy.

use std::fs;
use std::path::Path;

use super::{extract, simulate, simulate_of, spoken};
use crate::batch::Cache;
use crate::bundles::{positions, size, with_a_foreign_tokenizer};
use crate::command::affekt;
use crate::tree::Tree;

/// Refused with a message that has each of `parts`; nothing is made in the cache.
#[track_caller]
fn refused(cache: &Path, more: &[&str], parts: &[&str]) {
    let ended = simulate(cache, more);
    assert_eq!(ended.code, 1, "{} {}", ended.stdout, ended.stderr);
    assert_eq!((ended.stderr.matches("error: ").count(), ended.stdout.as_str()), (1, ""), "{}", ended.stderr);
    for part in parts {
        assert!(ended.stderr.contains(part), "{part:?} is not in {}", ended.stderr);
    }
    let made = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        name.starts_with("simulated") || name == "runs"
    };
    let has_begun = fs::read_dir(cache).is_ok_and(|mut entries| entries.any(|entry| made(entry.unwrap())));
    assert!(!has_begun, "it has begun");
}

/// The speech of one clip.
fn one_clip() -> (Tree, Cache) {
    let tree = Tree::new();
    tree.video("a", &["0___0.0___0.6___I really love this film"]);
    let cache = spoken(&tree);
    let _ = fs::remove_dir_all(cache.path().join("runs"));
    (tree, cache)
}

#[test]
fn recipes_that_cannot_be_followed() {
    let (_tree, cache) = one_clip();
    let cache = cache.path();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        format!("@{}", path.display())
    };
    let empty = file("empty.txt", b"");
    let blank = file("blank.txt", b" \n\t\n");
    let foreign = file("foreign.txt", b"caf\xe9");
    let endless = file("endless.txt", "word ".repeat(14_000).as_bytes());
    let absent = format!("@{}/absent.txt", folder.path().display());
    let inside = format!("@{}", folder.path().display());
    let states = format!("{} hidden states", size("llama", "num_hidden_layers") + 1);
    for (flags, parts) in [
        (["--prompt", &empty], &["empty.txt has no text", "hint"][..]),
        (["--prompt", &blank], &["blank.txt has no text"]),
        (["--prompt", &foreign], &["foreign.txt is not UTF-8"]),
        (["--prompt", &endless], &["endless.txt has more than 64 KiB"]),
        (["--prompt", &absent], &["absent.txt", "hint"]),
        (["--prompt", &inside], &["cannot read the prompt"]),
        (["--prompt", "own"], &["\"own\"", "sdumc, slam or @FILE"]),
        (["--prompt", ""], &["sdumc, slam or @FILE"]),
        (["--layers", "-99"], &["`-99`", &states]),
        (["--layers", "-4..-9"], &["-9"]),
        (["--layers", "last"], &["--layers", "layer rule"]),
        (["--mode", "worst"], &["--mode", "beam0"]),
        (["--beams", "0"], &["--beams", "1..=256"]),
        (["--max-new-tokens", "0"], &["--max-new-tokens", "1..=100000"]),
        (["--in-flight", "0"], &["--in-flight", "1..=1024"]),
        (["--kv-memory", "0"], &["--kv-memory", "4GiB"]),
        (["--kv-memory", "some"], &["--kv-memory", "4GiB"]),
        (["--commit-every", "0"], &["--commit-every"]),
        (["--max-failures", "101"], &["--max-failures", "0 to 100"]),
        (["--shard", "2/2"], &["--shard", "below 2"]),
        (["--store", "f8"], &["--store", "bf16"]),
        (["--speech", "f16"], &["--speech", "kept as f32"]),
        (["--models", "nowhere"], &["nowhere", "hint"]),
        (["--device", "cuda:9"], &["cuda:9", "hint"]),
        (["--root", "somewhere"], &["--dataset"]),
        (["--labels", "some.csv"], &["--dataset"]),
        (["--dataset", "absent.jsonl"], &["absent.jsonl", "hint"]),
        (["--agreement", "words.pdf"], &["words.pdf", ".html, .tsv, .csv or .json"]),
        (["--agreement", "words"], &["words", ".html, .tsv, .csv or .json"]),
        (["--agreement", "/no/such/folder/words.html"], &["/no/such/folder/words.html", "hint"]),
    ] {
        refused(&cache, &flags, parts);
    }
}

/// Only the tokenizer can tell, and it is read when the work is clear.
#[test]
fn a_prompt_longer_than_the_context_is_one_clear_error() {
    let (_tree, cache) = one_clip();
    let prompt = cache.path().join("prompt.txt");
    let positions = positions();
    fs::write(&prompt, "word ".repeat(positions + positions / 2)).unwrap();
    let ended = simulate(&cache.path(), &["--quiet", "--prompt", &format!("@{}", prompt.display())]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{}", ended.stderr);
    for part in ["prompt", &positions.to_string(), "hint"] {
        assert!(ended.stderr.contains(part), "{part} is not in {}", ended.stderr);
    }
    assert_eq!(ended.stderr.matches("error: ").count(), 1, "{}", ended.stderr);
    assert!(cache.stores("simulated").is_empty());
}

#[test]
fn caches_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| folder.path().join(name);
    refused(&inside("absent"), &[], &["--cache", "absent", "--dataset", "affekt extract"]);
    assert!(!inside("absent").exists(), "reading makes no folder");
    fs::create_dir(inside("empty")).unwrap();
    refused(&inside("empty"), &[], &["--cache", "empty", "--dataset"]);
    fs::write(inside("file"), "no folder").unwrap();
    refused(&inside("file"), &[], &["--cache", "file"]);
    let (tree, cache) = one_clip();
    fs::remove_dir_all(cache.stores("speech")[0].folder()).unwrap();
    refused(&cache.path(), &[], &["--cache", "no speech by the bundle tiny"]);
    // Of two types it has to be said which; a shard that does not open is named.
    let (tree, cache) = (tree, Cache::new());
    for store in ["f32", "f16"] {
        assert_eq!(extract(&tree, &cache.path(), &["--features", "speech", "--store", store]).code, 0);
    }
    fs::remove_dir_all(cache.path().join("runs")).unwrap();
    refused(&cache.path(), &[], &["f32 and as f16", "--speech"]);
    let dataset = ["--dataset", "mosei", "--root", tree.path().to_str().unwrap()];
    refused(&cache.path(), &dataset, &["f32 and as f16", "--speech"]);
    for (speech, preprocessing) in [("f16", true), ("f32", false)] {
        let ended = simulate(&cache.path(), &["--json", "--max-new-tokens", "4", "--speech", speech]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(ended.stdout.contains("speech kept as f16"), preprocessing, "{}", ended.stdout);
    }
    let shard = cache.stores("speech")[0].shards()[0].path().to_owned();
    fs::write(&shard, "no shard").unwrap();
    let ended = simulate(&cache.path(), &["--beams", "2", "--speech", "f16"]);
    let other = simulate(&cache.path(), &["--beams", "2", "--speech", "f32"]);
    let damaged: Vec<_> = [ended, other].into_iter().filter(|ended| ended.code == 1).collect();
    let [damaged] = &damaged[..] else { panic!("one of them is sound") };
    assert!(damaged.stderr.contains(shard.file_name().unwrap().to_str().unwrap()), "{}", damaged.stderr);
    assert!(damaged.stderr.contains("hint"), "{}", damaged.stderr);
}

#[test]
fn clips_of_another_cut_are_not_taken() {
    let (tree, cache) = one_clip();
    tree.write("a", &["0___1.0___1.6___I really love this film"]);
    let ended = simulate_of(&tree, &cache.path(), &["--quiet"]);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert!(ended.stderr.contains("a_0") && ended.stderr.contains("--cache"), "{}", ended.stderr);
    assert!(cache.stores("simulated").is_empty());
}

#[test]
fn a_tokenizer_of_another_network_is_one_clear_error() {
    let (_tree, cache) = one_clip();
    let folder = tempfile::tempdir().unwrap();
    with_a_foreign_tokenizer(folder.path());
    let ended = simulate(&cache.path(), &["--quiet", "--models", folder.path().to_str().unwrap()]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("error: ").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("tokenizer") && ended.stderr.contains("hint"), "{}", ended.stderr);
    assert!(cache.stores("simulated").is_empty());
}

#[test]
fn refusals_are_json_where_that_is_asked_for() {
    let ended = affekt(["simulate", "--json", "--cache", "nowhere-to-be-found"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (1, ""));
    assert_eq!(ended.json()["error"]["kind"], "bad_config", "{}", ended.stdout);
}
