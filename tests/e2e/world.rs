//! A small generated world, from the inventory to the prediction, and how well the embedded bundle does there.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// How far from the constant predictor's error the embedded bundle may be, with the words and without.
const WITH_TEXT: f64 = 0.6;
const WITHOUT_TEXT: f64 = 0.75;

/// A generated data set and what is made from it.
struct World(TempDir);

impl World {
    fn new(flags: &[&str]) -> Self {
        let world = Self(TempDir::new().unwrap());
        let output = program("replica").args(flags).arg("--out").arg(world.data()).output().unwrap();
        assert!(output.status.success(), "replica: {}", String::from_utf8_lossy(&output.stderr));
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// `affekt COMMAND` over this data set.
    fn command(&self, command: &str, flags: &[&str]) -> Command {
        let (data, cache, labels) = (self.data(), self.path("cache"), self.data().join("labels.csv"));
        let mut affekt = program("affekt");
        affekt.args([command, "--json"]);
        match command {
            "inventory" => {
                affekt.args(["--dataset", "mosei", "--root"]).arg(data).arg("--labels").arg(labels)
            }
            // The words are imagined by `simulate`, from the speech in the cache.
            "extract" => affekt
                .args(["--features", "audio,speech,video,text", "--dataset", "mosei", "--root"])
                .arg(data)
                .arg("--cache")
                .arg(cache),
            "simulate" => affekt.arg("--cache").arg(cache),
            "train" | "eval" => affekt.arg("--cache").arg(cache).arg("--labels").arg(labels),
            _ => &mut affekt,
        };
        affekt.args(flags);
        affekt
    }

    /// The last object that it prints.
    fn run(&self, command: &str, flags: &[&str]) -> Value {
        said(command, &self.command(command, flags).output().unwrap())
    }
}

fn program(name: &str) -> Command {
    let path = assert_cmd::cargo::cargo_bin(name);
    assert!(path.exists(), "{} is absent: run `cargo build --workspace` first", path.display());
    Command::new(path)
}

fn said(what: &str, output: &Output) -> Value {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {}\n{stdout}{stderr}", output.status);
    let Some(last) = stdout.lines().last() else { panic!("{what} says nothing: {stderr}") };
    serde_json::from_str(last).unwrap()
}

/// Mean absolute error of a flow on the test split.
fn error(evaluation: &Value, flow: &str) -> f64 {
    let results = evaluation["results"].as_array().unwrap();
    let found = results.iter().find(|one| one["split"] == "test" && one["flow"] == flow);
    found.unwrap()["metrics"]["mae"].as_f64().unwrap()
}

/// Labels by the column of their name.
fn column(labels: &Path, name: &str) -> Vec<String> {
    let text = fs::read_to_string(labels).unwrap();
    let mut rows = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let index = rows.next().unwrap().iter().position(|title| title == name).unwrap();
    rows.map(|row| row[index].clone()).collect()
}

#[test]
fn from_the_inventory_to_the_prediction() {
    let world = World::new(&["--clips", "20", "--seed", "3"]);
    let inventory = &world.run("inventory", &[])["summary"];
    assert_eq!(inventory["all"]["clips"], 20);
    assert_eq!((&inventory["errors"], &inventory["warnings"]), (&0.into(), &0.into()), "{inventory}");

    killed(&world);
    let extracted = world.run("extract", &[]);
    assert_eq!(extracted["ended_by"], "finished", "{extracted}");
    let left = extracted["clips"]["total"].as_u64().unwrap();
    assert!(left < 20, "what was committed before the kill is not done again: {left}");
    let simulated = world.run("simulate", &[]);
    assert_eq!(simulated["ended_by"], "finished", "{simulated}");

    let run = world.path("run").display().to_string();
    let quick = ["--set", "training.epochs=3", "--set", "training.batch=7", "--set", "settings.dim=32"];
    world.run("train", &[&["--config", "paper", "--out", &run][..], &quick].concat());
    let evaluation = world.run("eval", &["--run", &run]);
    for flow in ["complete", "text-missing"] {
        assert!(error(&evaluation, flow).is_finite());
    }
    let labels = world.data().join("labels.csv");
    let film = world.data().join(format!("Videos/Full/Combined/{}.mp4", column(&labels, "video")[0]));
    let prediction = world.run("predict", &[film.to_str().unwrap(), "--fusion", &run]);
    assert!(prediction["valence"]["without_text"].is_number(), "{prediction}");
}

/// An extraction that is killed as soon as a few clips are in the cache.
fn killed(world: &World) {
    let mut command = world.command("extract", &["--commit-every", "1"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut committed = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if event["event"] == "committed" && event["feature"] == "video" {
            committed += event["clips"].as_u64().unwrap();
        }
        if committed >= 4 {
            break;
        }
    }
    assert!(committed >= 4, "it ended before it was killed");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_embedded_bundle_judges_clips_that_it_has_never_seen() {
    let world = World::new(&["--clips", "20", "--seed", "11", "--split", "test"]);
    assert_eq!(world.run("extract", &[])["ended_by"], "finished");
    assert_eq!(world.run("simulate", &[])["ended_by"], "finished");
    let fusion = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tiny/sdumc/model.safetensors");
    let evaluation = world.run("eval", &["--run", fusion.to_str().unwrap()]);

    let labels = column(&world.data().join("labels.csv"), "label");
    let mut labels: Vec<f64> = labels.iter().map(|label| label.parse().unwrap()).collect();
    labels.sort_by(f64::total_cmp);
    // The best of all constants, and it has seen the labels.
    let median = (labels[9] + labels[10]) / 2.0;
    let constant = labels.iter().map(|label| (label - median).abs()).sum::<f64>() / 20.0;
    for (flow, bound) in [("complete", WITH_TEXT), ("text-missing", WITHOUT_TEXT)] {
        let ratio = error(&evaluation, flow) / constant;
        assert!(
            ratio <= bound,
            "{flow}: {ratio:.3} of the constant predictor's error, and {bound} is the bound"
        );
    }
}
