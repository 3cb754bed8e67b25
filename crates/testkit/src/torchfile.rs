//! Builds PyTorch files by hand: sound ones, as published, and others.

use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use tempfile::TempDir;

/// A pickle in the making.
#[derive(Clone, Default)]
pub struct Pickle(pub Vec<u8>);

impl Pickle {
    /// Of protocol 2, empty.
    pub fn new() -> Self {
        Self(b"\x80\x02".to_vec())
    }

    /// Instructions as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A text.
    pub fn text(self, text: &str) -> Self {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    /// An integer of 8 bytes.
    pub fn int(self, number: i64) -> Self {
        self.raw(b"\x8a\x08").raw(&number.to_le_bytes())
    }

    /// A name of a module.
    pub fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    /// A tuple of integers.
    pub fn ints(self, numbers: &[i64]) -> Self {
        numbers.iter().fold(self.raw(b"("), |pickle, &number| pickle.int(number)).raw(b"t")
    }

    /// A storage of a class of `torch`, by its key.
    pub fn storage(self, class: &str, key: &str, numel: i64) -> Self {
        let named = self.raw(b"(").text("storage").global("torch", class).text(key).text("cpu");
        named.int(numel).raw(b"tQ")
    }

    /// A tensor of a storage of f32.
    pub fn tensor(self, key: &str, numel: i64, offset: i64, sizes: &[i64], strides: &[i64]) -> Self {
        self.tensor_of("FloatStorage", (key, numel), offset, sizes, strides)
    }

    /// A tensor of a storage of that class, by its key and number of elements.
    pub fn tensor_of(
        self,
        class: &str,
        (key, numel): (&str, i64),
        offset: i64,
        sizes: &[i64],
        strides: &[i64],
    ) -> Self {
        let call = self.global("torch._utils", "_rebuild_tensor_v2").raw(b"(");
        let placed = call.storage(class, key, numel).int(offset).ints(sizes).ints(strides);
        placed.raw(b"\x89").global("collections", "OrderedDict").raw(b")RtR")
    }

    /// A call with one text.
    pub fn call(self, module: &str, name: &str, argument: &str) -> Self {
        self.global(module, name).text(argument).raw(b"\x85R")
    }

    /// The finished pickle.
    pub fn end(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

/// A dictionary of one tensor `weight` of two f32 in storage 0, and of what `more` adds.
pub fn flat(more: impl FnOnce(Pickle) -> Pickle) -> Vec<u8> {
    let pickle = Pickle::new().raw(b"}").text("weight").tensor("0", 2, 0, &[2], &[1]).raw(b"s");
    more(pickle).end()
}

/// A record of a zip archive.
#[derive(Clone)]
pub struct Record {
    /// Its path.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// General purpose flags.
    pub flags: u16,
    /// Method of compression that is claimed.
    pub method: u16,
    /// Size in the directory.
    pub size: u32,
    /// Added to the place in the directory.
    pub shift: i64,
    /// Whether sizes and place stand in the field for large archives.
    pub large: bool,
}

impl Record {
    /// A record of the folder `archive`, stored as it is.
    pub fn new(name: &str, bytes: &[u8]) -> Self {
        let (name, bytes, size) = (format!("archive/{name}"), bytes.to_vec(), bytes.len() as u32);
        Self { name, bytes, flags: 0, method: 0, size, shift: 0, large: false }
    }
}

/// The records as a zip archive.
pub fn zip(records: &[Record]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for record in records {
        let at = (file.len() as i64 + record.shift) as u32;
        let header = [record.flags, record.method, 0, 0];
        let header: Vec<u8> = header.iter().flat_map(|field| field.to_le_bytes()).collect();
        let name = (record.name.len() as u16).to_le_bytes();
        let small = if record.large { [u32::MAX, u32::MAX] } else { [record.size, record.size] };
        let sizes: Vec<u8> = [0, small[0], small[1]].iter().flat_map(|field| field.to_le_bytes()).collect();
        // As torch does, the local header has a field of padding that the directory lacks.
        file.extend([b"PK\x03\x04\0\0", &header[..], &sizes, &name, &7u16.to_le_bytes()].concat());
        file.extend([record.name.as_bytes(), b"FB\x03\0ZZZ", &record.bytes].concat());
        let extra = match record.large {
            true => {
                let size = u64::from(record.size).to_le_bytes();
                [&[1, 0, 24, 0][..], &size, &size, &u64::from(at).to_le_bytes()].concat()
            }
            false => Vec::new(),
        };
        let at = if record.large { u32::MAX } else { at };
        let extra_length = (extra.len() as u16).to_le_bytes();
        directory.extend([b"PK\x01\x02\0\0\0\0", &header[..], &sizes, &name, &extra_length].concat());
        directory.extend([&[0; 10], &at.to_le_bytes()[..], record.name.as_bytes(), &extra].concat());
    }
    let count = (records.len() as u16).to_le_bytes();
    let (size, at) = ((directory.len() as u32).to_le_bytes(), (file.len() as u32).to_le_bytes());
    file.extend(directory);
    file.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &at, &[0, 0]].concat());
    file
}

/// A checkpoint of this pickle with a storage of two f32.
pub fn archive(pickle: &[u8]) -> Vec<u8> {
    zip(&[Record::new("data.pkl", pickle), Record::new("data/0", &[0, 0, 128, 63, 0, 0, 0, 64])])
}

/// The same in the form before torch 1.6.
pub fn legacy(pickle: &[u8]) -> Vec<u8> {
    legacy_of(pickle, &[("0".to_owned(), 2, [1f32.to_le_bytes(), 2f32.to_le_bytes()].concat())])
}

/// A checkpoint in the form before torch 1.6: storages by key, number of elements and bytes.
pub fn legacy_of(pickle: &[u8], storages: &[(String, u64, Vec<u8>)]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let machine = Pickle::new().raw(b"}").text("little_endian").raw(b"\x88s").end();
    let keys = storages.iter().fold(Pickle::new().raw(b"]("), |keys, (key, ..)| keys.text(key));
    let start = [magic, &Pickle::new().raw(b"M\xe9\x03").end()[..], &machine, pickle, &keys.raw(b"e").end()];
    let mut file = start.concat();
    for (_, count, bytes) in storages {
        file.extend([&count.to_le_bytes(), &bytes[..]].concat());
    }
    file
}

/// What surrounds the dictionary of tensors in a published file.
pub struct Layout {
    /// The pickle before it.
    pub before: Pickle,
    /// The pickle after it.
    pub after: Pickle,
    /// Whether the file has the form before torch 1.6.
    pub legacy: bool,
}

impl Layout {
    /// Only the tensors.
    pub fn flat() -> Self {
        Self { before: Pickle::new(), after: Pickle::default(), legacy: false }
    }

    /// `epoch`, `state_dict`, `optimizer`, as training scripts save them.
    pub fn training() -> Self {
        let before = Pickle::new().raw(b"}").text("epoch").int(7).raw(b"s").text("state_dict");
        let after = Pickle::default().raw(b"s").text("optimizer").raw(b"}").text("state").raw(b"}ss");
        Self { before, after, legacy: false }
    }

    /// `cfg`, `model`, as unilm and fairseq do.
    pub fn fairseq() -> Self {
        let before = Pickle::new().raw(b"}").text("cfg").raw(b"}").text("encoder_layers").int(24).raw(b"ss");
        Self { before: before.text("model"), after: Pickle::default().raw(b"s"), legacy: false }
    }
}

/// The tensors of a safetensors file for which `rename` has a name, as PyTorch would have saved them.
pub fn published(source: &Path, layout: Layout, rename: impl Fn(&str) -> Option<String>) -> Vec<u8> {
    let bytes = std::fs::read(source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    let tensors = SafeTensors::deserialize(&bytes).unwrap_or_else(|error| panic!("{error}"));
    let mut pickle = layout.before.raw(b"}");
    let mut storages = Vec::new();
    for (name, view) in tensors.iter() {
        let Some(name) = rename(name) else { continue };
        let class = match view.dtype() {
            Dtype::F32 => "FloatStorage",
            Dtype::F16 => "HalfStorage",
            Dtype::BF16 => "BFloat16Storage",
            Dtype::I64 => "LongStorage",
            other => panic!("{name} is {other:?}"),
        };
        let sizes: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        let strides: Vec<i64> = (1..=sizes.len()).map(|axis| sizes[axis..].iter().product()).collect();
        let (key, numel) = (storages.len().to_string(), sizes.iter().product());
        pickle = pickle.text(&name).tensor_of(class, (&key, numel), 0, &sizes, &strides).raw(b"s");
        storages.push((key, numel as u64, view.data().to_vec()));
    }
    let pickle = pickle.raw(&layout.after.0).end();
    if layout.legacy {
        return legacy_of(&pickle, &storages);
    }
    let data = storages.iter().map(|(key, _, bytes)| Record::new(&format!("data/{key}"), bytes));
    zip(&std::iter::once(Record::new("data.pkl", &pickle)).chain(data).collect::<Vec<_>>())
}

/// Writes a file into a folder of its own, which lives as long as what is returned.
pub fn saved(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{error}"));
    (folder, path)
}
