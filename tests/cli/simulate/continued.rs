//! Runs that end before their time, or run beside others: nothing is lost, and the result is that of one run.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::Child;

use affekt_cache::Clip;

use super::{by_drawn, simulate, simulate_of, spoken};
use crate::batch::{Cache, end, signal, small_tree, spawn, until_committed};
use crate::guarded;

/// One clip after the other, each in a shard of its own.
const SLOWLY: [&str; 5] = ["--json", "--in-flight", "1", "--commit-every", "1"];

fn start(cache: &Cache, more: &[&str]) -> Child {
    let path = cache.path();
    let mut command = guarded::affekt();
    command.args(["simulate", "--cache", path.to_str().unwrap()]).args(by_drawn(more));
    spawn(&mut command)
}

/// An uninterrupted run's rows.
fn whole(cache: &Cache) -> BTreeMap<String, Clip> {
    let copy = cache.copy();
    assert_eq!(simulate(&copy.path(), &[]).code, 0);
    copy.rows("simulated")
}

#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_tensors() {
    let cache = spoken(&small_tree());
    let expected = whole(&cache);
    for clips in [3, 3, 4] {
        let mut child = start(&cache, &SLOWLY);
        assert!(until_committed(&mut child, "simulated", clips), "it ended before it was killed");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(cache.verified().0, 0, "what is there is right");
        let kept = cache.rows("simulated");
        assert!(kept.len() < expected.len(), "{}", kept.len());
        assert!(kept.iter().all(|(id, clip)| expected[id] == *clip));
    }
    let ended = simulate(&cache.path(), &["--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let total = end(&ended)["clips"]["total"].as_u64().unwrap();
    assert!(total <= 2, "what was committed is not done again: {total} of 12 were left");
    assert_eq!(cache.rows("simulated"), expected);
    assert_eq!(cache.verified().0, 0);
    assert_eq!(cache.records().iter().filter(|record| record["ended_by"] == "running").count(), 3);
}

#[test]
fn an_interrupted_run_commits_and_says_how_to_go_on() {
    let cache = spoken(&small_tree());
    let expected = whole(&cache);
    for name in ["INT", "TERM"] {
        let cache = cache.copy();
        let mut child = start(&cache, &SLOWLY);
        assert!(until_committed(&mut child, "simulated", 2));
        signal(child.id(), name);
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let code = child.wait().unwrap().code();
        let [record] = &cache.records()[..] else { panic!("one record") };
        assert_eq!((code, &record["ended_by"]), (Some(130), &"interrupted".into()), "{stderr}");
        assert!(record["message"].as_str().unwrap().contains("same command"), "{record}");
        assert_eq!(cache.verified().0, 0);
        assert_eq!(simulate(&cache.path(), &[]).code, 0);
        assert_eq!(cache.rows("simulated"), expected);
    }
}

/// Whether it comes while clips are heard, or between that and the next.
#[test]
fn an_interrupted_hearing_is_the_end_of_the_command() {
    let (tree, cache) = (small_tree(), Cache::new());
    let root = tree.path().to_str().unwrap();
    for all in [false, true] {
        let clips = if all { 12 - cache.rows("speech").len() as u64 } else { 3 };
        let mut child = start(&cache, &[&SLOWLY[..], &["--dataset", "mosei", "--root", root]].concat());
        assert!(until_committed(&mut child, "speech", clips));
        signal(child.id(), "INT");
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
    let ended = simulate_of(&tree, &cache.path(), &["--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(cache.rows("simulated"), whole(&spoken(&tree)));
}

#[test]
fn shares_make_a_whole() {
    let tree = small_tree();
    let cache = spoken(&tree);
    let expected = whole(&cache);
    for of_dataset in [true, false] {
        let cache = cache.copy();
        let mut clips = 0;
        for shard in ["0/2", "1/2"] {
            let flags = ["--json", "--shard", shard];
            let ended = match of_dataset {
                true => simulate_of(&tree, &cache.path(), &flags),
                false => simulate(&cache.path(), &flags),
            };
            assert_eq!(ended.code, 0, "{}", ended.stderr);
            let done = end(&ended)["counts"]["simulated"]["done"].as_u64().unwrap();
            assert!((1..12).contains(&done), "{shard}: {done}");
            clips += done;
        }
        assert_eq!(clips, 12, "no clip is in two shares");
        assert_eq!(cache.rows("simulated"), expected);
    }
}

#[test]
fn two_runs_on_one_cache_end_with_a_correct_one() {
    let cache = spoken(&small_tree());
    let expected = whole(&cache);
    // Shares of their own, and by accident the same one.
    for shards in [["0/2", "1/2"], ["0/1", "0/1"]] {
        let cache = cache.copy();
        let runs = shards.map(|shard| start(&cache, &[&SLOWLY[..], &["--shard", shard]].concat()));
        for run in runs {
            let output = run.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        }
        assert_eq!(cache.verified().0, 0);
        assert_eq!(cache.rows("simulated"), expected, "{shards:?}");
    }
}
