use std::fs;
#[cfg(target_os = "linux")]
use std::io::{BufRead, BufReader};
#[cfg(target_os = "linux")]
use std::process::{Child, Stdio};

use serde_json::Value;

use super::{SMALL, World, there};
#[cfg(target_os = "linux")]
use crate::batch::signal;
#[cfg(target_os = "linux")]
use crate::guarded;

/// Enough epochs that a run can be caught in the middle.
const LONG: [&str; 6] =
    ["--set", "settings.dim=8", "--set", "training.epochs=60", "--set", "training.batch=4"];

fn checkpoint(run: &str) -> Vec<u8> {
    fs::read(format!("{run}/checkpoint.safetensors")).unwrap()
}

/// A run in the background that has told of `epochs` epochs.
#[cfg(target_os = "linux")]
fn after(world: &World, out: &str, epochs: usize) -> Child {
    let (cache, labels) = (world.path("cache"), world.path("labels.csv"));
    let mut command = guarded::affekt();
    command.args(["train", "--cache", &cache, "--labels", &labels, "--out", out, "--json"]).args(LONG);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = lines.take(epochs).map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    assert!(told.into_iter().all(|line| line["event"] == "epoch"));
    child
}

#[test]
#[cfg(target_os = "linux")]
fn a_killed_run_goes_on_and_ends_with_the_same_bytes() {
    let world = World::new();
    let (whole, out) = (world.path("whole"), world.path("killed"));
    let run = |out: &str| world.run("train", &[&["--out", out, "--json"], &LONG[..]].concat());
    assert_eq!(run(&whole).code, 0);
    for epochs in [1, 5] {
        let mut child = after(&world, &out, epochs);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(there(&out, "state.safetensors") && !there(&out, "checkpoint.safetensors"));
    }
    let ended = run(&out);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let told = ended.json_lines();
    assert!(told.len() < 56, "epochs that were done are not done again: {} lines", told.len());
    assert_eq!(told.last().unwrap()["event"], "ended");
    assert_eq!(checkpoint(&out), checkpoint(&whole));
    assert!(!there(&out, "state.safetensors"));
    assert_eq!(run(&out).json_lines().len(), 1, "a run that has ended is only read");
}

#[test]
#[cfg(target_os = "linux")]
fn an_interrupted_run_says_how_to_go_on() {
    let world = World::new();
    let out = world.path("run");
    let mut child = after(&world, &out, 2);
    signal(child.id(), "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let ended = world.run("train", &[&["--out", &out, "--quiet"], &LONG[..]].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for name in ["config.toml", "metrics.json", "metrics.csv", "epochs.csv", "predictions.csv", "report.html"]
    {
        assert!(there(&out, name), "{name}");
    }
    for name in ["Acc-2 has0", "Acc-2 non0", "text-missing", "chosen by: lowest validation MAE"] {
        assert!(ended.stdout.contains(name), "{name}: {}", ended.stdout);
    }
}

#[test]
fn several_seeds_are_compared() {
    let world = World::new();
    let out = world.path("runs");
    let ended = world.run("train", &[&["--out", &out, "--seeds", "3", "--json"], &SMALL[..]].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let told = ended.json_lines();
    let rows = told.last().unwrap()["rows"].as_array().unwrap().clone();
    let seeds: Vec<i64> =
        rows[0]["runs"].as_array().unwrap().iter().map(|run| run["seed"].as_i64().unwrap()).collect();
    assert_eq!((rows.len(), seeds), (1, vec![1, 2, 3]));
    assert_ne!(checkpoint(&format!("{out}/seed-1")), checkpoint(&format!("{out}/seed-2")));
    for name in ["runs.csv", "runs.html", "runs.json"] {
        assert!(there(&out, name), "{name}");
    }
}

#[test]
fn what_cannot_be_learnt_from_is_refused_before_the_first_batch() {
    let world = World::new();
    let table = |name: &str, text: String| world.file(name, &text);
    let lines = |change: fn(usize) -> Option<String>| {
        let line = |at: usize| {
            change(at).unwrap_or_else(|| format!("clip_{at},0.5,{}", ["train", "valid", "test"][at % 3]))
        };
        (0..40).fold("id,label,split\n".to_owned(), |text, at| text + &line(at) + "\n")
    };
    let off = table("off.csv", lines(|at| (at == 7).then(|| "clip_7,3.5,train".into())));
    let nan = table("nan.csv", lines(|at| (at == 7).then(|| "clip_7,NaN,train".into())));
    let lacking = table("lacking.csv", lines(|_| None) + "clip_99,1,train\n");
    let single =
        table("single.csv", "id,label,split\nclip_0,1,train\nclip_1,1,valid\nclip_2,1,test\n".into());
    let empty = table("empty.csv", "id,label,split\nclip_0,1,train\nclip_1,1,train\nclip_2,1,test\n".into());
    let (cache, out, nowhere) = (world.path("cache"), world.path("run"), world.path("nowhere"));
    let usual = world.path("labels.csv");
    for (cache, labels, more, told) in [
        (&cache, &off, &[][..], &["clip_7", "3.5"][..]),
        (&cache, &nan, &[], &["clip_7", "NaN"]),
        (&cache, &lacking, &[], &["clip_99"]),
        (&cache, &single, &[], &["clip_0"]),
        (&cache, &empty, &[], &["valid"]),
        (&nowhere, &usual, &[], &["nowhere"]),
        (&cache, &usual, &["--set", "settings.widths={audio=5, text=10, video=7}"], &["6", "5", "audio"]),
        (&cache, &usual, &["--set", "settings.dimm=5"], &["dimm"]),
        (&cache, &usual, &["--set", "training.epoch=5"], &["epoch"]),
        (&cache, &usual, &["--config", "papper"], &["papper", "no-rnc"]),
        (&cache, &usual, &["--method", "sdmuc"], &["sdmuc", "sdumc"]),
        (&cache, &usual, &["--split-column", "fold"], &["fold"]),
        (&cache, &usual, &["--recipe", "audio=ffffffff"], &["ffffffff"]),
    ] {
        let ended = world.run_on(cache, labels, "train", &[&["--out", &out], more].concat());
        assert_eq!(ended.code, 1, "{more:?}");
        for told in told {
            assert!(ended.stderr.contains(told), "{told}: {}", ended.stderr);
        }
        assert!(!there(&out, "state.safetensors") && !there(&out, "config.toml"), "nothing is left behind");
    }
}

#[test]
fn a_run_that_diverges_says_where_and_what_may_help() {
    let world = World::new();
    let out = world.path("run");
    let wild = ["--set", "optimiser.lr=1e10", "--set", "schedule.warmup=0", "--set", "training.epochs=8"];
    let ended = world.run("train", &[&["--out", &out], &SMALL[..], &wild[..]].concat());
    assert_eq!(ended.code, 1);
    for told in ["in epoch", "clip_", "optimiser.lr"] {
        assert!(ended.stderr.contains(told), "{told}: {}", ended.stderr);
    }
}

#[test]
fn settings_that_are_no_numbers_are_refused_by_key() {
    let world = World::new();
    for (change, told) in [
        ("settings.loss.rs=nan", "settings.loss.rs"),
        ("settings.dropout_mlp=inf", "settings.dropout_mlp"),
        ("training.epochs=many", "training.epochs"),
    ] {
        let ended = world.run("train", &["--out", &world.path("run"), "--set", change]);
        assert_eq!(ended.code, 1, "{change}");
        assert!(ended.stderr.contains(told), "{change}: {}", ended.stderr);
    }
}
