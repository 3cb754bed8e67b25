//! Golden files: tensors that a reference implementation computed. The script that made a file stands beside it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use safetensors::SafeTensors;

/// An opened golden file, on the CPU. Every method panics with the file's name when the file is not as expected.
pub struct Golden {
    path: PathBuf,
    tensors: HashMap<String, Tensor>,
    metadata: HashMap<String, String>,
}

impl Golden {
    /// Reads a safetensors file with its `__metadata__`.
    pub fn open(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_path_buf();
        let bytes = std::fs::read(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask goldens`", path.display()));
        let (_, header) =
            SafeTensors::read_metadata(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let metadata = header.metadata().clone().unwrap_or_default();
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, tensors, metadata }
    }

    /// A tensor by name.
    pub fn tensor(&self, name: &str) -> Tensor {
        let tensor = self.tensors.get(name);
        tensor.unwrap_or_else(|| panic!("{} has no tensor {name}", self.path.display())).clone()
    }

    /// Whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// All tensor names, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.tensors.keys().cloned().collect();
        names.sort();
        names
    }

    /// A `__metadata__` text by key.
    pub fn metadata(&self, key: &str) -> String {
        let text = self.metadata.get(key);
        text.unwrap_or_else(|| panic!("{} has no metadata {key}", self.path.display())).clone()
    }
}
