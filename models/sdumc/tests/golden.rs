//! Every step of the network against the PyTorch reference (`golden.py`), in every setting and both flows.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::path::{Path, PathBuf};

use affekt_nn::dropout::Dropout;
use affekt_nn::finite::Gate;
use affekt_sdumc::{Config, Flow, Output, Pass, RawConfig, Sdumc, Sequence, Sequences, keys};
use affekt_testkit::{assert_close, golden::Golden, relative_error};
use affekt_weights::Checkpoint;
use candle_core::{DType, Device, Tensor};

const SETTINGS: [&str; 8] = [
    "paper_off",
    "paper_text",
    "paper_transition",
    "paper_equation",
    "release_off",
    "release_text",
    "release_transition",
    "release_equation",
];
const FLOWS: [(&str, Flow); 2] = [("complete", Flow::Complete), ("missing", Flow::TextMissing)];
const MODALITIES: [&str; 3] = ["audio", "text", "video"];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn weights(setting: &str) -> Checkpoint {
    let structure = if setting.ends_with("equation") { "equation" } else { "residual-ae" };
    Checkpoint::open(&file(&format!("{structure}.weights.safetensors"))).unwrap()
}

fn network(setting: &str, golden: &Golden) -> Sdumc {
    let checkpoint = weights(setting);
    let raw: RawConfig = serde_json::from_str(&golden.metadata("config")).unwrap();
    let cfg = raw.infer(&checkpoint).resolve().unwrap();
    checkpoint.load(keys(&cfg), DType::F32, &Device::Cpu, |vb| Sdumc::load(vb, &cfg)).unwrap()
}

fn open(setting: &str) -> (Golden, Sdumc) {
    let golden = Golden::open(file(&format!("{setting}.safetensors")));
    let network = network(setting, &golden);
    (golden, network)
}

/// The batch of three; its padding is not zero.
fn batch() -> Sequences {
    let inputs = Golden::open(file("inputs.safetensors"));
    let sequence = |name: &str| {
        let lengths: Vec<i64> = inputs.tensor(&format!("lengths.{name}")).to_vec1().unwrap();
        let lengths: Vec<usize> = lengths.into_iter().map(|length| length as usize).collect();
        Sequence::padded(inputs.tensor(name), &lengths).unwrap()
    };
    Sequences { audio: sequence("audio"), text: sequence("text"), video: sequence("video") }
}

/// Clip `index` of the batch alone, without padding.
fn single(index: usize) -> Sequences {
    let inputs = Golden::open(file("inputs.safetensors"));
    let sequence = |name: &str| {
        let lengths: Vec<i64> = inputs.tensor(&format!("lengths.{name}")).to_vec1().unwrap();
        let rows = inputs.tensor(name).narrow(0, index, 1).unwrap();
        Sequence::new(rows.narrow(1, 0, lengths[index] as usize).unwrap().contiguous().unwrap()).unwrap()
    };
    Sequences { audio: sequence("audio"), text: sequence("text"), video: sequence("video") }
}

fn tensors(output: &Output) -> [(&'static str, &Tensor); 8] {
    [
        ("valence", &output.valence),
        ("r", &output.r),
        ("rnc", &output.rnc),
        ("text1", &output.text1),
        ("text2", &output.text2),
        ("hidden", &output.hidden),
        ("weights", &output.weights),
        ("view_weights", &output.view_weights),
    ]
}

#[test]
fn every_step_agrees_with_the_reference() {
    for setting in SETTINGS {
        let (golden, network) = open(setting);
        for (prefix, flow) in FLOWS {
            let near = |step: &str, got: &Tensor| {
                assert_close(
                    &format!("{setting} {prefix} {step}"),
                    got,
                    &golden.tensor(&format!("{prefix}.{step}")),
                    1e-4,
                );
            };
            let gate = Gate::asleep("sdumc");
            let frames = network.frames(&batch(), gate).unwrap();
            let pass = Pass { flow, dropout: Dropout::OFF, gate };
            let hidden = network.pooled(&frames, pass).unwrap();
            let weights = network.modality_weights(&hidden, pass).unwrap();
            let queries = network.view_queries(&hidden, &weights, pass).unwrap();
            let cross = network.attended(&frames, &queries, pass).unwrap();
            let views = network.summed(&cross, &weights, pass).unwrap();
            let view_weights = network.view_weights(&views, pass).unwrap();
            for ((name, frames), cross) in MODALITIES.iter().zip(&frames).zip(&cross) {
                near(&format!("frames.{name}"), &frames.rows());
                near(&format!("cross.{name}"), cross);
            }
            near("hidden", &hidden);
            near("weights", &weights);
            near("queries", &queries);
            near("summed", &views);
            near("view_weights", &view_weights);
            near("r", &network.fused(&views, &view_weights, pass).unwrap());

            let output = network.forward(&batch(), flow).unwrap();
            for (name, got) in tensors(&output) {
                near(name, got);
            }
            let shares: Vec<f32> = output
                .attention()
                .unwrap()
                .iter()
                .flat_map(|clip| [clip.audio, clip.text, clip.video])
                .collect();
            near("attention", &Tensor::from_vec(shares, (3, 3), &Device::Cpu).unwrap());
        }
    }
}

#[test]
fn the_goldens_tell_the_settings_apart() {
    let missing =
        |setting: &str| Golden::open(file(&format!("{setting}.safetensors"))).tensor("missing.valence");
    for (index, one) in SETTINGS.iter().enumerate() {
        for other in &SETTINGS[index + 1..] {
            assert!(relative_error(&missing(one), &missing(other)) > 1e-2, "{one} {other}");
        }
    }
}

#[test]
fn batch_equals_single_under_the_paper() {
    for setting in SETTINGS.iter().filter(|setting| setting.starts_with("paper")) {
        let (_, network) = open(setting);
        for (prefix, flow) in FLOWS {
            let together = network.forward(&batch(), flow).unwrap();
            let alone: Vec<Output> =
                (0..3).map(|clip| network.forward(&single(clip), flow).unwrap()).collect();
            for (index, (name, together)) in tensors(&together).into_iter().enumerate() {
                let alone: Vec<&Tensor> = alone.iter().map(|output| tensors(output)[index].1).collect();
                let alone = Tensor::cat(&alone, 0).unwrap();
                assert_close(&format!("{setting} {prefix} {name}"), together, &alone, 1e-5);
            }
        }
    }
}

/// The batch with `garbage` in its padding.
fn padded_with(garbage: f32) -> Sequences {
    let inputs = Golden::open(file("inputs.safetensors"));
    let sequence = |name: &str| {
        let lengths: Vec<i64> = inputs.tensor(&format!("lengths.{name}")).to_vec1().unwrap();
        let lengths: Vec<usize> = lengths.into_iter().map(|length| length as usize).collect();
        let mut rows: Vec<Vec<Vec<f32>>> = inputs.tensor(name).to_vec3().unwrap();
        for (rows, &length) in rows.iter_mut().zip(&lengths) {
            rows[length..].iter_mut().for_each(|row| row.fill(garbage));
        }
        Sequence::padded(Tensor::new(rows, &Device::Cpu).unwrap(), &lengths).unwrap()
    };
    Sequences { audio: sequence("audio"), text: sequence("text"), video: sequence("video") }
}

#[test]
fn padding_of_any_content_changes_nothing() {
    for setting in SETTINGS {
        let (_, network) = open(setting);
        for (prefix, flow) in FLOWS {
            let clean = network.forward(&batch(), flow).unwrap();
            for garbage in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
                let output = network.forward(&padded_with(garbage), flow).unwrap();
                for ((name, got), (_, want)) in tensors(&output).into_iter().zip(tensors(&clean)) {
                    assert_close(&format!("{setting} {prefix} {name}, {garbage}"), got, want, 0.0);
                }
            }
        }
    }
}

#[test]
fn absent_modalities_are_one_zero_row() {
    let (_, network) = open("paper_text");
    let widths = network.config().widths;
    let absent = |width| Sequence::absent(width, &Device::Cpu).unwrap();
    let mut clip = single(0);
    clip.text = absent(widths.text);
    let without_text = network.forward(&clip, Flow::TextMissing).unwrap();
    clip.video = absent(widths.video);
    let without_face = network.forward(&clip, Flow::TextMissing).unwrap();
    assert_eq!(without_face.valence.dims(), [1]);
    assert!(relative_error(&without_face.valence, &without_text.valence) > 1e-3);
    let share = without_face.attention().unwrap()[0];
    assert!((share.audio + share.text + share.video - 1.0).abs() < 1e-6);
}

#[test]
fn features_of_another_encoder_are_refused() {
    let (_, network) = open("paper_text");
    let mut clip = single(0);
    clip.text = Sequence::absent(network.config().widths.text + 1, &Device::Cpu).unwrap();
    let error = network.forward(&clip, Flow::Complete).unwrap_err().to_string();
    assert_eq!(error, "text features are 41 wide, but the network takes 40");
}

#[test]
fn the_sizes_are_in_the_checkpoint() {
    let cfg = Config::infer(&weights("paper_equation")).unwrap();
    let widths = cfg.widths;
    assert_eq!((widths.audio, widths.text, widths.video, cfg.dim), (24, 40, 16, 16));
}

#[test]
fn another_structure_is_refused_by_name() {
    let checkpoint = weights("paper_equation");
    let cfg = Config::infer(&checkpoint).unwrap();
    let loaded = checkpoint.load(keys(&cfg), DType::F32, &Device::Cpu, |vb| Sdumc::load(vb, &cfg));
    let error = loaded.expect_err("a residual autoencoder is not equation 5").to_string();
    assert!(error.contains("missing_text_imagination_mlp.transition.0.weight"), "{error}");
    assert!(error.contains("missing_text_imagination_mlp.w1.weight"), "{error}");
}
