//! A fusion model as its authors hand one out: read as the released code reads it, alone and as a method.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use affekt_core::{ClipId, FeatureKind};
use affekt_pipelines::networks::fusion::{Reading, fusion};
use affekt_sdumc::{Compat, Config, Flow, Mia, MiaResidual, Sequence, Sequences, Switch};
use affekt_testkit::golden::Golden;
use affekt_testkit::torchfile::{Layout, published, saved};
use affekt_testkit::{assert_close, relative_error};
use affekt_train::{Batch, Key, Padded, Parameters};
use candle_core::{DType, Device, Tensor};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn lengths(golden: &Golden, name: &str) -> Vec<usize> {
    let lengths: Vec<i64> = golden.tensor(&format!("lengths.{name}")).to_vec1().unwrap();
    lengths.into_iter().map(|length| length as usize).collect()
}

fn valence(reading: &Reading, flow: Flow) -> Tensor {
    let golden = Golden::open(path("released.safetensors"));
    let network = fusion(&path("released.pt"), reading).unwrap().network(&Device::Cpu).unwrap();
    let sequence = |name: &str| Sequence::padded(golden.tensor(name), &lengths(&golden, name)).unwrap();
    let inputs = Sequences { audio: sequence("audio"), text: sequence("text"), video: sequence("video") };
    network.forward(&inputs, flow).unwrap().valence
}

#[test]
fn pytorchs_file_says_what_pytorch_says() {
    let golden = Golden::open(path("released.safetensors"));
    let off = Reading { mia: Some(Switch::Off), ..Reading::default() };
    for (prefix, reading) in [("", Reading::default()), ("off.", off)] {
        for (name, flow) in [("complete", Flow::Complete), ("missing", Flow::TextMissing)] {
            let wanted = golden.tensor(&format!("{prefix}{name}"));
            assert_close(&format!("{prefix}{name}"), &valence(&reading, flow), &wanted, 1e-4);
        }
    }
    // The references tell the settings apart.
    let (with, without) = (golden.tensor("missing"), golden.tensor("off.missing"));
    assert!(relative_error(&with, &without) > 1e-2);
    let paper = Reading { compat: Some(Compat::Paper), ..Reading::default() };
    assert!(relative_error(&valence(&paper, Flow::TextMissing), &with) > 1e-2);
}

#[test]
fn released_weights_are_read_by_the_released_rules() {
    let found = fusion(&path("released.pt"), &Reading::default()).unwrap();
    let Config { widths, dim, compat, mia, .. } = found.config;
    assert!(found.card.is_none());
    assert_eq!((widths.audio, widths.text, widths.video, dim), (6, 10, 7, 8));
    assert_eq!((compat, mia), (Compat::Release, Mia::ResidualAe(MiaResidual::Text)));
    let asked =
        Reading { compat: Some(Compat::Paper), mia: None, mia_residual: Some(MiaResidual::Transition) };
    let found = fusion(&path("released.pt"), &asked).unwrap().config;
    assert_eq!((found.compat, found.mia), (Compat::Paper, Mia::ResidualAe(MiaResidual::Transition)));
}

#[test]
fn the_structure_of_the_imagination_is_read_from_the_names() {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/sdumc/tests/golden");
    let mia = |source: &str, keeps: fn(&str) -> bool| {
        let rename = |name: &str| {
            let name = name.strip_prefix("module.model.").unwrap_or(name);
            keeps(name).then(|| format!("module.{name}"))
        };
        let source = goldens.join(format!("{source}.weights.safetensors"));
        let (_folder, path) = saved("best.pt", &published(&source, Layout::training(), rename));
        let found = fusion(&path, &Reading::default()).unwrap();
        found.network(&Device::Cpu).unwrap();
        found.config.mia
    };
    assert_eq!(mia("residual-ae", |_| true), Mia::ResidualAe(MiaResidual::Text));
    assert_eq!(mia("equation", |_| true), Mia::Equation);
    assert_eq!(mia("residual-ae", |name| !name.starts_with("missing_")), Mia::Off);
}

#[test]
fn released_weights_become_a_method_that_can_be_evaluated() {
    let golden = Golden::open(path("released.safetensors"));
    let found = fusion(&path("released.pt"), &Reading::default()).unwrap();
    let kinds = [("audio", FeatureKind::Audio), ("text", FeatureKind::Text), ("video", FeatureKind::Video)];
    let mut features = BTreeMap::new();
    for (name, kind) in kinds {
        let (rows, lengths) = (golden.tensor(name), lengths(&golden, name));
        // A batch has zeros behind the end of a clip.
        let counting = Sequence::padded(rows, &lengths).unwrap().rows().clone();
        features.insert(kind, Padded { rows: counting, lengths });
    }
    features.insert(FeatureKind::Simulated, features[&FeatureKind::Text].clone());
    let widths = features.iter().map(|(kind, padded)| (*kind, padded.rows.dim(2).unwrap())).collect();
    let recipe = (affekt_sdumc::train::REGISTRATION.prepare)(&found.settings, &widths).unwrap();
    let parameters = Parameters::drawn(Key::new(1));
    let method = recipe.build(parameters.builder(&Device::Cpu)).unwrap();
    parameters.set(&found.values().unwrap()).unwrap();
    let labels = Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap();
    let clips = ["a", "b", "c"].map(|name| ClipId::new(name).unwrap()).into();
    let judged = method.judge(&Batch { clips, labels, features }, 0).unwrap();
    for (judged, name) in judged.iter().zip(["complete", "missing"]) {
        let valence = Tensor::new(judged.valence.as_slice(), &Device::Cpu).unwrap();
        assert_close(name, &valence.to_dtype(DType::F32).unwrap(), &golden.tensor(name), 1e-4);
    }
}

#[test]
fn weights_of_something_else_are_refused_with_a_list() {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tiny/slam/model.safetensors");
    let found = fusion(&tiny, &Reading::default()).unwrap();
    let error = found.network(&Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("slam/model.safetensors") && error.contains("frame_dim_reshape_0"), "{error}");
    let error = fusion(Path::new("absent.pt"), &Reading::default()).err().unwrap().to_string();
    assert!(error.contains("absent.pt"), "{error}");
}
