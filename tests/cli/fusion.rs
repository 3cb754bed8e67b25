//! `predict --fusion`: checkpoints of training and released weights judge in place of the bundle's fusion model, and features
//! of other recipes than those of a training are refused.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use affekt_testkit::torchfile::{Layout, published};
use serde_json::{Value, json};

use crate::bundles::{config, drawn, weights, width};
use crate::command::{Ended, SAMPLE, affekt};

/// The recipes by which the drawn bundle makes its features.
fn specs() -> Vec<Value> {
    let told = affekt(["doctor", "--json", "--models", drawn()]).json();
    let features = told["bundle"]["Ok"]["features"].as_array().unwrap().clone();
    features.iter().map(|feature| feature["spec"].clone()).collect()
}

/// The settings of the tiny bundle's fusion model.
pub fn settings() -> Value {
    let mut settings = config("sdumc");
    settings.as_object_mut().unwrap().remove("widths");
    settings
}

/// A card as `affekt train` writes it, of the tiny bundle's settings.
pub fn card(specs: &[Value]) -> Value {
    let mut settings = settings();
    settings["loss"] = json!({"rnc": 0.25});
    settings["simulated"] = "features".into();
    json!({
        "affekt": "0.1.0",
        "method": "sdumc",
        "name": "of-a-test",
        "seed": 5,
        "config": {},
        "settings": settings,
        "specs": specs,
        "labels": {},
        "chosen": {"phase": "training", "epoch": 3, "rule": "the last epoch", "value": null},
        "results": [],
        "parameters": 1,
    })
}

/// Writes a run with this card and the weights of the tiny bundle.
pub fn run_of(folder: &Path, card: &Value) -> PathBuf {
    let tensors = weights(Path::new(drawn()), "sdumc");
    let notes = json!({"card": card.to_string(), "format": "1"}).to_string();
    let metadata = HashMap::from([("affekt".to_owned(), notes)]);
    fs::create_dir_all(folder).unwrap();
    let path = folder.join("checkpoint.safetensors");
    safetensors::serialize_to_file(&tensors, Some(metadata), &path).unwrap();
    path
}

fn predict(flags: &[&str]) -> Ended {
    let words =
        ["predict", SAMPLE, "--json", "--end", "1", "--transcript", "I love it.", "--models", drawn()];
    affekt(words.iter().chain(flags))
}

fn valence(flags: &[&str]) -> Value {
    let ended = predict(flags);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    ended.json()["valence"].clone()
}

/// Message and hint of the refusal.
fn refused(flags: &[&str]) -> String {
    let ended = predict(flags);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    let error = ended.json()["error"].clone();
    format!("{} {} {}", error["kind"].as_str().unwrap(), error["message"].as_str().unwrap(), error["hint"])
}

#[test]
fn a_run_judges_in_place_of_the_bundle_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = run_of(folder.path(), &card(&specs()));
    let (run, page) = (folder.path().to_str().unwrap(), folder.path().join("page.html"));
    let ended = predict(&["--fusion", run, "--report", page.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    let json = ended.json();
    assert_eq!(json["valence"], valence(&[]), "they are the bundle's own weights");
    assert_eq!(json["fusion"]["file"], file.to_str().unwrap());
    assert_eq!(json["fusion"]["run"], "sdumc of-a-test, seed 5, by affekt 0.1.0");
    let digest = affekt_core::Digest::of(&fs::read(&file).unwrap());
    assert_eq!(json["fusion"]["sha256"], digest.as_str());
    let html = fs::read_to_string(page).unwrap();
    assert!(html.contains(digest.as_str()) && html.contains("of-a-test"));
    assert_eq!(json["warnings"], predict(&[]).json()["warnings"], "nothing is doubtful about it");
    // How a cache keeps numbers, and what the model does not take, do not matter; nor does it where the file lies.
    let mut kept = specs();
    kept.retain(|spec| spec["kind"] != "speech");
    kept.iter_mut().for_each(|spec| spec["dtype"] = "f16".into());
    let file = run_of(&folder.path().join("other"), &card(&kept));
    assert_eq!(valence(&["--fusion", file.to_str().unwrap()]), json["valence"]);
}

#[test]
fn features_of_another_recipe_are_refused_with_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = specs();
    other[0]["layers"] = "-3".into();
    other[2]["weights"] = "0".repeat(64).into();
    other[2]["preprocessing"][0] = "yunet-n-320".into();
    run_of(folder.path(), &card(&other));
    let told = refused(&["--fusion", folder.path().to_str().unwrap()]);
    let own = specs()[2]["weights"].as_str().unwrap().to_owned();
    for part in [
        "bad_model",
        "checkpoint.safetensors",
        "audio, layers: -3 in training, -5 here",
        &format!("video, weights (SHA-256): {} in training, {own} here", "0".repeat(64)),
        "video, preprocessing: yunet-n-320 in training only",
        "video, preprocessing: rustface-0.1.7-288 here only",
        "train anew",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("text,") && !told.contains("simulated"), "{told}");
}

#[test]
fn recognised_words_instead_of_given_ones_are_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    run_of(folder.path(), &card(&specs()));
    let run = folder.path().to_str().unwrap();
    let words = ["predict", SAMPLE, "--json", "--end", "3", "--transcript", "auto", "--models", drawn()];
    let ended = affekt(words.iter().chain(&["--fusion", run]));
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    let json = ended.json();
    assert_eq!(json["text_source"], "asr", "{json}");
    assert!(json["warnings"].to_string().contains("and these are recognised"), "{json}");
}

#[test]
fn features_are_standardised_as_in_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let specs = specs();
    let judged = |standards: &[(&str, f32, f32)]| {
        let mut card = card(&specs);
        for (kind, mean, deviation) in standards {
            let width =
                specs.iter().find(|spec| spec["kind"] == *kind).unwrap()["width"].as_u64().unwrap() as usize;
            card["standards"][kind] = json!({"mean": vec![mean; width], "deviation": vec![deviation; width]});
        }
        run_of(folder.path(), &card);
        valence(&["--fusion", folder.path().to_str().unwrap()])
    };
    let own = valence(&[]);
    assert_eq!(judged(&[("audio", 0.0, 1.0), ("text", 0.0, 1.0)]), own);
    for (kind, with_text, without_text) in
        [("text", true, false), ("simulated", false, true), ("audio", true, true), ("video", true, true)]
    {
        let other = judged(&[(kind, 0.5, 2.0)]);
        assert_eq!(own["with_text"] != other["with_text"], with_text, "{kind}: {own} {other}");
        assert_eq!(own["without_text"] != other["without_text"], without_text, "{kind}: {own} {other}");
    }
}

#[test]
fn a_model_that_was_trained_without_simulated_text_gets_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut without = specs();
    without.retain(|spec| spec["kind"] != "simulated");
    run_of(folder.path(), &card(&without));
    let (own, other) = (valence(&[]), valence(&["--fusion", folder.path().to_str().unwrap()]));
    assert_eq!(own["with_text"], other["with_text"]);
    assert_ne!(own["without_text"], other["without_text"]);
}

#[test]
fn what_cannot_judge_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().to_str().unwrap();
    let told = refused(&["--fusion", run]);
    assert!(told.contains("--fusion") && told.contains("holds no weights"), "{told}");
    let mut other = card(&specs());
    other["method"] = "hrlf".into();
    run_of(folder.path(), &other);
    let told = refused(&["--fusion", run]);
    assert!(told.contains("of method hrlf") && told.contains("of method sdumc"), "{told}");
    let mut wide = card(&specs());
    wide["settings"]["widths"] = json!({"audio": width("audio"), "text": 32, "video": width("video")});
    run_of(folder.path(), &wide);
    let told = refused(&["--fusion", run]);
    let own = format!("{} wide", width("text"));
    assert!(told.contains("text features 32 wide") && told.contains(&own), "{told}");
    let mut strange = card(&specs());
    strange["settings"]["teacher"] = "on".into();
    run_of(folder.path(), &strange);
    assert!(refused(&["--fusion", run]).contains("teacher"));
    run_of(folder.path(), &card(&specs()));
    let told = refused(&["--fusion", run, "--mia", "off"]);
    assert!(told.contains("--mia") && told.contains("says so itself"), "{told}");
    assert!(refused(&["--compat", "release"]).contains("--fusion"));
    assert!(refused(&["--fusion", run, "--compat", "papper"]).contains("paper or release"));
    assert!(refused(&["--fusion", "absent.pt"]).contains("absent.pt"));
}

#[test]
fn released_weights_judge_by_the_released_rules_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best.pt");
    let weights = Path::new(drawn()).join("sdumc/model.safetensors");
    let rename = |name: &str| Some(format!("model.{name}"));
    fs::write(&path, published(&weights, Layout::training(), rename)).unwrap();
    let path = path.to_str().unwrap();
    let ended = predict(&["--fusion", path]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    let json = ended.json();
    let warnings = json["warnings"].to_string();
    assert!(warnings.contains("best.pt does not say on which features it was trained"), "{warnings}");
    assert!(json["fusion"]["run"].is_null());
    let own = valence(&[]);
    assert_ne!(json["valence"], own, "the released rules are others than the tiny bundle's");
    assert_eq!(valence(&["--fusion", path, "--compat", "paper"]), own);
    let off = valence(&["--fusion", path, "--compat", "paper", "--mia", "off"]);
    assert_eq!(off["with_text"], own["with_text"]);
    assert_ne!(off["without_text"], own["without_text"]);
    let other = valence(&["--fusion", path, "--compat", "paper", "--mia-residual", "transition"]);
    assert_ne!(other["without_text"], own["without_text"]);
}
