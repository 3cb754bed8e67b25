//! Runs that end before their time, or run beside others: nothing is lost, and the result is that of one run.
#![cfg(target_os = "linux")]

use std::io::Read as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::batch::{Cache, end, extract, signal, small_tree, spawn, start, until_committed, words};
use crate::guarded;
use crate::tree::Tree;

const FEATURES: [&str; 3] = ["--json", "--features", "audio,speech,video,text,simulated"];

/// An uninterrupted run's tensors.
fn whole(tree: &Tree) -> std::collections::BTreeMap<String, Vec<u8>> {
    let cache = Cache::new();
    assert_eq!(extract(tree, &cache.path(), &FEATURES).code, 0);
    cache.tensors()
}

fn flags<'a>(more: &[&'a str]) -> Vec<&'a str> {
    FEATURES.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_tensors() {
    let tree = small_tree();
    // The decoder of its sound draws noise by lot: the clips of a half finished recording have to be the same ones.
    affekt_testkit::clips::Clip::new(6.0).write(tree.media("a").parent().unwrap(), "a.mp4");
    tree.write(
        "a",
        &["0___0.5___1.1___one", "1___2.3___3.1___two", "2___3.5___4.6___three", "3___5.0___5.5___four"],
    );
    let expected = whole(&tree);
    let cache = Cache::new();
    // At 25, 50 and 80 percent of the twelve clips, one run after the other.
    for (before, clips) in [(0, 3), (3, 3), (6, 4)] {
        let mut child = start(&tree, &cache.path(), &flags(&["--commit-every", "1"]));
        assert!(until_committed(&mut child, "simulated", clips), "it ended before it was killed");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(cache.verified().0, 0, "what is there is right");
        let kept = cache.tensors();
        assert!(
            kept.len() as u64 >= 4 * (before + clips) / 2 && kept.len() < expected.len(),
            "{}",
            kept.len()
        );
        assert!(kept.iter().all(|(name, bytes)| expected[name] == *bytes));
    }
    let ended = extract(&tree, &cache.path(), &FEATURES);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let total = end(&ended)["clips"]["total"].as_u64().unwrap();
    assert!(total <= 3, "what was committed is not done again: {total} of 12 were left");
    assert!(cache.tensors() == expected);
    assert_eq!(cache.records().iter().filter(|record| record["ended_by"] == "running").count(), 3);
}

#[test]
fn an_interrupted_run_commits_and_says_how_to_go_on() {
    let tree = small_tree();
    for name in ["INT", "TERM"] {
        let cache = Cache::new();
        let mut child = start(&tree, &cache.path(), &flags(&["--commit-every", "2"]));
        assert!(until_committed(&mut child, "simulated", 2));
        signal(child.id(), name);
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let code = child.wait().unwrap().code();
        let [record] = &cache.records()[..] else { panic!("one record") };
        // On a fast machine it may have been through already.
        if record["ended_by"] == "finished" {
            assert_eq!(code, Some(0));
            continue;
        }
        assert_eq!((code, &record["ended_by"]), (Some(130), &"interrupted".into()), "{stderr}");
        assert!(record["message"].as_str().unwrap().contains("same command"), "{record}");
        assert_eq!(cache.verified().0, 0);
        assert_eq!(extract(&tree, &cache.path(), &FEATURES).code, 0);
        assert!(cache.tensors() == whole(&tree));
    }
}

#[test]
fn two_runs_on_one_cache_end_with_a_correct_one() {
    let tree = small_tree();
    let expected = whole(&tree);
    // Shares of their own, and by accident the same one.
    for shards in [["0/2", "1/2"], ["0/1", "0/1"]] {
        let cache = Cache::new();
        let runs = shards
            .map(|shard| start(&tree, &cache.path(), &flags(&["--shard", shard, "--commit-every", "2"])));
        for run in runs {
            let output = run.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        }
        assert_eq!(cache.verified().0, 0);
        assert!(cache.tensors() == expected, "{shards:?}");
    }
}

#[test]
fn a_full_disk_ends_the_run_and_loses_nothing_that_was_committed() {
    let (tree, cache) = (small_tree(), Cache::new());
    assert_eq!(extract(&tree, &cache.path(), &["--features", "text"]).code, 0);
    // No file may grow over 16 KiB: the shards of the picture cannot be written.
    let program = assert_cmd::cargo::cargo_bin("affekt");
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""]).arg(program);
    command.args(words(&tree, &cache.path(), &FEATURES));
    let output = spawn(&mut command).wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    let last: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["ended_by"], "failed");
    let message = last["message"].as_str().unwrap();
    assert!(message.contains("cannot write") && message.contains("same command"), "{message}");
    let (code, verified) = cache.verified();
    assert_eq!(code, 0, "{verified}");
    let ended = extract(&tree, &cache.path(), &FEATURES);
    assert_eq!((ended.code, &end(&ended)["counts"]["text"]["skipped"]), (0, &12.into()));
    assert!(cache.tensors() == whole(&tree));
}

#[test]
fn an_interrupt_does_not_wait_for_a_decoder_that_hangs() {
    let (tree, cache) = (small_tree(), Cache::new());
    affekt_testkit::clips::Clip::new(40.0).size(640, 480).write(tree.media("a").parent().unwrap(), "a.mp4");
    tree.write("a", &["0___0.0___39.0___long"]);
    let mut run = start(&tree, &cache.path(), &["--quiet", "--features", "video", "--workers", "1"]);
    signal(worker_on(run.id(), &tree.media("a")), "STOP");
    signal(run.id(), "INT");
    let begun = Instant::now();
    let mut stderr = String::new();
    run.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130), "{stderr}");
    assert!(stderr.contains("interrupted") && stderr.contains("same command"), "{stderr}");
    // The limit on its silence is 30 s.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

/// Workers of a run.
fn workers(of: u32) -> Vec<u32> {
    let is_worker = |id: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        fields.get(1) == Some(&of.to_string().as_str()) && fields[0] != "Z"
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_worker).collect()
}

/// Waits until a worker of the run is at work on `media`.
fn worker_on(run: u32, media: &Path) -> u32 {
    let has_open = |id: &u32| {
        let files = std::fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
        files.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|file| file == media)
    };
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(id) = workers(run).into_iter().find(has_open) {
            return id;
        }
        assert!(Instant::now() < until, "no worker has {} open", media.display());
        thread::sleep(Duration::from_millis(1));
    }
}

/// What becomes of a run whose worker gets `name` while it decodes the recording `a`, which takes some time.
fn run_with_worker_that_gets(name: &str, more: &[&str]) -> (i32, Value, Cache) {
    let (tree, cache) = (small_tree(), Cache::new());
    affekt_testkit::clips::Clip::new(40.0).size(640, 480).write(tree.media("a").parent().unwrap(), "a.mp4");
    tree.write("a", &["0___0.0___15.0___long", "1___15.0___39.0___longer"]);
    let mut command = guarded::affekt();
    command
        .args(words(&tree, &cache.path(), &["--json", "--features", "video", "--workers", "1"]))
        .args(more);
    let run = spawn(&mut command);
    signal(worker_on(run.id(), &tree.media("a")), name);
    let output = run.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let last = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    (output.status.code().unwrap(), last, cache)
}

#[test]
fn a_worker_that_dies_costs_the_clips_of_its_file_only() {
    for (name, more, word) in
        [("KILL", &[][..], "signal 9"), ("ABRT", &[], "signal 6"), ("STOP", &["--time-limit", "2"], "2s")]
    {
        let (code, told, cache) = run_with_worker_that_gets(name, more);
        assert_eq!(code, 2, "{told}");
        let failures = told["failures"].as_array().unwrap();
        assert!(!failures.is_empty() && failures.len() <= 2, "{told}");
        for failure in failures {
            assert!(failure["clip"].as_str().unwrap().starts_with("a_"), "{failure}");
            assert_eq!(failure["stage"], "decode");
            assert!(failure["reason"].as_str().unwrap().contains(word), "{failure}");
        }
        let done = cache.tensors();
        assert!(["b_0", "b_3", "c_2"].iter().all(|clip| done.contains_key(&format!("video/{clip}.npy"))));
    }
}
