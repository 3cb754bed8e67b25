//! Against transformers, layer by layer; `golden.py` makes the references.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::path::Path;

use affekt_testkit::assert_close;
use affekt_testkit::golden::Golden;
use affekt_wavlm::{KEYS, Normalize, RawConfig, WavLm, normalize};
use affekt_weights::Checkpoint;
use candle_core::{DType, Device, Tensor};

const TOLERANCE: f64 = 1e-4;

fn golden(name: &str) -> Golden {
    Golden::open(format!("{}/tests/golden/{name}.safetensors", env!("CARGO_MANIFEST_DIR")))
}

fn network(name: &str) -> WavLm {
    let raw: RawConfig = serde_json::from_str(&golden(name).metadata("config")).unwrap();
    let config = raw.into_config().unwrap();
    let path = format!("{}/tests/golden/{name}.weights.safetensors", env!("CARGO_MANIFEST_DIR"));
    let checkpoint = Checkpoint::open(Path::new(&path)).unwrap();
    checkpoint.load(&KEYS, DType::F32, &Device::Cpu, |vb| WavLm::load(vb, &config)).unwrap()
}

fn lengths(golden: &Golden) -> Vec<usize> {
    let lengths = golden.tensor("lengths").to_vec1::<i64>().unwrap();
    lengths.into_iter().map(|length| length as usize).collect()
}

/// The valid frames of one clip of a batch: (1, t, hidden).
fn valid(state: &Tensor, row: usize, frames: usize) -> Tensor {
    state.narrow(0, row, 1).unwrap().narrow(1, 0, frames).unwrap()
}

fn check_every_layer(name: &str, layers: usize) {
    let (golden, network) = (golden(name), network(name));
    let lengths = lengths(&golden);
    let states = network.forward(&golden.tensor("waveform"), Some(&lengths)).unwrap();
    assert_eq!(states.len(), layers + 1);
    for (layer, state) in states.iter().enumerate() {
        let want = golden.tensor(&format!("hidden.{layer}"));
        assert_eq!(state.dims(), want.dims());
        for (row, &length) in lengths.iter().enumerate() {
            let frames = network.frames(length);
            assert!(frames > 80, "long enough for logarithmic distances");
            let what = format!("{name}, layer {layer}, clip {row}");
            assert_close(&what, &valid(state, row, frames), &valid(&want, row, frames), TOLERANCE);
        }
    }
}

#[test]
fn large_agrees_with_transformers_at_every_layer() {
    check_every_layer("large", 5);
}

#[test]
fn base_agrees_with_transformers_at_every_layer() {
    check_every_layer("base", 2);
}

fn check_batch_equals_single(name: &str, garbage: f32) {
    let network = network(name);
    let waveform = golden(name).tensor("waveform").narrow(0, 0, 1).unwrap().narrow(1, 0, 32_000).unwrap();
    let lengths = [9_000, 32_000, 400];
    let clips = lengths.map(|length| waveform.narrow(1, 0, length).unwrap());
    let padded = clips.each_ref().map(|clip| {
        let rest = Tensor::full(garbage, (1, 32_000 - clip.dim(1).unwrap()), &Device::Cpu).unwrap();
        Tensor::cat(&[clip, &rest], 1).unwrap()
    });
    let batch = network.forward(&Tensor::cat(&padded, 0).unwrap(), Some(&lengths)).unwrap();
    for (row, clip) in clips.iter().enumerate() {
        let single = network.forward(clip, None).unwrap();
        for (layer, (batch, single)) in batch.iter().zip(&single).enumerate() {
            let what = format!("{name}, layer {layer}, clip {row}, padded with {garbage}");
            assert_close(&what, &valid(batch, row, network.frames(lengths[row])), single, 1e-5);
        }
    }
}

#[test]
fn a_batch_equals_its_clips_whatever_the_padding_holds() {
    for name in ["large", "base"] {
        for garbage in [0.0, 7.5, f32::NAN, f32::INFINITY] {
            check_batch_equals_single(name, garbage);
        }
    }
}

#[test]
fn normalisation_is_that_of_the_published_code_over_the_true_length() {
    let golden = golden("normalize");
    let waveform = golden.tensor("waveform").unsqueeze(0).unwrap();
    let garbage = Tensor::full(f32::NAN, (1, 500), &Device::Cpu).unwrap();
    let padded = Tensor::cat(&[&waveform, &garbage], 1).unwrap();
    for name in ["hf", "slam"] {
        let how: Normalize = name.parse().unwrap();
        assert_eq!(how.to_string(), name);
        let want = golden.tensor(name).unsqueeze(0).unwrap();
        assert_close(name, &normalize(&waveform, how, None).unwrap(), &want, 1e-6);
        let got = normalize(&padded, how, Some(&[2000])).unwrap();
        assert_close(name, &got, &want.pad_with_zeros(1, 0, 500).unwrap(), 1e-6);
    }
    let same = normalize(&waveform, "none".parse().unwrap(), None).unwrap();
    assert_close("none", &same, &waveform, 0.0);
    assert!("HF".parse::<Normalize>().is_err());
}

#[test]
fn input_that_does_not_fit_is_refused_with_its_numbers() {
    let network = network("large");
    let waveform = Tensor::zeros((2, 1000), DType::F32, &Device::Cpu).unwrap();
    let refusal = |lengths: &[usize]| network.forward(&waveform, Some(lengths)).unwrap_err().to_string();
    assert_eq!(network.frames(399), 0);
    assert!(refusal(&[1000, 399]).contains("clip 1 of the batch has 399 samples"));
    assert!(refusal(&[1000]).contains("1 lengths for a batch of 2 clips"));
    assert!(refusal(&[1000, 1001]).contains("a clip of 1001 samples in a batch that is 1000 samples wide"));
}
