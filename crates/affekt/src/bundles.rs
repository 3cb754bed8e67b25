//! Bundles by name.

use std::path::Path;

use affekt_weights::{Bundle, Error, bundle::EmbeddedFile};

/// Name of the bundle that is part of the program.
pub const TINY: &str = "tiny";

/// A file of the embedded bundle, under the path that `bundle.toml` calls it by.
macro_rules! tiny {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../../models/tiny/", $path)).as_slice())),*]
    };
}

static TINY_FILES: &[EmbeddedFile] = tiny![
    "bundle.toml",
    "wavlm/config.json",
    "wavlm/model.safetensors",
    "manet/config.json",
    "manet/model.safetensors",
    "llama/config.json",
    "llama/model.safetensors",
    "llama/tokenizer.json",
    "slam/config.json",
    "slam/model.safetensors",
    "sdumc/config.json",
    "sdumc/model.safetensors",
];

/// Opens the bundle `name`: `tiny`, which is embedded, or the path of a folder with a `bundle.toml`.
pub fn open(name: &str) -> Result<Bundle, Error> {
    if name == TINY {
        return Bundle::embedded(TINY_FILES);
    }
    let folder = Path::new(name);
    if folder.is_dir() { Bundle::open(folder) } else { Err(Error::NoBundle { name: name.into() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_file_is_embedded_and_right() {
        let bundle = open(TINY).unwrap();
        for path in bundle.manifest().files.keys() {
            bundle.file(path).unwrap();
        }
        assert_eq!(bundle.manifest().files.len() + 1, TINY_FILES.len());
        assert!(matches!(open("absent"), Err(Error::NoBundle { .. })));
    }
}
