//! `run sdumc-loss` against the references of the crate: terms, and the gradient of every parameter by its name.

use std::path::Path;

use affekt_testkit::golden::Golden;
use affekt_testkit::torchfile::{Layout, published, saved};
use affekt_testkit::{assert_close, relative_error};
use candle_core::{Device, Tensor};

use super::{Named, config, output, path, run};

const TERMS: [&str; 7] = ["loss", "task_full", "task_missing", "mkd1", "mkd2", "rs", "rnc"];
const INPUTS: [&str; 9] = [
    "audio",
    "text",
    "video",
    "simulated",
    "labels",
    "lengths.audio",
    "lengths.text",
    "lengths.video",
    "lengths.simulated",
];
/// Only what is lost to rounding is in this gradient: the loss does not depend on that parameter.
const SHIFT: &str = "orgin_linear_change.2.bias";

fn golden(name: &str) -> Golden {
    Golden::open(path(&format!("models/sdumc/tests/golden/loss/{name}.safetensors")))
}

fn weights(structure: &str) -> String {
    path(&format!("models/sdumc/tests/golden/loss/{structure}.weights.safetensors"))
}

fn inputs() -> Named {
    let golden = golden("inputs");
    INPUTS.into_iter().map(|name| (name, golden.tensor(name))).collect()
}

fn check(folder: &Path, setting: &str) {
    let (output, golden) = (output(folder), golden(setting));
    for term in TERMS {
        assert_eq!(output.tensor(term).dims(), [0usize; 0], "{term}");
        assert_close(&format!("{setting} {term}"), &output.tensor(term), &golden.tensor(term), 1e-4);
    }
    let structure = if setting.ends_with("equation") { "equation" } else { "residual-ae" };
    let parameters = Golden::open(weights(structure));
    let (mut at, flat) = (0, golden.tensor("gradients"));
    for name in parameters.names() {
        let shape = parameters.tensor(&name).shape().clone();
        let want = flat.narrow(0, at, shape.elem_count()).unwrap().reshape(&shape).unwrap();
        at += shape.elem_count();
        let got = output.tensor(&format!("grad.{name}"));
        if name != SHIFT {
            assert_close(&format!("{setting} {name}"), &got, &want, 1e-4);
        }
    }
    assert_eq!(output.names().len(), TERMS.len() + parameters.names().len(), "nothing else is written");
}

#[test]
fn terms_and_gradients_are_the_references() {
    let folder = tempfile::tempdir().unwrap();
    for setting in ["paper_text", "paper_equation", "release_off", "release_transition"] {
        let structure = if setting.ends_with("equation") { "equation" } else { "residual-ae" };
        let config = config(folder.path(), &golden(setting));
        let flags = ["--weights", &weights(structure), "--config", config.to_str().unwrap()];
        let ended = run(folder.path(), "sdumc-loss", &flags, &inputs());
        assert_eq!(ended.code, 0, "{setting}: {}", ended.stdout);
        check(folder.path(), setting);
    }
}

#[test]
fn a_checkpoint_of_a_trainer_has_the_same_gradients_under_the_plain_names() {
    let folder = tempfile::tempdir().unwrap();
    let rename = |name: &str| Some(format!("module.model.{name}"));
    let (_kept, file) =
        saved("best.pt", &published(Path::new(&weights("residual-ae")), Layout::training(), rename));
    for (setting, flags) in [
        ("paper_text", &[][..]),
        ("paper_off", &["--mia", "off"]),
        ("release_off", &["--compat", "release"]),
        ("release_text", &["--compat", "release", "--mia", "on"]),
        ("release_off", &["--compat", "release", "--loss-weights", "0.5,0.5,0.1,0.7,0.1,0.8"]),
    ] {
        let flags = [&["--weights", file.to_str().unwrap()], flags].concat();
        let ended = run(folder.path(), "sdumc-loss", &flags, &inputs());
        assert_eq!(ended.code, 0, "{setting}: {}", ended.stdout);
        check(folder.path(), setting);
    }
}

#[test]
fn loss_weights_choose_the_terms() {
    let folder = tempfile::tempdir().unwrap();
    for (weights_of_terms, term) in [("1,0,0,0,0,0", "task_full"), ("0,0,0,0,0,1", "rnc")] {
        let flags = ["--weights", &weights("residual-ae"), "--loss-weights", weights_of_terms];
        assert_eq!(run(folder.path(), "sdumc-loss", &flags, &inputs()).code, 0);
        let output = output(folder.path());
        assert_eq!(relative_error(&output.tensor("loss"), &output.tensor(term)), 0.0, "{term}");
        let size = |name: &str| output.tensor(name).sqr().unwrap().sum_all().unwrap().to_scalar::<f32>();
        assert_eq!(size("grad.fc_out_v.weight").unwrap() > 0.0, term == "task_full");
        assert_eq!(size("grad.orgin_linear_change.0.weight").unwrap() > 0.0, term == "rnc");
    }
}

/// Runs on inputs that are changed; it has to fail with the kind of error, and a message that names what is wrong.
fn refused(flags: &[&str], change: impl FnOnce(&mut Named), kind: &str, named: &str) {
    let folder = tempfile::tempdir().unwrap();
    let weights = weights("residual-ae");
    let mut inputs = inputs();
    change(&mut inputs);
    let ended = run(folder.path(), "sdumc-loss", &[&["--weights", &weights], flags].concat(), &inputs);
    assert_eq!(ended.code, 1, "{named}: {}{}", ended.stdout, ended.stderr);
    let error = &ended.json()["error"];
    assert_eq!(error["kind"], kind, "{error}");
    assert!(error["message"].as_str().unwrap().contains(named), "{named}: {error}");
}

/// Puts `tensor` in the place of the input `name`.
fn with(name: &'static str, tensor: Tensor) -> impl FnOnce(&mut Named) {
    move |inputs| {
        inputs.retain(|(present, _)| *present != name);
        inputs.push((name, tensor));
    }
}

fn labels(numbers: &[f32]) -> impl FnOnce(&mut Named) + use<> {
    with("labels", Tensor::new(numbers, &Device::Cpu).unwrap())
}

#[test]
fn bad_labels_and_features_are_refused_by_name() {
    refused(&[], |inputs| inputs.retain(|(name, _)| *name != "labels"), "bad_input", "labels");
    refused(&[], |inputs| inputs.retain(|(name, _)| *name != "simulated"), "bad_input", "simulated");
    refused(&[], labels(&[0.0, 1.0]), "bad_input", "5 numbers, one a clip");
    refused(&[], labels(&[0.0, 1.0, 0.0, f32::NAN, 0.0]), "bad_input", "number 3 is NaN");
    let noise = |shape: &[usize]| affekt_testkit::noise(0.0, 1.0, shape);
    refused(&[], with("simulated", noise(&[5, 5, 9])), "bad_input", "simulated features are 9 wide");
    let lengths = Tensor::new(&[1i64, 1, 1, 1, 9], &Device::Cpu).unwrap();
    refused(&[], with("lengths.simulated", lengths), "bad_input", "lengths.simulated");
    let mut rows: Vec<f32> = noise(&[5 * 5 * 10]).to_vec1().unwrap();
    rows[0] = f32::INFINITY;
    let rows = Tensor::from_vec(rows, (5, 5, 10), &Device::Cpu).unwrap();
    refused(&[], with("simulated", rows), "bad_input", "the input simulated");
}

#[test]
fn flags_that_mean_nothing_here_are_refused() {
    let same = |_: &mut Named| ();
    refused(&["--missing"], same, "bad_config", "network sdumc-loss does not take it");
    refused(&["--dtype", "bf16"], same, "bad_config", "--dtype");
    refused(&["--loss-weights", "1,1,1"], same, "bad_config", "six numbers");
    refused(&["--loss-weights", "1,1,1,1,1,-1"], same, "bad_config", "-1");
}
