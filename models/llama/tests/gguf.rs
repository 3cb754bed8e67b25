//! A quantised Llama from a GGUF file, against the golden of `golden_gguf.py`, and files that lie.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::path::{Path, PathBuf};

use affekt_generate::{Settings, beam_search};
use affekt_llama::Llama;
use affekt_testkit::assert_close;
use affekt_testkit::golden::Golden;
use candle_core::{Device, Tensor};

const TOLERANCE: f64 = 1e-4;

fn golden_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[test]
fn every_layer_of_a_quantised_file() {
    let (model, config) = Llama::load_gguf(&golden_file("tiny.gguf"), &Device::Cpu).unwrap();
    assert_eq!((config.num_hidden_layers, config.num_key_value_heads, config.head_dim), (2, 1, 64));
    assert_eq!((config.vocab_size, config.rope_theta, config.eos_token_ids), (32, 20_000.0, vec![2]));
    let golden = Golden::open(golden_file("gguf.safetensors"));
    let embeds = model.embed(&golden.tensor("input_ids")).unwrap();
    let output = model.forward(&embeds, None).unwrap();
    assert_eq!(output.hidden_states.len(), 3);
    for (at, hidden) in output.hidden_states.iter().enumerate() {
        let what = format!("hidden_states.{at}");
        assert_close(&what, hidden, &golden.tensor(&what), TOLERANCE);
    }
    assert_close("logits", &output.logits, &golden.tensor("logits"), TOLERANCE);
}

#[test]
fn stretched_wavelengths_are_a_tensor() {
    let (model, _) = Llama::load_gguf(&golden_file("stretched.gguf"), &Device::Cpu).unwrap();
    let golden = Golden::open(golden_file("stretched.safetensors"));
    let output = model.forward(&model.embed(&golden.tensor("input_ids")).unwrap(), None).unwrap();
    for (at, hidden) in output.hidden_states.iter().enumerate() {
        let what = format!("hidden_states.{at}");
        assert_close(&what, hidden, &golden.tensor(&what), TOLERANCE);
    }
    assert_close("logits", &output.logits, &golden.tensor("logits"), TOLERANCE);
}

#[test]
fn generation_runs_on_quantised_weights() {
    let (model, _) = Llama::load_gguf(&golden_file("tiny.gguf"), &Device::Cpu).unwrap();
    let ids = Golden::open(golden_file("gguf.safetensors")).tensor("input_ids").narrow(0, 0, 1).unwrap();
    let prompt = model.embed(&ids).unwrap();
    let settings = Settings { max_new_tokens: 12, layers: "-2".parse().unwrap(), ..Settings::default() };
    let found = beam_search(&model, &prompt, &settings).unwrap();
    let fed =
        Tensor::new(&found.tokens[..found.tokens.len() - 1], &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let again = Tensor::cat(&[&prompt, &model.embed(&fed).unwrap()], 1).unwrap();
    let (hidden, _) = model.hidden_sum(&again, None, None, &(1..=1)).unwrap();
    let want = hidden.squeeze(0).unwrap().narrow(0, prompt.dim(1).unwrap(), fed.dim(1).unwrap()).unwrap();
    assert_close("winner's states", &found.hidden_best, &want, 1e-5);
}

/// The golden file with `from` replaced by `to`, once, as a file of the same length.
fn loaded_with(from: &[u8], to: &[u8]) -> String {
    let mut bytes = std::fs::read(golden_file("tiny.gguf")).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    failure(&bytes)
}

fn failure(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.gguf");
    std::fs::write(&path, bytes).unwrap();
    Llama::load_gguf(&path, &Device::Cpu).unwrap_err().to_string()
}

#[test]
fn tensors_that_are_missing_or_unknown_are_listed() {
    let error = loaded_with(b"blk.1.ffn_gate.weight", b"blk.1.ffn_fate.weight");
    assert!(error.contains("blk.1.ffn_fate.weight"), "{error}");
    assert!(error.contains("layers.1.mlp.gate_proj.weight [256, 256]"), "{error}");
}

#[test]
fn metadata_that_lies_is_refused() {
    let mut key = b"llama.block_count".to_vec();
    key.extend([4, 0, 0, 0]);
    let with = |count: [u8; 4]| [key.as_slice(), &count].concat();
    let error = loaded_with(&with([2, 0, 0, 0]), &with([255; 4]));
    assert!(error.contains("claims 4294967295 layers"), "{error}");
    let error = loaded_with(&with([2, 0, 0, 0]), &with([1, 0, 0, 0]));
    assert!(error.contains("blk.1.attn_q.weight"), "{error}");
    let error = loaded_with(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0lalma");
    assert!(error.contains("lalma"), "{error}");
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let bytes = std::fs::read(golden_file("tiny.gguf")).unwrap();
    for len in (0..3000).step_by(37).chain([bytes.len() / 2, bytes.len() - 64]) {
        let error = failure(&bytes[..len]);
        assert!(error.contains("is not a valid GGUF"), "{len}: {error}");
    }
}
