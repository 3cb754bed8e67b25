//! Reference files: tensors that another implementation computed, with notes in the header.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use affekt_weights::Checkpoint;
use candle_core::{DType, Device, Tensor};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Error;

/// A longer header is none of these files'.
const LONGEST_HEADER: u64 = 1 << 24;

/// Where the reference files of `network` lie under `goldens`.
pub fn file(goldens: &Path, network: &str, name: &str) -> PathBuf {
    goldens.join(network).join("tests/golden").join(name)
}

/// Whether there are any at all.
pub fn folder(goldens: &Path) -> Result<(), Error> {
    if file(goldens, "wavlm", "large.safetensors").is_file() {
        return Ok(());
    }
    Err(Error::NoGoldens { path: goldens.into() })
}

/// An opened reference file.
pub struct Golden {
    path: PathBuf,
    checkpoint: Checkpoint,
    device: Device,
}

impl Golden {
    /// Opens a file; its tensors will go to `device`.
    pub fn open(path: &Path, device: &Device) -> Result<Self, Error> {
        Ok(Self { path: path.into(), checkpoint: Checkpoint::open(path)?, device: device.clone() })
    }

    /// The tensor `name`, as it is stored.
    pub fn tensor(&self, name: &str) -> Result<Tensor, Error> {
        Ok(self.checkpoint.tensor(name, &self.device)?)
    }

    /// The tensor `name` in another type.
    pub fn floats(&self, name: &str, dtype: DType) -> Result<Tensor, Error> {
        Ok(self.tensor(name)?.to_dtype(dtype)?)
    }

    /// Whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.checkpoint.shapes().any(|(present, _)| present == name)
    }

    /// Lengths (b).
    pub fn lengths(&self, name: &str) -> Result<Vec<usize>, Error> {
        let lengths = self.tensor(name)?.to_dtype(DType::I64)?.to_vec1::<i64>()?;
        Ok(lengths.into_iter().map(|length| length as usize).collect())
    }

    /// The note `key`, which is JSON.
    pub fn note<T: DeserializeOwned>(&self, key: &str) -> Result<T, Error> {
        note(&self.path, key)
    }
}

/// The note `key` in the header of a safetensors file, which is JSON.
pub fn note<T: DeserializeOwned>(path: &Path, key: &str) -> Result<T, Error> {
    let bad = |reason: String| Error::Golden { path: path.into(), reason };
    let header = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let mut header = Vec::new();
        file.take(u64::from_le_bytes(length).min(LONGEST_HEADER)).read_to_end(&mut header)?;
        Ok(header)
    };
    let header = header().map_err(|error| bad(error.to_string()))?;
    let header: Value = serde_json::from_slice(&header).map_err(|error| bad(error.to_string()))?;
    let note = header["__metadata__"][key].as_str().ok_or_else(|| bad(format!("it has no note `{key}`")))?;
    serde_json::from_str(note).map_err(|error| bad(format!("its note `{key}`: {error}")))
}

/// All tensors of a checkpoint under our names, in f32: to build a network from that is not as published.
pub fn renamed(
    checkpoint: &Checkpoint,
    keys: &affekt_weights::KeyTable,
    device: &Device,
) -> Result<BTreeMap<String, Tensor>, Error> {
    let names: Vec<String> = checkpoint.shapes().map(|(name, _)| name.to_owned()).collect();
    names.into_iter().map(|name| Ok((keys.rename(&name), checkpoint.tensor(&name, device)?))).collect()
}
