//! The tiny Llamas of the goldens.

use std::path::{Path, PathBuf};

use affekt_llama::{Config, KEYS, Llama};
use affekt_testkit::golden::Golden;
use affekt_weights::Checkpoint;
use candle_core::{DType, Device};

/// A file of the golden folder.
pub fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

/// The Llama of that name and its configuration.
pub fn llama(name: &str) -> (Llama, Config) {
    let weights = path(&format!("{name}.weights.safetensors"));
    let config: Config = serde_json::from_str(&Golden::open(&weights).metadata("config")).unwrap();
    let checkpoint = Checkpoint::open(&weights).unwrap();
    let model = checkpoint.load(&KEYS, DType::F32, &Device::Cpu, |vb| Llama::load(vb, &config)).unwrap();
    (model, config)
}
