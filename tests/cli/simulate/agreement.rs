//! `--agreement`: the clips whose transcript and generated words disagree, from a dataset and from a cache alone.

use std::fs;

use serde_json::Value;

use super::{extract, simulate, simulate_of, spoken};
use crate::batch::{Cache, small_tree};

const BRIEFLY: [&str; 2] = ["--max-new-tokens", "12"];

fn flags<'a>(more: &[&'a str]) -> Vec<&'a str> {
    BRIEFLY.iter().chain(more).copied().collect()
}

#[test]
fn the_report_is_the_same_from_a_dataset_and_from_its_cache() {
    let (tree, folder) = (small_tree(), tempfile::tempdir().unwrap());
    // Recordings of their own: an empty box at the end of a film is nothing to see.
    for (video, byte) in [("a", 1), ("b", 2), ("c", 3)] {
        let film = fs::read(tree.media(video)).unwrap();
        fs::write(tree.media(video), [&film[..], b"\0\0\0\x09free", &[byte]].concat()).unwrap();
    }
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (of_dataset, of_cache) = (file("dataset.json"), file("cache.json"));
    let heard = Cache::new();
    let ended = simulate_of(&tree, &heard.path(), &flags(&["--agreement", &of_dataset]));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("agreement") && ended.stdout.contains(&of_dataset), "{}", ended.stdout);
    let cached = spoken(&tree);
    assert_eq!(simulate(&cached.path(), &flags(&["--agreement", &of_cache])).code, 0);
    let read = |path: &str| -> Value { serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap() };
    let (by_dataset, by_cache) = (read(&of_dataset), read(&of_cache));
    for member in ["totals", "recordings", "clips"] {
        assert!(!by_dataset[member].is_null(), "{member}");
        assert_eq!(by_dataset[member], by_cache[member], "{member}");
    }
    let clips = by_cache["clips"].as_array().unwrap();
    assert_eq!(clips.len(), 9, "three clips have no words");
    let rates: Vec<f64> = clips.iter().map(|clip| clip["wer"].as_f64().unwrap()).collect();
    assert!(rates.is_sorted_by(|a, b| a >= b), "the worst first: {rates:?}");
    let rows = cached.rows("simulated");
    for clip in clips {
        let facts = &rows[clip["clip"].as_str().unwrap()].facts;
        assert_eq!(clip["wer"].as_f64(), facts.wer);
        assert_eq!(clip["hypothesis"].as_str(), facts.hypothesis.as_deref());
        assert_eq!(clip["media"], &clip["clip"].as_str().unwrap()[..1], "named after its recording");
    }

    // Nothing is left to do, and the report is made all the same; of a share, its clips.
    let (table, lines, page) = (file("a.tsv"), file("a.csv"), file("a.html"));
    for path in [&table, &lines, &page] {
        let ended = simulate(&cached.path(), &flags(&["--quiet", "--agreement", path]));
        assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{}", ended.stderr);
    }
    let (table, lines) = (fs::read_to_string(table).unwrap(), fs::read_to_string(lines).unwrap());
    assert_eq!((table.lines().count(), lines.lines().count()), (10, 10));
    assert!(table.starts_with("clip\tmedia\t") && lines.starts_with("clip,media,"));
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("I really love this film") && page.contains("b_0"));
    assert!(!page.contains("<script src") && !page.contains("http://"), "it needs no network");
    let labels = tree.labels("id,label\nb_0,1\nb_3,1\n");
    assert_eq!(
        simulate_of(&tree, &cached.path(), &flags(&["--labels", &labels, "--agreement", &of_dataset])).code,
        0
    );
    assert_eq!(read(&of_dataset)["clips"].as_array().unwrap().len(), 1);
}

/// Words that a recogniser has found are no transcript.
#[test]
fn what_was_recognised_is_not_held_against_what_was_generated() {
    let (tree, cache) = (small_tree(), Cache::new());
    let ended = extract(&tree, &cache.path(), &["--features", "speech,text", "--transcript", "auto"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let report = cache.path().join("agreement.json");
    assert_eq!(simulate(&cache.path(), &flags(&["--agreement", report.to_str().unwrap()])).code, 0);
    let told: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    assert_eq!(told["clips"].as_array().unwrap().len(), 0, "{told}");
    assert!(cache.rows("simulated").values().all(|clip| clip.facts.wer.is_none()));
}

/// A clip that failed is in the report with the reason; it is not counted as agreeing.
#[test]
fn clips_without_generated_words_are_told() {
    let tree = small_tree();
    fs::write(tree.media("a"), "no film at all").unwrap();
    let cache = Cache::new();
    let report = tree.path().join("agreement.json");
    let ended = simulate_of(&tree, &cache.path(), &flags(&["--agreement", report.to_str().unwrap()]));
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    let told: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    let clips = told["clips"].as_array().unwrap();
    assert_eq!(clips.len(), 9);
    let lost = clips.iter().find(|clip| clip["clip"] == "a_0").unwrap();
    assert!(lost["note"].as_str().unwrap().contains("a.mp4") && lost["hypothesis"].is_null(), "{lost}");
}
