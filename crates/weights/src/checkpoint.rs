//! Weights on disk or in the program, behind one view.

mod bytes;
mod export;
mod files;
mod form;
pub(crate) mod located;
mod read;

pub(crate) use bytes::Bytes;
pub(crate) use form::Contents;
pub(crate) use located::Located;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use affekt_core::Digest;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use serde::de::DeserializeOwned;

use crate::{Error, KeyTable, ledger};

/// A JSON file is read whole: a configuration or an index of shards is never larger.
const LARGEST_JSON: u64 = 64 << 20;

/// An opened checkpoint: published tensor names and where their bytes lie. Nothing is read before it is asked for, and
/// what was copied out of a file no longer counts against this program's memory.
///
/// What a file is, is told by its content. Read are safetensors, PyTorch's files (`.pt`, `.pth`, `.bin`: zip archives
/// and the form before version 1.6) and the weights in ONNX files. Pickles are taken apart by a machine that knows only what tensors need and
/// executes nothing.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// What messages call it.
    origin: String,
    tensors: BTreeMap<String, Entry>,
    /// Entries that are no tensors, and what they are.
    others: BTreeMap<String, String>,
    files: Vec<Arc<Bytes>>,
}

#[derive(Clone, Debug)]
struct Entry {
    file: usize,
    located: Located,
}

impl Checkpoint {
    /// Opens a single file, the index of a sharded checkpoint, or a folder as Hugging Face saves one. Where a folder
    /// holds several forms, the first of `model.safetensors`, its index, `pytorch_model.bin`, its index is taken.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            return Err(Error::NotFound { path: path.into() });
        }
        let mut checkpoint = Self::empty(path.display().to_string());
        let files = files::find(path)?;
        for file in &files.paths {
            let contents = checkpoint.add(&file.display().to_string(), Bytes::map(file)?)?;
            files.check(file, contents.iter().map(String::as_str))?;
        }
        Ok(checkpoint)
    }

    /// Takes a file that is part of the program. `name` is what messages call it.
    pub fn embedded(name: &str, bytes: &'static [u8]) -> Result<Self, Error> {
        let mut checkpoint = Self::empty(name.to_owned());
        checkpoint.add(name, Bytes::Embedded(bytes))?;
        Ok(checkpoint)
    }

    fn empty(origin: String) -> Self {
        Self { origin, tensors: BTreeMap::new(), others: BTreeMap::new(), files: Vec::new() }
    }

    /// Adds a file and says which tensors it holds.
    fn add(&mut self, name: &str, bytes: Bytes) -> Result<Vec<String>, Error> {
        let contents = form::read(name, &bytes)?;
        let mut added = Vec::with_capacity(contents.tensors.len());
        for located in contents.tensors {
            let key = located.name.clone();
            added.push(key.clone());
            if self.tensors.insert(key.clone(), Entry { file: self.files.len(), located }).is_some() {
                let reason = format!("tensor `{key}` is there twice");
                return Err(Error::Malformed { file: name.to_owned(), format: "checkpoint", reason });
            }
        }
        self.others.extend(contents.others);
        // The directory may have been read across the whole file.
        bytes.give_back(0..bytes.len());
        self.files.push(Arc::new(bytes));
        Ok(added)
    }

    /// What messages call it: the path, or the embedded name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Published names and shapes, sorted by name.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.iter().map(|(name, entry)| (name.as_str(), entry.located.shape.as_slice()))
    }

    /// Names of entries that are no tensors, and what they are: `int`, `numpy.ndarray`.
    pub(crate) fn others(&self) -> impl Iterator<Item = (&str, &str)> {
        self.others.iter().map(|(name, kind)| (name.as_str(), kind.as_str()))
    }

    /// SHA-256 of the weights: of the file where there is one, else of the digests of all files, in hexadecimal.
    pub fn digest(&self) -> Digest {
        match self.files.as_slice() {
            [only] => only.digest(),
            files => {
                let all: String = files.iter().map(|file| file.digest().to_string()).collect();
                Digest::of(all.as_bytes())
            }
        }
    }

    /// Reads one tensor by its published name, in its stored type. Types that Candle lacks become the next larger one.
    pub fn tensor(&self, name: &str, device: &Device) -> Result<Tensor, Error> {
        let entry = self.tensors.get(name).ok_or_else(|| Error::NoTensor {
            file: self.origin.clone(),
            name: name.into(),
            present: names(self.tensors.keys()),
        })?;
        read::tensor(&self.files[entry.file], &entry.located, device, &self.origin)
    }

    /// Writes one safetensors file with the tensors for which `rename` has a name, in their stored types. Memory stays
    /// bounded whatever their sizes, and the file at `path` is whole or absent.
    pub fn write(&self, path: &Path, rename: impl Fn(&str) -> Option<String>) -> Result<(), Error> {
        export::write(self, path, rename)
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
    let malformed = |reason: String| Error::Malformed {
        file: path.display().to_string(),
        format: "configuration (JSON)",
        reason,
    };
    let read = || {
        let size = std::fs::metadata(path)?.len();
        if size <= LARGEST_JSON { std::fs::read(path).map(Ok) } else { Ok(Err(size)) }
    };
    let bytes = read().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound { path: path.into() },
        _ => Error::Io { path: path.into(), source },
    })?;
    let bytes = bytes.map_err(|size| malformed(format!("it has {size} bytes, far too many")))?;
    serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))
}
