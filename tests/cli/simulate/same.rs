//! From a cache comes what comes from the recordings.

use std::fs;

use serde_json::Value;

use super::{extract, simulate, simulate_of, spoken};
use crate::batch::{Cache, end, small_tree};

#[test]
fn text_from_cached_speech_is_that_of_an_extraction() {
    let tree = small_tree();
    for store in ["f32", "f16"] {
        let (whole, cached) = (Cache::new(), Cache::new());
        let flags = ["--quiet", "--store", store, "--features"];
        assert_eq!(extract(&tree, &whole.path(), &[&flags[..], &["text,simulated"]].concat()).code, 0);
        assert_eq!(extract(&tree, &cached.path(), &[&flags[..], &["text,speech"]].concat()).code, 0);
        let ended = simulate(&cached.path(), &["--json"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let told = end(&ended);
        assert_eq!((&told["clips"]["done"], &told["config"]["store"]), (&12.into(), &store.into()), "{told}");
        assert_eq!(cached.stores("simulated")[0].spec(), whole.stores("simulated")[0].spec());
        assert_eq!(cached.rows("simulated"), whole.rows("simulated"), "{store}");
        assert!(cached.tensors() == whole.tensors(), "{store}");
        // Nor is anything left for the other command.
        let again = extract(&tree, &cached.path(), &["--json", "--store", store, "--features", "simulated"]);
        assert_eq!((again.code, &end(&again)["clips"]["total"]), (0, &0.into()));
    }
}

#[test]
fn a_second_run_has_nothing_to_do_and_loads_nothing() {
    let cache = spoken(&small_tree());
    assert_eq!(simulate(&cache.path(), &[]).code, 0);
    let before = cache.tensors();
    let again = simulate(&cache.path(), &["--json"]);
    assert_eq!((again.code, again.json_lines().len()), (0, 1), "nothing happened: {}", again.stdout);
    let told = end(&again);
    assert_eq!((&told["clips"]["total"], &told["counts"]["simulated"]["skipped"]), (&0.into(), &12.into()));
    assert!(cache.tensors() == before);
}

#[test]
fn speech_that_is_not_there_is_heard_first() {
    let (tree, cache, whole) = (small_tree(), Cache::new(), Cache::new());
    assert_eq!(extract(&tree, &whole.path(), &["--features", "simulated"]).code, 0);
    // Some of it is there, of clips among others.
    let labels = tree.labels("id,label\na_0,1\na_2,1\nc_1,1\n");
    assert_eq!(extract(&tree, &cache.path(), &["--features", "speech", "--labels", &labels]).code, 0);
    let ended = simulate_of(&tree, &cache.path(), &["--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let events = ended.json_lines();
    let runs: Vec<&Value> = events.iter().filter(|event| event["event"] == "ended").collect();
    let [heard, simulated] = runs[..] else { panic!("two runs: {}", ended.stdout) };
    assert_eq!((&heard["clips"]["total"], &heard["counts"]["speech"]["skipped"]), (&9.into(), &3.into()));
    assert_eq!(simulated["counts"]["simulated"]["done"], 12);
    assert_eq!(cache.rows("simulated"), whole.rows("simulated"));
    assert!(cache.tensors() == whole.tensors());

    // Without --dataset there is nothing to hear with, and all that is there is taken; with it, only its clips.
    let labelled = simulate_of(&tree, &cache.path(), &["--json", "--labels", &labels, "--beams", "1"]);
    assert_eq!((labelled.code, &end(&labelled)["counts"]["simulated"]["done"]), (0, &3.into()));
    let rest = simulate(&cache.path(), &["--json", "--beams", "1"]);
    assert_eq!((rest.code, &end(&rest)["counts"]["simulated"]["done"]), (0, &9.into()), "{}", rest.stdout);
    ["a", "b", "c"].into_iter().for_each(|video| fs::remove_file(tree.media(video)).unwrap());
    // Nine texts were made without knowing the words; six of their clips have some, and are held against them now.
    let flags = ["--json", "--beams", "1"];
    let texts = cache.tensors();
    let moved = simulate_of(&tree, &cache.path(), &flags);
    assert_eq!((moved.code, &end(&moved)["clips"]["total"]), (0, &6.into()), "{}", moved.stderr);
    assert!(cache.tensors() == texts, "nothing is generated again");
    let again = simulate_of(&tree, &cache.path(), &flags);
    assert_eq!((again.code, &end(&again)["clips"]["total"]), (0, &0.into()), "{}", again.stderr);
}

#[test]
fn the_record_and_the_events_tell_of_the_generation() {
    let cache = spoken(&small_tree());
    let ended = simulate(&cache.path(), &["--json", "--commit-every", "5", "--in-flight", "4", "--progress"]);
    assert_eq!(ended.code, 1, "there is no such flag");
    let ended = simulate(&cache.path(), &["--json", "--commit-every", "5", "--in-flight", "4"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let events = ended.json_lines();
    let committed = events.iter().filter(|event| event["event"] == "committed");
    let clips: u64 = committed.map(|event| event["clips"].as_u64().unwrap()).sum();
    assert_eq!(clips, 12);
    let standing = events.iter().rfind(|event| event["event"] == "standing").unwrap();
    let stages: Vec<&str> =
        standing["stages"].as_array().unwrap().iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["simulate", "write"]);
    assert_eq!((&standing["done"], &standing["total"]), (&12.into(), &12.into()), "{standing}");
    let records = cache.records();
    let record = records.iter().find(|record| !record["generation"].is_null()).expect("a record of it");
    let generation = &record["generation"];
    assert_eq!(generation["most_in_flight"], 4);
    let number = |name: &str| generation[name].as_f64().unwrap_or_else(|| panic!("{name}: {generation}"));
    assert!(number("mean_in_flight") > 1.0 && number("mean_in_flight") <= 4.0, "{generation}");
    for member in ["passes", "rows", "peak_cache_bytes"] {
        assert!(number(member) > 0.0, "{member}: {generation}");
    }
    assert!(number("peak_cache_bytes") <= record["config"]["kv_memory_bytes"].as_f64().unwrap());
    assert_eq!((&record["ended_by"], &record["counts"]), (&"finished".into(), &end(&ended)["counts"]));
}
