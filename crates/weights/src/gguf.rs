//! GGUF files: quantised weights with their configuration, as llama.cpp writes them (versions 2 and 3).
//!
//! Nothing in the file is believed: every count and length is held against the bytes that are there before anything is
//! allocated, and every tensor must lie inside of the file, apart from all others.

mod parse;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use candle_core::quantized::GgmlDType;
use memmap2::Mmap;

use crate::{Error, KeyTable};

/// An opened GGUF file, memory-mapped.
#[derive(Clone, Debug)]
pub struct Gguf {
    origin: String,
    map: Arc<Mmap>,
    metadata: BTreeMap<String, Value>,
    tensors: BTreeMap<String, Entry>,
}

/// A value of the file's metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An integer of any width.
    Integer(i128),
    /// A number of either width.
    Number(f64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(String),
    /// A list of so many values; they are not kept.
    List(u64),
}

#[derive(Clone, Debug)]
struct Entry {
    dtype: GgmlDType,
    /// Outermost first.
    shape: Vec<usize>,
    /// In the file.
    bytes: std::ops::Range<usize>,
}

/// The bytes of one tensor, in the map.
#[derive(Clone, Debug)]
pub struct Blocks {
    map: Arc<Mmap>,
    entry: Entry,
}

impl Blocks {
    /// How its numbers are stored.
    pub fn dtype(&self) -> GgmlDType {
        self.entry.dtype
    }

    /// Its shape, outermost dimension first: (outputs, inputs) for a linear layer.
    pub fn shape(&self) -> &[usize] {
        &self.entry.shape
    }
}

impl AsRef<[u8]> for Blocks {
    fn as_ref(&self) -> &[u8] {
        &self.map[self.entry.bytes.clone()]
    }
}

impl Gguf {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            return Err(Error::NotFound { path: path.into() });
        }
        let io = |source| Error::Io { path: path.into(), source };
        let file = std::fs::File::open(path).map_err(io)?;
        // SAFETY: the map is only read. As with every memory-mapped reader, a file that is truncated by another program
        // while it is mapped ends this one; weights are not changed in place.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        let origin = path.display().to_string();
        let (metadata, tensors) = parse::parse(&map).map_err(|reason| Error::Malformed {
            file: origin.clone(),
            format: "GGUF",
            reason,
        })?;
        Ok(Self { origin, map: Arc::new(map), metadata, tensors })
    }

    /// Whether a path names such a file.
    pub fn is_named(path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
    }

    /// What messages call it: its path.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// A value of the metadata.
    pub fn metadata(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// Published names and shapes, outermost dimension first, sorted by name.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.iter().map(|(name, entry)| (name.as_str(), entry.shape.as_slice()))
    }

    /// One tensor by its published name.
    pub fn tensor(&self, name: &str) -> Option<Blocks> {
        let entry = self.tensors.get(name)?.clone();
        Some(Blocks { map: Arc::clone(&self.map), entry })
    }

    /// The tensors that a network needs, `wanted` (our names and shapes), by our names.
    ///
    /// Strict: [`Error::Keys`] lists every tensor that is missing, misshapen, or neither wanted nor ignored by `keys`.
    pub fn take(
        &self,
        keys: &KeyTable,
        wanted: &BTreeMap<String, Vec<usize>>,
    ) -> Result<BTreeMap<String, Blocks>, Error> {
        let mut taken: BTreeMap<String, (&str, Blocks)> = BTreeMap::new();
        let (mut misshapen, mut unused) = (Vec::new(), Vec::new());
        for (published, entry) in &self.tensors {
            let name = keys.rename(published);
            match wanted.get(&name) {
                None if keys.is_ignored(&name) => continue,
                None => unused.push(published.clone()),
                Some(shape) if *shape != entry.shape => {
                    misshapen.push(format!("{published} {:?} instead of {shape:?}", entry.shape));
                }
                Some(_) => {}
            }
            let blocks = Blocks { map: Arc::clone(&self.map), entry: entry.clone() };
            if let Some((first, _)) = taken.insert(name.clone(), (published, blocks)) {
                let (file, first) = (self.origin.clone(), first.to_owned());
                return Err(Error::Ambiguous { file, first, second: published.clone(), name });
            }
        }
        let absent = wanted.iter().filter(|(name, _)| !taken.contains_key(*name));
        let missing: Vec<String> = absent.map(|(name, shape)| format!("{name} {shape:?}")).collect();
        if missing.is_empty() && misshapen.is_empty() && unused.is_empty() {
            return Ok(taken.into_iter().map(|(name, (_, blocks))| (name, blocks)).collect());
        }
        Err(Error::Keys { file: self.origin.clone(), missing, misshapen, unused })
    }
}
