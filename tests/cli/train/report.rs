use std::fs;

use super::World;
use crate::command::affekt;

#[test]
fn runs_are_found_in_folders_and_seeds_are_one_row() {
    let world = World::new();
    world.trained("runs/other/seed-1", &["--config", "no-rnc"]);
    world.trained("runs/paper/seed-1", &[]);
    world.trained("runs/paper/seed-2", &["--seed", "2"]);
    let page = world.path("runs.html");
    let ended = affekt(["report", &world.path("runs"), "--out", &page, "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let table = ended.json();
    assert_eq!(table["rows"][0]["name"], "paper", "the full model comes first");
    assert_eq!(table["rows"][0]["runs"].as_array().unwrap().len(), 2);
    assert_eq!(table["rows"][1]["name"], "no-rnc");
    assert!(fs::read_to_string(page).unwrap().starts_with("<!DOCTYPE html>"));

    // In the order in which they are named; a run itself, or a folder one level up.
    let told = affekt(["report", &world.path("runs/other/seed-1"), &world.path("runs/paper")]).stdout;
    let place = |name: &str| told.find(&format!("\n{name} ")).unwrap();
    assert!(place("no-rnc") < place("paper"), "{told}");
}

#[test]
fn what_is_no_run_is_told_and_the_others_are_compared() {
    let world = World::new();
    let run = world.trained("run", &[]);
    fs::create_dir(world.path("empty")).unwrap();
    let ended = affekt(["report", &run, &world.path("empty")]);
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert!(
        ended.stderr.contains("there is no run in") && ended.stdout.contains("paper"),
        "{}",
        ended.stderr
    );
    fs::create_dir(world.path("damaged")).unwrap();
    world.file("damaged/metrics.json", "{\"affekt\": 1");
    let ended = affekt(["report", &world.path("damaged"), &world.path("absent"), "--json"]);
    assert_eq!(ended.code, 1);
    let kinds: Vec<_> = ended.json_lines().iter().map(|failure| failure["error"]["kind"].clone()).collect();
    assert_eq!(kinds, ["bad_input", "not_found"]);
    let ended = affekt(["report", &run, "--out", &world.path("absent/page.html")]);
    assert!(ended.code == 1 && ended.stderr.contains("page.html"), "{}", ended.stderr);
}
