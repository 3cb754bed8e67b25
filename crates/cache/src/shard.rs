//! One shard, memory-mapped, read in any order.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use affekt_core::{ClipId, FeatureSpec};
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::TensorInfo;

use crate::header::Header;
use crate::{Clip, Error, Number};

/// A shard that has been written whole. Opening reads its header only.
pub struct Shard {
    path: PathBuf,
    map: Mmap,
    data_start: usize,
    tensors: HashMap<String, TensorInfo>,
    header: Header,
}

/// The feature of a clip, in the shard's memory.
#[derive(Clone, Copy, Debug)]
pub struct Feature<'a> {
    /// Rows.
    pub rows: usize,
    /// Numbers a row.
    pub width: usize,
    /// How the numbers are kept.
    pub number: Number,
    /// The numbers, row by row, little-endian.
    pub bytes: &'a [u8],
}

impl Feature<'_> {
    /// The numbers of shape (rows, width), row by row.
    pub fn to_f32(&self) -> Vec<f32> {
        self.number.to_f32(self.bytes)
    }
}

impl Shard {
    /// Opens the shard at `path`. A truncated file, a foreign one and one of another version are errors that name it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Read { path: path.into(), source };
        let damaged = |reason: String| Error::Damaged { path: path.into(), reason };
        // Before it is opened: opening a pipe waits for somebody to write.
        let metadata = path.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(damaged("it is no regular file".to_owned()));
        }
        if metadata.len() == 0 {
            return Err(damaged("it has no bytes".to_owned()));
        }
        let file = File::open(path).map_err(io)?;
        // SAFETY: the map is only read, and a shard is never changed once it has its name.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        let (length, metadata) =
            SafeTensors::read_metadata(&map).map_err(|error| damaged(error.to_string()))?;
        let header = Header::from_metadata(metadata.metadata().as_ref(), path)?;
        let tensors = metadata.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
        // The header's length stands before it, in 8 bytes.
        Ok(Self { path: path.into(), data_start: 8 + length, map, tensors, header })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.map.len() as u64
    }

    /// The recipe of its features.
    pub fn spec(&self) -> &FeatureSpec {
        &self.header.spec
    }

    /// Its clips, in the order in which they were added; those without a feature too.
    pub fn clips(&self) -> &[Clip] {
        &self.header.clips
    }

    /// Names of its tensors, in no order.
    pub(crate) fn tensor_names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The feature of a clip, without copying.
    pub fn feature(&self, clip: &ClipId) -> Result<Feature<'_>, Error> {
        let missing = || Error::NoClip { place: self.path.clone(), clip: clip.clone() };
        let info = self.tensors.get(clip.as_str()).ok_or_else(missing)?;
        let number = Number::of(self.spec())?;
        let &[rows, width] = info.shape.as_slice() else {
            return Err(self.damaged(format!("the tensor of {clip} has shape {:?}", info.shape)));
        };
        if info.dtype != number.dtype() || width != self.spec().width {
            let (dtype, spec) = (info.dtype, self.spec());
            let reason = format!(
                "the tensor of {clip} is {dtype:?} of width {width}, not {} of width {}",
                spec.dtype, spec.width
            );
            return Err(self.damaged(reason));
        }
        let (start, end) = info.data_offsets;
        Ok(Feature { rows, width, number, bytes: &self.map[self.data_start + start..self.data_start + end] })
    }

    pub(crate) fn damaged(&self, reason: String) -> Error {
        Error::Damaged { path: self.path.clone(), reason }
    }
}
