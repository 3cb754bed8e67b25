//! A language model whose tokenizer is another's is refused before its weights are read.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::fs;
use std::path::{Path, PathBuf};

use affekt_core::{ErrorKind, Explain};
use affekt_pipelines::Error;
use affekt_pipelines::networks::LanguageModel;
use affekt_pipelines::tokenizer::Mismatch;
use affekt_weights::Bundle;
use candle_core::Device;
use serde_json::Value;

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tiny")
}

/// The configuration of the tiny bundle's language model.
fn config() -> Value {
    serde_json::from_str(&fs::read_to_string(tiny().join("llama/config.json")).unwrap()).unwrap()
}

/// Why the tiny bundle's language model is refused with a member of its configuration changed. Its weights are damaged.
fn refusal(member: &str, value: Value) -> Error {
    let tiny = tiny();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("llama")).unwrap();
    let mut config = config();
    config[member] = value;
    fs::write(folder.path().join("llama/config.json"), config.to_string()).unwrap();
    fs::write(folder.path().join("llama/model.safetensors"), "damaged").unwrap();
    fs::copy(tiny.join("llama/tokenizer.json"), folder.path().join("llama/tokenizer.json")).unwrap();
    let manifest = fs::read_to_string(tiny.join("bundle.toml")).unwrap();
    let undigested: Vec<&str> = manifest.lines().filter(|line| !line.starts_with("sha256")).collect();
    fs::write(folder.path().join("bundle.toml"), undigested.join("\n")).unwrap();
    let bundle = Bundle::open(folder.path()).unwrap();
    LanguageModel::load(&bundle, "llama", &Device::Cpu).err().unwrap()
}

#[test]
fn a_vocabulary_of_another_size_is_refused() {
    let size = config()["vocab_size"].as_u64().unwrap();
    let error = refusal("vocab_size", (size - 62).into());
    assert!(matches!(&error, Error::Mismatch(Mismatch::TooManyTokens { .. })), "{error}");
    let message = error.to_string();
    let (last, wanted) = ((size - 1).to_string(), (size - 63).to_string());
    let parts = ["llama/tokenizer.json", "llama/config.json", &last, &wanted];
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    assert_eq!(error.kind(), ErrorKind::BadModel);
    assert!(error.hint().unwrap().contains("tokenizer"));
    let error = refusal("vocab_size", 32_000.into());
    assert!(matches!(&error, Error::Mismatch(Mismatch::TooFewTokens { .. })), "{error}");
}

#[test]
fn another_beginning_or_end_is_refused() {
    let error = refusal("bos_token_id", 0.into());
    assert!(matches!(&error, Error::Mismatch(Mismatch::Begin { named: 1, configured: 0, .. })), "{error}");
    let error = refusal("eos_token_id", vec![2, 300].into());
    assert!(matches!(&error, Error::Mismatch(Mismatch::End { end: 300, .. })), "{error}");
}

#[test]
fn only_then_are_weights_read() {
    let error = refusal("use_cache", false.into());
    assert!(matches!(error, Error::Weights(_)), "{error}");
}
