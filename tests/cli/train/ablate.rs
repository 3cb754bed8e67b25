use std::fs;

use serde_json::Value;

use super::{SMALL, World, there};
use crate::command::Ended;

fn ablate(world: &World, configs: &str, more: &[&str]) -> Ended {
    let out = world.path("table");
    let flags = ["--out", &out, "--seeds", "2", "--configs", configs];
    world.run("ablate", &[&flags[..], &SMALL, more].concat())
}

fn rows(table: &Value) -> Vec<&str> {
    table["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

#[test]
fn rows_are_held_against_the_full_model_and_runs_are_kept() {
    let world = World::new();
    let ended = ablate(&world, "no-rs,paper", &["--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let told = ended.json_lines();
    let begun: Vec<_> = told.iter().filter(|told| told["event"] == "run").collect();
    assert_eq!((begun.len(), &begun[3]["config"], &begun[3]["seed"]), (4, &"no-rs".into(), &2.into()));
    let table = told.last().unwrap();
    assert_eq!(table["event"], "ended");
    assert_eq!(rows(table), ["paper", "no-rs"]);
    assert_eq!(table["failed"].as_array().unwrap().len(), 0);
    let second = &table["rows"][1];
    assert_eq!(second["runs"].as_array().unwrap().len(), 2);
    assert!(second["against_first"][0]["t_test"]["p"].is_number(), "{second}");
    assert_eq!(second["published"][0]["mae"], 0.51);
    let out = world.path("table");
    for name in ["ablation.csv", "ablation.html", "ablation.json", "no-rs/seed-2/report.html"] {
        assert!(there(&out, name), "{name}");
    }

    // Runs that have ended are read, not done again; what is missing is done.
    let kept = fs::read(world.path("table/paper/seed-1/metrics.json")).unwrap();
    fs::remove_dir_all(world.path("table/no-rs/seed-2")).unwrap();
    let ended = ablate(&world, "paper,no-rs", &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(fs::read(world.path("table/paper/seed-1/metrics.json")).unwrap(), kept);
    assert!(there(&out, "no-rs/seed-2/metrics.json"));
    for told in [
        "Acc-2 has0",
        "Acc-2 non0",
        "published MAE",
        "published: Table I, CMU-MOSEI",
        "0.5060",
        "87.64%",
        "p of the paired t-test",
        " \u{b1} ",
    ] {
        assert!(ended.stdout.contains(told), "{told}: {}", ended.stdout);
    }
}

#[test]
fn a_run_that_fails_is_marked_and_the_others_go_on() {
    let world = World::new();
    fs::create_dir_all(world.path("table/no-mia/seed-1")).unwrap();
    world.file("table/no-mia/seed-1/notes.txt", "not a run");
    let ended = ablate(&world, "paper,no-mia", &[]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("notes.txt") && ended.stdout.contains("no-mia (1 failed)"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("no-mia: the run with seed 1 failed: "), "{}", ended.stdout);
}

#[test]
fn what_is_wrong_is_known_before_the_first_run() {
    let world = World::new();
    let refused = |configs: &str, more: &[&str], told: &[&str]| {
        let ended = ablate(&world, configs, more);
        assert_eq!(ended.code, 1, "{}", ended.stdout);
        told.iter().for_each(|told| assert!(ended.stderr.contains(told), "{told}: {}", ended.stderr));
        assert!(!there(&world.path("table"), "paper/seed-1/config.toml"));
    };
    refused("paper,no-such", &[], &["no-such", "no-rnc"]);
    refused("paper", &["--set", "settings.mai=on"], &["paper", "mai"]);
    refused("paper", &["--split-column", "all"], &["paper", "valid"]);
    let mine = world.file("paper.toml", "base = \"no-rs\"");
    refused(&format!("paper,{mine}"), &[], &["give its file another name"]);
}
