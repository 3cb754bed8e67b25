//! Bundles that are the tiny one but for something, and the sizes of its networks.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use affekt_core::Digest;
use candle_core::{Device, Tensor};
use serde_json::Value;

use crate::command::project;

const NETWORKS: [&str; 6] = ["wavlm", "manet", "llama", "slam", "sdumc", "whisper"];

fn folder_of_tiny() -> PathBuf {
    project().join("models/tiny")
}

/// The configuration of a network of the tiny bundle.
pub fn config(network: &str) -> Value {
    let text = fs::read_to_string(folder_of_tiny().join(network).join("config.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A size in the configuration of a network.
pub fn size(network: &str, name: &str) -> usize {
    let config = config(network);
    config[name].as_u64().unwrap_or_else(|| panic!("{name} in {config}")) as usize
}

/// How wide the features of a modality are that the fusion model takes.
pub fn width(modality: &str) -> usize {
    let widths = &config("sdumc")["widths"];
    widths[modality].as_u64().unwrap_or_else(|| panic!("{modality} in {widths}")) as usize
}

/// Positions of the language model.
pub fn positions() -> usize {
    size("llama", "max_position_embeddings")
}

/// Bytes of cache that a position of the language model takes: keys and values of all layers in f32.
pub fn slot_bytes() -> usize {
    let [layers, width, heads, kept] =
        ["num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads"]
            .map(|name| size("llama", name));
    2 * layers * (width / heads * kept) * 4
}

/// The digest by which the tiny bundle's definition knows a file.
pub fn digest(file: &str) -> String {
    let manifest = fs::read_to_string(folder_of_tiny().join("bundle.toml")).unwrap();
    digest_in(&manifest, file).to_owned()
}

fn digest_in<'m>(manifest: &'m str, file: &str) -> &'m str {
    &manifest.split(&format!("[files.\"{file}\"]\nsha256 = \"")).nth(1).unwrap()[..64]
}

/// What a bundle folder needs, beside its manifest.
fn copy(networks: &[&str], folder: &Path) -> String {
    let tiny = folder_of_tiny();
    for network in networks {
        fs::create_dir_all(folder.join(network)).unwrap();
        for entry in fs::read_dir(tiny.join(network)).unwrap() {
            let entry = entry.unwrap();
            put(&folder.join(network).join(entry.file_name()), &fs::read(entry.path()).unwrap());
        }
    }
    fs::read_to_string(tiny.join("bundle.toml")).unwrap()
}

/// Writes a file as a whole: another process may read it at the same time.
fn put(path: &Path, bytes: &[u8]) {
    let partial = path.with_extension(format!("{}.partial", std::process::id()));
    fs::write(&partial, bytes).unwrap();
    fs::rename(partial, path).unwrap();
}

/// The tiny bundle, untrained, with a drawn language model, and with a fusion model that does not say what it was trained
/// on: tests of the machinery run on it whatever the embedded one has learnt. Drawn weights hardly ever end a text of their
/// own accord, so that every clip has one and takes its time.
pub fn drawn() -> &'static str {
    static FOLDER: OnceLock<String> = OnceLock::new();
    // In a thread of its own, the numbers are the same in every run.
    FOLDER.get_or_init(|| std::thread::spawn(draw).join().unwrap())
}

fn draw() -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("drawn");
    let manifest = copy(&NETWORKS, &folder);
    let lines = manifest.lines().filter(|line| !line.starts_with("world = "));
    let mut manifest = lines.collect::<Vec<_>>().join("\n").replacen("trained = true", "trained = false", 1);
    for (network, redraw) in [("llama", true), ("sdumc", false)] {
        let file = format!("{network}/model.safetensors");
        let tensors = candle_core::safetensors::load(folder.join(&file), &Device::Cpu).unwrap();
        let mut tensors: Vec<(String, Tensor)> = tensors.into_iter().collect();
        tensors.sort_by(|one, other| one.0.cmp(&other.0));
        if redraw {
            tensors.iter_mut().for_each(|(name, tensor)| *tensor = anew(name, tensor));
        }
        let bytes = safetensors::serialize(tensors, None).unwrap();
        manifest = manifest.replace(digest_in(&manifest, &file), Digest::of(&bytes).as_str());
        put(&folder.join(file), &bytes);
    }
    put(&folder.join("bundle.toml"), manifest.as_bytes());
    folder.to_str().unwrap().to_owned()
}

fn anew(name: &str, tensor: &Tensor) -> Tensor {
    let drawn = match name.ends_with("norm.weight") {
        true => Tensor::ones(tensor.shape(), candle_core::DType::F32, &Device::Cpu).unwrap(),
        false => affekt_testkit::noise(0.0, 0.06, tensor.shape()),
    };
    drawn.to_dtype(tensor.dtype()).unwrap()
}

/// The weights of a network of the bundle in `folder`.
pub fn weights(folder: &Path, network: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(folder.join(network).join("model.safetensors"), &Device::Cpu).unwrap()
}

/// The drawn bundle as a trained one that knows `world`, in `folder`; its recogniser is untrained.
pub fn worldly(folder: &Path, world: &str) {
    crate::tree::copy_folder(Path::new(drawn()), folder);
    let path = folder.join("bundle.toml");
    let head = format!("trained = true\nworld = \"{world}\"\n");
    let manifest = fs::read_to_string(&path).unwrap().replacen("trained = false\n", &head, 1);
    let marked = "[networks.whisper]\n";
    let (before, after) = manifest.split_once(marked).unwrap();
    let mark =
        if after.split("\n\n").next().unwrap().contains("trained = ") { "" } else { "trained = false\n" };
    fs::write(path, format!("{before}{marked}{mark}{after}")).unwrap();
}

/// The tiny bundle without the lines of `bundle.toml` that name the network which recognises words.
pub fn deaf(folder: &Path) {
    let manifest = copy(&NETWORKS[..5], folder);
    let blocks = manifest.split("\n\n").filter(|block| !block.contains("whisper/"));
    fs::write(folder.join("bundle.toml"), blocks.collect::<Vec<_>>().join("\n\n")).unwrap();
}

/// The tiny bundle whose language model has the tokenizer of its recogniser, with the digest of that.
pub fn with_a_foreign_tokenizer(folder: &Path) {
    let manifest = copy(&NETWORKS, folder);
    let (own, foreign) = ("llama/tokenizer.json", "whisper/tokenizer.json");
    let changed = manifest.replace(digest_in(&manifest, own), digest_in(&manifest, foreign));
    fs::write(folder.join("bundle.toml"), changed).unwrap();
    fs::copy(folder.join(foreign), folder.join(own)).unwrap();
}
