//! Bundles that are the tiny one but for something.

use std::fs;
use std::path::Path;

use crate::command::project;

/// What a bundle folder needs, beside its manifest.
fn copy(networks: &[&str], folder: &Path) -> String {
    let tiny = project().join("models/tiny");
    for network in networks {
        fs::create_dir_all(folder.join(network)).unwrap();
        for entry in fs::read_dir(tiny.join(network)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.join(network).join(entry.file_name())).unwrap();
        }
    }
    fs::read_to_string(tiny.join("bundle.toml")).unwrap()
}

/// The tiny bundle without the lines of `bundle.toml` that name the network which recognises words.
pub fn deaf(folder: &Path) {
    let manifest = copy(&["wavlm", "manet", "llama", "slam", "sdumc"], folder);
    let blocks = manifest.split("\n\n").filter(|block| !block.contains("whisper/"));
    fs::write(folder.join("bundle.toml"), blocks.collect::<Vec<_>>().join("\n\n")).unwrap();
}

/// The tiny bundle whose language model has the tokenizer of its recogniser, with the digest of that.
pub fn with_a_foreign_tokenizer(folder: &Path) {
    let manifest = copy(&["wavlm", "manet", "llama", "slam", "sdumc", "whisper"], folder);
    let (own, foreign) = ("llama/tokenizer.json", "whisper/tokenizer.json");
    let digest = |name: &str| {
        let block = manifest.split(&format!("[files.\"{name}\"]\nsha256 = \"")).nth(1).unwrap();
        &block[..64]
    };
    fs::write(folder.join("bundle.toml"), manifest.replace(digest(own), digest(foreign))).unwrap();
    fs::copy(folder.join(foreign), folder.join(own)).unwrap();
}
