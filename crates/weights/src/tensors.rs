//! Plain tensor files: the input and output of `affekt run`, and tensors with notes.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use affekt_core::Digest;
use candle_core::{DType, Device, Tensor};
use safetensors::View;

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

/// Writes `tensors` with texts as metadata to a `.safetensors` file: under a temporary name beside it, synced, renamed. The
/// same tensors and texts give the same bytes.
pub fn write_noted(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    notes: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let failed = |reason: String| Error::Write { path: path.into(), reason };
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = Path::new(&partial);
    // One text, since the order of several in a file would be that of a hash map.
    let mut notes = notes.clone();
    notes.insert(DIGEST.to_owned(), digest(tensors).to_string());
    let notes = serde_json::to_string(&notes).expect("texts are plain data");
    let metadata = HashMap::from([(NOTES.to_owned(), notes)]);
    let write = |bytes: Vec<u8>| {
        let mut file = File::create(partial)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(partial, path)
    };
    let written = safetensors::serialize(tensors, Some(metadata))
        .map_err(|error| error.to_string())
        .and_then(|bytes| write(bytes).map_err(|error| error.to_string()));
    written.map_err(|reason| {
        // Best effort: the error that matters is the first one.
        let _ = std::fs::remove_file(partial);
        failed(reason)
    })
}

/// The key of the metadata that holds all texts of [`write_noted`].
const NOTES: &str = "affekt";

/// The text among them that is the digest of the tensors: a file whose numbers have changed is damaged.
const DIGEST: &str = "tensors";

/// SHA-256 of names, types, shapes and numbers, in the order of the names.
fn digest(tensors: &BTreeMap<String, Tensor>) -> Digest {
    let line = |(name, tensor): (&String, &Tensor)| {
        let numbers = Digest::of(&View::data(tensor));
        format!("{name} {:?} {:?} {numbers}\n", tensor.dtype(), tensor.dims())
    };
    Digest::of(tensors.iter().map(line).collect::<String>().as_bytes())
}

/// Tensors and texts, each by name.
pub type Noted = (BTreeMap<String, Tensor>, BTreeMap<String, String>);

/// The tensors and texts of a file of [`write_noted`], on the CPU; no texts where another program has written it.
pub fn read_noted(path: &Path) -> Result<Noted, Error> {
    let mut notes = header(&path.display().to_string(), open(path)?)?;
    let checkpoint = Checkpoint::open(path)?;
    let names: Vec<String> = checkpoint.shapes().map(|(name, _)| name.to_owned()).collect();
    let tensor = |name: String| Ok((name.clone(), checkpoint.tensor(&name, &Device::Cpu)?));
    let tensors: BTreeMap<String, Tensor> = names.into_iter().map(tensor).collect::<Result<_, Error>>()?;
    if notes.remove(DIGEST).is_some_and(|wanted| digest(&tensors).as_str() != wanted) {
        let name = path.display().to_string();
        return Err(malformed(&name, "its numbers are not those that were written".into()));
    }
    Ok((tensors, notes))
}

/// The texts of a `.safetensors` file of [`write_noted`], from its header alone; none of another program's.
pub fn notes(path: &Path) -> Result<BTreeMap<String, String>, Error> {
    notes_in(&path.display().to_string(), open(path)?)
}

/// As [`notes`], of what `file` reads; `name` is what messages call it.
pub fn notes_in(name: &str, file: impl Read) -> Result<BTreeMap<String, String>, Error> {
    let mut notes = header(name, file)?;
    notes.remove(DIGEST);
    Ok(notes)
}

fn open(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(|source| Error::Io { path: path.into(), source })
}

fn malformed(name: &str, reason: String) -> Error {
    Error::Malformed { file: name.into(), format: "safetensors", reason }
}

/// All texts of the header, the digest among them.
fn header(name: &str, mut file: impl Read) -> Result<BTreeMap<String, String>, Error> {
    let unreadable = |source| Error::Io { path: name.into(), source };
    let damaged = |reason: String| malformed(name, reason);
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(unreadable)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER {
        return Err(damaged(format!("its header would have {length} bytes")));
    }
    let mut bytes = length.to_le_bytes().to_vec();
    file.take(length).read_to_end(&mut bytes).map_err(unreadable)?;
    let header: serde_json::Value =
        serde_json::from_slice(&bytes[8..]).map_err(|error| damaged(error.to_string()))?;
    match header["__metadata__"][NOTES].as_str() {
        Some(notes) => serde_json::from_str(notes).map_err(|error| damaged(error.to_string())),
        None => Ok(BTreeMap::new()),
    }
}

/// As the safetensors library has it.
const LONGEST_HEADER: u64 = 100_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_and_the_bytes_are_the_same_every_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let tensor = Tensor::new(&[[1f32, 2.0], [3.0, f32::NAN]], &Device::Cpu).unwrap();
        let count = Tensor::new(7u32, &Device::Cpu).unwrap();
        let tensors = BTreeMap::from([("b".to_owned(), tensor), ("a".to_owned(), count)]);
        let texts: BTreeMap<String, String> =
            (0..20).map(|at| (format!("key {at}"), format!("\"text\" {at}"))).collect();
        write_noted(&path, &tensors, &texts).unwrap();
        let (first, (read, notes)) = (std::fs::read(&path).unwrap(), read_noted(&path).unwrap());
        assert_eq!(notes, texts);
        assert_eq!(notes_in("a", first.as_slice()).unwrap(), texts);
        assert_eq!(read["a"].to_scalar::<u32>().unwrap(), 7);
        assert_eq!(read["b"].dims(), [2, 2]);
        write_noted(&path, &tensors, &texts).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        let mut damaged = first.clone();
        *damaged.last_mut().unwrap() ^= 1;
        std::fs::write(&path, damaged).unwrap();
        let error = read_noted(&path).unwrap_err().to_string();
        assert!(error.contains("a.safetensors") && error.contains("not those that were written"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_of_another_program_has_no_notes_and_a_damaged_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let tensor = Tensor::new(&[1f32], &Device::Cpu).unwrap();
        write(&path, &HashMap::from([("a".to_owned(), tensor)])).unwrap();
        assert!(notes(&path).unwrap().is_empty());
        std::fs::write(&path, [255; 20]).unwrap();
        assert!(notes(&path).unwrap_err().to_string().contains("a.safetensors"));
    }
}
