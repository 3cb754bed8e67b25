//! `affekt run`: the networks on tensors, against the goldens of their crates.

mod generate;
mod refused;
mod sdumc_loss;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use affekt_testkit::golden::Golden;
use affekt_testkit::{assert_close, relative_error};
use candle_core::{Device, Tensor};

use crate::bundles::{size, width};
use crate::command::{Ended, affekt, project};

const TOLERANCE: f64 = 1e-4;

/// Tensors by name.
type Named = Vec<(&'static str, Tensor)>;

fn path(relative: &str) -> String {
    project().join(relative).to_str().unwrap().to_owned()
}

/// Writes `tensors` and runs `network` on them.
fn run(folder: &Path, network: &str, flags: &[&str], tensors: &[(&str, Tensor)]) -> Ended {
    let input = folder.join("input.safetensors");
    let tensors: HashMap<&str, Tensor> = tensors.iter().cloned().collect();
    candle_core::safetensors::save(&tensors, &input).unwrap();
    let output = folder.join("output.safetensors");
    let files = ["--input", input.to_str().unwrap(), "--output", output.to_str().unwrap()];
    affekt(["run", network, "--json"].iter().chain(&files).chain(flags))
}

fn output(folder: &Path) -> Golden {
    Golden::open(folder.join("output.safetensors"))
}

/// Features for the fusion model of the tiny bundle: of so many clips, so many rows each.
fn features(clips: usize, rows: [usize; 3]) -> Named {
    let tensor = |(at, name): (usize, &'static str)| {
        (name, affekt_testkit::noise(0.0, 1.0, [clips, rows[at], width(name)].as_slice()))
    };
    ["audio", "text", "video"].into_iter().enumerate().map(tensor).collect()
}

fn config(folder: &Path, golden: &Golden) -> PathBuf {
    let path = folder.join("config.json");
    std::fs::write(&path, golden.metadata("config")).unwrap();
    path
}

#[test]
fn wavlm_gives_every_hidden_state() {
    let folder = tempfile::tempdir().unwrap();
    let golden = Golden::open(path("models/wavlm/tests/golden/large.safetensors"));
    let config = config(folder.path(), &golden);
    let weights = path("models/wavlm/tests/golden/large.weights.safetensors");
    let flags =
        ["--weights", &weights, "--config", config.to_str().unwrap(), "--normalize", "none", "--repeat", "2"];
    let inputs = [("waveform", golden.tensor("waveform")), ("lengths", golden.tensor("lengths"))];
    let ended = run(folder.path(), "wavlm", &flags, &inputs);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert_eq!(ended.json()["seconds"].as_array().unwrap().len(), 2);
    assert!(ended.json()["peak_rss_mb"].as_f64().unwrap() > 1.0);
    let output = output(folder.path());
    let longest = golden.tensor("lengths").to_vec1::<i64>().unwrap();
    let row = (0..longest.len()).max_by_key(|&row| longest[row]).unwrap();
    for layer in 0..=5 {
        let (got, want) =
            (output.tensor(&format!("hidden_states.{layer}")), golden.tensor(&format!("hidden.{layer}")));
        assert_close(&format!("layer {layer}"), &got.get(row).unwrap(), &want.get(row).unwrap(), TOLERANCE);
    }
}

#[test]
fn the_tiny_bundle_runs_from_its_folders() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::Cpu;
    let random = |shape: &[usize]| affekt_testkit::noise(0.0, 1.0, shape);
    let ids = Tensor::new(&[[1i64, 300, 301, 302]], &device).unwrap();
    let mask = Tensor::new(&[[1i64, 1, 1, 1]], &device).unwrap();
    let layers = |network: &str| format!("hidden_states.{}", size(network, "num_hidden_layers"));
    let (heard, read) = (size("wavlm", "hidden_size"), size("llama", "hidden_size"));
    let cases: [(&str, Named, &str, &[usize]); 6] = [
        ("wavlm", vec![("waveform", random(&[2, 3200]))], &layers("wavlm"), &[2, 9, heard]),
        (
            "manet",
            vec![("images", Tensor::rand(0f32, 1.0, (2, 3, 224, 224), &device).unwrap())],
            "embedding",
            &[2, width("video")],
        ),
        (
            "llama",
            vec![("input_ids", ids.clone()), ("attention_mask", mask)],
            &layers("llama"),
            &[1, 4, read],
        ),
        ("slam", vec![("features", random(&[1, 12, heard]))], "projected", &[1, 2, read]),
        ("generate", vec![("input_ids", ids)], "scores", &[1]),
        ("sdumc", features(2, [5, 3, 4]), "valence", &[2]),
    ];
    for (network, inputs, name, shape) in cases {
        let weights = path(&format!("models/tiny/{}", if network == "generate" { "llama" } else { network }));
        let ended = run(folder.path(), network, &["--weights", &weights], &inputs);
        assert_eq!(ended.code, 0, "{network}: {}", ended.stdout);
        assert_eq!(output(folder.path()).tensor(name).dims(), shape, "{network}");
    }
}

#[test]
fn sdumc_flows_and_switches_differ() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = features(1, [5, 3, 4]);
    let weights = path("models/tiny/sdumc");
    let valence = |flags: &[&str]| {
        let flags: Vec<&str> = ["--weights", &weights].iter().chain(flags).copied().collect();
        assert_eq!(run(folder.path(), "sdumc", &flags, &inputs).code, 0);
        output(folder.path()).tensor("valence")
    };
    let complete = valence(&[]);
    for flags in [&["--missing"][..], &["--compat", "release"]] {
        assert!(relative_error(&valence(flags), &complete) > 0.0, "{flags:?}");
    }
    assert_eq!(
        relative_error(&valence(&["--mia", "off"]), &complete),
        0.0,
        "MIA is for the missing flow only"
    );
    assert!(relative_error(&valence(&["--missing", "--mia", "off"]), &valence(&["--missing"])) > 0.0);
}
