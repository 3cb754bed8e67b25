use std::fs;

use affekt_core::FeatureKind;
use serde_json::Value;

use super::{RELEASED, World, there};

/// Values of `results`, by split, flow and metric.
fn value(told: &Value, split: &str, flow: &str, metric: &str) -> f64 {
    let results = told["results"].as_array().unwrap();
    let found = results.iter().find(|one| one["split"] == split && one["flow"] == flow);
    found.unwrap()["metrics"][metric].as_f64().unwrap()
}

#[test]
fn a_checkpoint_reaches_what_its_run_says() {
    let world = World::new();
    let run = world.trained("run", &[]);
    let of_run: Value =
        serde_json::from_str(&fs::read_to_string(format!("{run}/metrics.json")).unwrap()).unwrap();
    let out = world.path("evaluation");
    let ended = world.run("eval", &["--run", &run, "--out", &out, "--split", "valid,test", "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    let told = ended.json();
    for flow in ["complete", "text-missing"] {
        for split in ["valid", "test"] {
            for metric in ["mae", "acc2_has0", "acc2_non0"] {
                let (here, there) = (value(&told, split, flow, metric), value(&of_run, split, flow, metric));
                assert!((here - there).abs() < 1e-6, "{split} {flow} {metric}: {here}, {there}");
            }
        }
    }
    assert_eq!(told["weights"], format!("{run}/checkpoint.safetensors"));
    assert_eq!(told["weights_digest"].as_str().unwrap().len(), 64);
    assert_eq!((&told["chosen"], &told["seed"]), (&of_run["chosen"], &of_run["seed"]));
    assert_eq!(told["epochs"].as_array().unwrap().len(), 0);
    for name in ["metrics.json", "metrics.csv", "predictions.csv", "report.html"] {
        assert!(there(&out, name), "{name}");
    }
    let predictions = fs::read_to_string(format!("{out}/predictions.csv")).unwrap();
    assert_eq!(predictions.lines().count(), 1 + 8 + 8);

    let ended = world.run("eval", &["--run", &format!("{run}/checkpoint.safetensors")]);
    for told in [
        "text-missing on test",
        "MAE (mean absolute error)",
        "Acc-2 (negative/positive, non0)",
        "Acc-2 (negative/non-negative, has0)",
        "8 samples",
        "gap between complete and text-missing on test",
        "chosen by: lowest validation MAE, mean of all flows",
    ] {
        assert!(ended.stdout.contains(told), "{told}: {}", ended.stdout);
    }
    assert!(!ended.stdout.contains(" on valid"), "{}", ended.stdout);
}

#[test]
fn features_of_another_recipe_are_refused_with_what_differs() {
    let world = World::new();
    let run = world.trained("run", &[]);
    let mut other = World::new();
    fs::remove_dir_all(other.path("cache")).unwrap();
    super::KINDS.iter().for_each(|kind| other.fill(*kind, "other weights"));
    let ended = other.run("eval", &["--run", &run]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("audio, weights (SHA-256): "), "{}", ended.stderr);
    assert!(ended.stderr.contains("checkpoint.safetensors"), "{}", ended.stderr);

    // Where the cache has both, that of the training is taken, unless another one is named.
    other = world;
    other.fill(FeatureKind::Audio, "other weights");
    assert_eq!(other.run("eval", &["--run", &run, "--quiet"]).code, 0);
    let names = fs::read_dir(other.path("cache")).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<String> = names.map(|name| name.to_str().unwrap().to_owned()).collect();
    let codes: Vec<i32> = names
        .iter()
        .filter_map(|name| name.strip_prefix("audio-"))
        .map(|digest| other.run("eval", &["--run", &run, "--recipe", &format!("audio={digest}")]).code)
        .collect();
    assert!(codes.len() == 2 && codes.contains(&0) && codes.contains(&1), "{codes:?}");
}

#[test]
fn what_cannot_be_judged_is_refused_by_name() {
    let world = World::new();
    let run = world.trained("run", &[]);
    let refused = |more: &[&str], told: &str| {
        let ended = world.run("eval", &[&["--run", &run], more].concat());
        assert_eq!(ended.code, 1, "{told}: {}", ended.stdout);
        assert!(ended.stderr.contains(told), "{told}: {}", ended.stderr);
    };
    refused(&["--split-column", "all"], "has no clip in split test");
    refused(&["--split", "all"], "there are train, valid and test");
    refused(&["--mia", "on"], "--mia");
    refused(&["--out", &run], "holds a run");
    let empty = world.path("empty");
    fs::create_dir(&empty).unwrap();
    let ended = world.run_on(&empty, &world.path("labels.csv"), "eval", &["--run", &run, "--json"]);
    assert_eq!((ended.code, &ended.json()["error"]["kind"]), (1, &"not_found".into()), "{}", ended.stdout);
    let ended = world.run("eval", &["--run", &empty]);
    assert!(
        ended.code == 1 && ended.stderr.contains("there is no checkpoint.safetensors"),
        "{}",
        ended.stderr
    );
    let table = world.file("far.csv", "id,label,split\nclip_4,9,test\n");
    let ended = world.run_on(&world.path("cache"), &table, "eval", &["--run", &run]);
    assert!(ended.code == 1 && ended.stderr.contains("clip_4"), "{}", ended.stderr);
}

#[test]
fn clips_that_were_learnt_from_are_told() {
    let world = World::new();
    let run = world.trained("run", &[]);
    let ended = world.run("eval", &["--run", &run, "--split", "train"]);
    assert!(ended.stdout.contains("warning: the clips of split train are those that"), "{}", ended.stdout);
}

#[test]
fn released_weights_are_judged_with_a_warning() {
    let world = World::new();
    let out = world.path("evaluation");
    let mae = |more: &[&str]| {
        let ended = world.run("eval", &[&["--run", RELEASED, "--json"], more].concat());
        assert_eq!(ended.code, 0, "{}", ended.stdout);
        value(&ended.json(), "test", "text-missing", "mae")
    };
    assert!((mae(&["--out", &out]) - mae(&["--mia", "off"])).abs() > 1e-6, "the imagination counts");
    assert!(there(&out, "report.html") && !there(&out, "epochs.csv"));
    let ended = world.run("eval", &["--run", RELEASED]);
    assert!(ended.stdout.contains("chosen by: not known"), "{}", ended.stdout);
    assert!(ended.stdout.contains("warning: the weights do not say on which features"), "{}", ended.stdout);
}

#[test]
fn clips_of_other_splits_may_lack_features() {
    let world = World::new();
    let run = world.trained("run", &[]);
    let table = fs::read_to_string(world.path("labels.csv")).unwrap() + "clip_99,1,train,train\n";
    let (cache, labels) = (world.path("cache"), world.file("more.csv", &table));
    let eval = |split: &str| world.run_on(&cache, &labels, "eval", &["--run", &run, "--split", split]);
    let ended = eval("test");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let ended = eval("train");
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("clip_99"), "{}", ended.stderr);
}

#[test]
fn a_checkpoint_whose_numbers_have_changed_is_damaged() {
    let world = World::new();
    let file = format!("{}/checkpoint.safetensors", world.trained("run", &[]));
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let ended = world.run("eval", &["--run", &file, "--split", "test"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("not those that were written"), "{}", ended.stderr);
}
