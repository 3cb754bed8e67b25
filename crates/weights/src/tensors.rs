//! Plain tensor files: the input and output of `affekt run`.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use crate::{Checkpoint, Error};

/// Named input tensors, read from a `.safetensors` file when asked for.
pub struct TensorFile {
    checkpoint: Checkpoint,
    device: Device,
}

impl TensorFile {
    /// Opens the file; its tensors will go to `device`.
    pub fn open(path: &Path, device: &Device) -> Result<Self, Error> {
        if path.is_dir() {
            let wanted = "a .safetensors file (this is a folder)";
            return Err(Error::NoWeights { path: path.into(), wanted });
        }
        Ok(Self { checkpoint: Checkpoint::open(path)?, device: device.clone() })
    }

    /// Whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.checkpoint.shapes().any(|(present, _)| present == name)
    }

    /// The tensor `name`, of floating point (converted to `dtype`) and of `rank` dimensions.
    pub fn floats(&self, name: &str, rank: usize, dtype: DType) -> Result<Tensor, Error> {
        let tensor = self.ranked(name, rank)?;
        if !tensor.dtype().is_float() {
            return Err(self.bad(name, &tensor, "of floating point"));
        }
        Ok(tensor.to_dtype(dtype)?)
    }

    /// The tensor `name`, of integers (converted to i64) and of `rank` dimensions.
    pub fn integers(&self, name: &str, rank: usize) -> Result<Tensor, Error> {
        let tensor = self.ranked(name, rank)?;
        if tensor.dtype().is_float() {
            return Err(self.bad(name, &tensor, "of integers"));
        }
        Ok(tensor.to_dtype(DType::I64)?)
    }

    /// The optional lengths tensor `name` (b): each from 0 to `longest`.
    pub fn lengths(&self, name: &str, batch: usize, longest: usize) -> Result<Option<Vec<usize>>, Error> {
        if !self.has(name) {
            return Ok(None);
        }
        let tensor = self.integers(name, 1)?;
        let lengths = tensor.to_vec1::<i64>()?;
        let fits = |length: &i64| usize::try_from(*length).is_ok_and(|length| length <= longest);
        if lengths.len() != batch || !lengths.iter().all(fits) {
            let wanted = format!("{batch} lengths of 0 to {longest}");
            let got = format!("{lengths:?}");
            return Err(Error::BadTensor { file: self.file(), name: name.into(), got, wanted });
        }
        Ok(Some(lengths.into_iter().map(|length| length as usize).collect()))
    }

    /// The error for a tensor that cannot be used: `wanted` says what would do.
    pub fn bad(&self, name: &str, tensor: &Tensor, wanted: &str) -> Error {
        let got = format!("{:?} of shape {:?}", tensor.dtype(), tensor.dims());
        Error::BadTensor { file: self.file(), name: name.into(), got, wanted: wanted.into() }
    }

    fn ranked(&self, name: &str, rank: usize) -> Result<Tensor, Error> {
        let tensor = self.checkpoint.tensor(name, &self.device)?;
        if tensor.rank() != rank || tensor.elem_count() == 0 {
            return Err(self.bad(name, &tensor, &format!("of {rank} dimensions, none of them 0")));
        }
        Ok(tensor)
    }

    fn file(&self) -> String {
        self.checkpoint.origin().to_owned()
    }
}

/// Writes `tensors` to a `.safetensors` file, by way of a temporary name, so that the file is whole or absent.
pub fn write(path: &Path, tensors: &HashMap<String, Tensor>) -> Result<(), Error> {
    let failed = |reason: String| Error::Write { path: path.into(), reason };
    if path.is_dir() {
        return Err(failed("it is a folder".into()));
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    candle_core::safetensors::save(tensors, &partial).map_err(|error| failed(error.to_string()))?;
    std::fs::rename(&partial, path).map_err(|error| failed(error.to_string()))
}
