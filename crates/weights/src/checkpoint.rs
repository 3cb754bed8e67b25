//! Weights on disk or in the program, behind one view.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use affekt_core::Digest;
use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::{TensorInfo, TensorView};
use serde::de::DeserializeOwned;

use crate::{Error, KeyTable, ledger};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// An opened checkpoint: published tensor names and where their bytes lie. Nothing is read before it is asked for.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// What messages call it.
    origin: String,
    tensors: BTreeMap<String, Entry>,
    files: Vec<Arc<Bytes>>,
}

#[derive(Clone, Debug)]
struct Entry {
    file: usize,
    /// Where the tensor data starts in the file.
    base: usize,
    info: TensorInfo,
}

#[derive(Debug)]
enum Bytes {
    Mapped(Mmap),
    Embedded(&'static [u8]),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Embedded(bytes) => bytes,
        }
    }
}

impl Checkpoint {
    /// Opens a folder as Hugging Face saves one (`model.safetensors`, or shards with their index) or a single
    /// `.safetensors` file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            return Err(Error::NotFound { path: path.into() });
        }
        let mut checkpoint =
            Self { origin: path.display().to_string(), tensors: BTreeMap::new(), files: Vec::new() };
        for file in weight_files(path)? {
            let bytes = Bytes::Mapped(map(&file)?);
            checkpoint.add(&file.display().to_string(), bytes)?;
        }
        Ok(checkpoint)
    }

    /// Takes a safetensors file that is part of the program. `name` is what messages call it.
    pub fn embedded(name: &str, bytes: &'static [u8]) -> Result<Self, Error> {
        let mut checkpoint = Self { origin: name.to_owned(), tensors: BTreeMap::new(), files: Vec::new() };
        checkpoint.add(name, Bytes::Embedded(bytes))?;
        Ok(checkpoint)
    }

    fn add(&mut self, name: &str, bytes: Bytes) -> Result<(), Error> {
        let malformed =
            |reason: String| Error::Malformed { file: name.to_owned(), format: "safetensors", reason };
        let (header, metadata) =
            SafeTensors::read_metadata(&bytes).map_err(|error| malformed(error.to_string()))?;
        for (key, info) in metadata.tensors() {
            let entry = Entry { file: self.files.len(), base: header + 8, info: info.clone() };
            if self.tensors.insert(key.clone(), entry).is_some() {
                return Err(malformed(format!("tensor `{key}` is in an earlier shard already")));
            }
        }
        self.files.push(Arc::new(bytes));
        Ok(())
    }

    /// What messages call it: the path, or the embedded name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Published names and shapes, sorted by name.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.iter().map(|(name, entry)| (name.as_str(), entry.info.shape.as_slice()))
    }

    /// SHA-256 of the weights: of the file where there is one, else of the digests of all files.
    pub fn digest(&self) -> Digest {
        match self.files.as_slice() {
            [only] => Digest::of(only),
            files => {
                let all: String = files.iter().map(|file| Digest::of(file).to_string()).collect();
                Digest::of(all.as_bytes())
            }
        }
    }

    /// Reads one tensor by its published name, in its stored type.
    pub fn tensor(&self, name: &str, device: &Device) -> Result<Tensor, Error> {
        let entry = self.tensors.get(name).ok_or_else(|| Error::NoTensor {
            file: self.origin.clone(),
            name: name.into(),
            present: names(self.tensors.keys()),
        })?;
        let (from, to) = entry.info.data_offsets;
        let data = &self.files[entry.file][entry.base + from..entry.base + to];
        let view = TensorView::new(entry.info.dtype, entry.info.shape.clone(), data).map_err(|error| {
            Error::Malformed { file: self.origin.clone(), format: "safetensors", reason: error.to_string() }
        })?;
        Ok(view.load(device)?)
    }

    /// Builds a network from these weights: `build` gets a [`VarBuilder`] that knows the tensors by our names and
    /// converts them to `dtype`.
    ///
    /// Strict: [`Error::Keys`] lists every tensor that is missing, misshapen, or neither used nor ignored by `keys`.
    pub fn load<T>(
        &self,
        keys: &KeyTable,
        dtype: DType,
        device: &Device,
        build: impl FnOnce(VarBuilder) -> candle_core::Result<T>,
    ) -> Result<T, Error> {
        ledger::load(self, keys, dtype, device, build)
    }
}

/// Names for a message, at most 40 of them.
pub(crate) fn names<'a>(all: impl Iterator<Item = &'a String>) -> String {
    let all: Vec<&str> = all.map(String::as_str).collect();
    match all.len() {
        0 => "none".into(),
        1..=40 => all.join(", "),
        more => format!("{}, and {} more", all[..40].join(", "), more - 40),
    }
}

/// Parses a JSON configuration. Members that `T` does not know are left alone: published files carry many.
pub fn read_config<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = std::fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound { path: path.into() },
        _ => Error::Io { path: path.into(), source },
    })?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Malformed {
        file: path.display().to_string(),
        format: "configuration (JSON)",
        reason: error.to_string(),
    })
}

fn weight_files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if !path.is_dir() {
        return Ok(vec![path.into()]);
    }
    if path.join(SINGLE).exists() {
        return Ok(vec![path.join(SINGLE)]);
    }
    if !path.join(INDEX).exists() {
        return Err(Error::NoWeights {
            path: path.into(),
            wanted: "model.safetensors, model.safetensors.index.json",
        });
    }
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let index: Index = read_config(&path.join(INDEX))?;
    let mut shards: Vec<PathBuf> = index.weight_map.into_values().map(|shard| path.join(shard)).collect();
    shards.sort();
    shards.dedup();
    if let Some(absent) = shards.iter().find(|shard| !shard.exists()) {
        return Err(Error::NotFound { path: absent.clone() });
    }
    Ok(shards)
}

fn map(path: &Path) -> Result<Mmap, Error> {
    let io = |source| Error::Io { path: path.into(), source };
    let file = File::open(path).map_err(io)?;
    // SAFETY: the map is only read. As with every memory-mapped reader, a file that is truncated by another program
    // while it is mapped ends this one; weights are not changed in place.
    unsafe { Mmap::map(&file) }.map_err(io)
}
