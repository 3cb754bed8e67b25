//! `affekt check` and `affekt bench gpu`, on the CPU: what they say is said on a GPU too.

use std::fs;

use serde_json::Value;

use crate::command::affekt;

#[test]
fn every_reference_is_met_in_f32() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("check.json");
    let parts = "wavlm,manet,llama,generate,sdumc,train,gates";
    let file_name = file.to_str().unwrap();
    let ended = affekt(["check", "--device", "cpu", "--dtype", "f32", "--only", parts, "--save", file_name]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let told: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let rows = told["rows"].as_array().unwrap();
    for part in parts.split(',') {
        assert!(rows.iter().any(|row| row["part"] == part), "{part}");
    }
    assert!(rows.iter().all(|row| row["ok"] == true && row["tolerance"].is_number()), "{told}");
    assert_eq!(ended.stdout.lines().filter(|line| line.starts_with("| ")).count(), rows.len() + 2);
}

#[test]
fn a_check_without_references_says_what_to_name() {
    let ended = affekt(["check", "--goldens", "docs", "--json"]);
    assert_eq!(ended.code, 1);
    let error = &ended.json()["error"];
    assert_eq!(error["kind"], "not_found");
    assert!(error["hint"].as_str().unwrap().contains("--goldens"), "{error}");
}

#[test]
fn tiny_networks_are_measured_and_a_missing_peer_is_told() {
    let flags = ["--device", "cpu", "--scale", "tiny", "--runs", "1", "--peer", "no-such-python-of-ours"];
    let ended = affekt(["bench", "gpu", "--json", "--quiet"].into_iter().chain(flags));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let told = ended.json();
    assert!(told["card"].is_null() && told["limits"]["stated"] == false);
    for stage in ["wavlm", "manet", "llama", "generate", "train"] {
        let rows: Vec<&Value> =
            told["rows"].as_array().unwrap().iter().filter(|row| row["stage"] == stage).collect();
        assert!(!rows.is_empty(), "{stage}");
        for row in rows {
            assert!(row["per_s"].as_f64().unwrap() > 0.0 && row["of_floor"].as_f64().unwrap() > 0.0, "{row}");
            assert!(row["to_torch"].is_null(), "{row}");
            // A step of decoding is compared with no peer.
            let told = row["missing"].as_str().is_some_and(|why| why.contains("no-such-python-of-ours"));
            assert!(told || row["case"].as_str().unwrap().contains("one step"), "{row}");
        }
    }
}

#[test]
fn published_sizes_are_refused_on_the_cpu() {
    let ended = affekt(["bench", "gpu", "--device", "cpu"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("--scale tiny"), "{}", ended.stderr);
}
