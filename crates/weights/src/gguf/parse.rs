//! The header of a GGUF file.

use std::collections::BTreeMap;

use candle_core::quantized::GgmlDType;

use super::{Entry, Value};

/// Dimensions of a tensor, at most.
const MOST_DIMENSIONS: u32 = 4;
/// Where nothing else is said, tensors start at multiples of this.
const ALIGNMENT: i128 = 32;
/// Bytes of the smallest tensor description: name, dimensions, type, offset.
const SMALLEST_TENSOR: usize = 8 + 4 + 4 + 8;
/// Bytes of the smallest metadata entry: key, type, value.
const SMALLEST_ENTRY: usize = 8 + 4 + 1;

type Parsed = (BTreeMap<String, Value>, BTreeMap<String, Entry>);

/// What the file says; the error is the reason why it is none.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, String> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.take(4)? != b"GGUF" {
        return Err("it does not begin with GGUF".into());
    }
    match reader.u32()? {
        2 | 3 => {}
        version => return Err(format!("version {version} is not supported, only 2 and 3")),
    }
    let tensor_count = reader.u64()?;
    let entry_count = reader.u64()?;
    let tensor_count = reader.count(tensor_count, SMALLEST_TENSOR, "tensors")?;
    let entry_count = reader.count(entry_count, SMALLEST_ENTRY, "metadata entries")?;
    let mut metadata = BTreeMap::new();
    for _ in 0..entry_count {
        let key = reader.text()?;
        let kind = reader.u32()?;
        let value = reader.value(kind)?;
        if metadata.contains_key(&key) {
            return Err(format!("metadata key {key:?} stands twice"));
        }
        metadata.insert(key, value);
    }
    let mut described = Vec::new();
    for _ in 0..tensor_count {
        described.push(reader.tensor()?);
    }
    let alignment = match metadata.get("general.alignment") {
        None => ALIGNMENT,
        Some(Value::Integer(alignment)) if (1..=1 << 20).contains(alignment) => *alignment,
        Some(other) => return Err(format!("an alignment of {other:?}")),
    };
    let data = reader.at.next_multiple_of(alignment as usize);
    Ok((metadata, place(described, data, alignment as usize, bytes.len())?))
}

/// A tensor's name, type, shape, offset from the data's start, and bytes.
struct Described {
    name: String,
    dtype: GgmlDType,
    shape: Vec<usize>,
    offset: u64,
    size: usize,
}

/// Where each tensor lies: inside of the file, apart from all others.
fn place(
    described: Vec<Described>,
    data: usize,
    alignment: usize,
    len: usize,
) -> Result<BTreeMap<String, Entry>, String> {
    let mut tensors = BTreeMap::new();
    let mut taken: Vec<(usize, usize)> = Vec::with_capacity(described.len());
    for Described { name, dtype, shape, offset, size } in described {
        let start = usize::try_from(offset).ok().and_then(|offset| data.checked_add(offset));
        let range = start.and_then(|start| Some(start..start.checked_add(size)?));
        let Some(bytes) = range.filter(|range| range.end <= len) else {
            return Err(format!(
                "tensor {name:?} of {size} bytes at offset {offset} ends beyond the file of {len} bytes"
            ));
        };
        if !(bytes.start - data).is_multiple_of(alignment) {
            return Err(format!("tensor {name:?} at offset {offset} is not aligned to {alignment} bytes"));
        }
        taken.push((bytes.start, bytes.end));
        if tensors.insert(name.clone(), Entry { dtype, shape, bytes }).is_some() {
            return Err(format!("tensor {name:?} stands twice"));
        }
    }
    taken.sort_unstable();
    match taken.windows(2).find(|pair| pair[1].0 < pair[0].1) {
        Some(pair) => Err(format!("two tensors overlap at byte {}", pair[1].0)),
        None => Ok(tensors),
    }
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take(&mut self, count: usize) -> Result<&'b [u8], String> {
        if count > self.left() {
            return Err(format!(
                "it is truncated: {count} bytes wanted at byte {}, {} are there",
                self.at,
                self.left()
            ));
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(self.take(N)?.try_into().expect("as many bytes as were taken"))
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_le_bytes)
    }

    /// `count` things of at least `smallest` bytes each must have room in what is left.
    fn count(&self, count: u64, smallest: usize, what: &str) -> Result<usize, String> {
        let room = self.left() / smallest;
        usize::try_from(count).ok().filter(|count| *count <= room).ok_or_else(|| {
            format!("it claims {count} {what}, but the {} bytes left hold {room} at most", self.left())
        })
    }

    fn text(&mut self) -> Result<String, String> {
        let length = self.u64()?;
        let length = self.count(length, 1, "bytes of text")?;
        let bytes = self.take(length)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| format!("a text before byte {} is not UTF-8", self.at))
    }

    fn value(&mut self, kind: u32) -> Result<Value, String> {
        Ok(match kind {
            0 => Value::Integer(self.array::<1>().map(u8::from_le_bytes)?.into()),
            1 => Value::Integer(self.array().map(i8::from_le_bytes)?.into()),
            2 => Value::Integer(self.array().map(u16::from_le_bytes)?.into()),
            3 => Value::Integer(self.array().map(i16::from_le_bytes)?.into()),
            4 => Value::Integer(self.u32()?.into()),
            5 => Value::Integer(self.array().map(i32::from_le_bytes)?.into()),
            6 => Value::Number(self.array().map(f32::from_le_bytes)?.into()),
            7 => Value::Bool(self.array::<1>()? != [0]),
            8 => Value::Text(self.text()?),
            9 => self.list()?,
            10 => Value::Integer(self.u64()?.into()),
            11 => Value::Integer(self.array().map(i64::from_le_bytes)?.into()),
            12 => Value::Number(self.array().map(f64::from_le_bytes)?),
            kind => return Err(format!("metadata of unknown type {kind} before byte {}", self.at)),
        })
    }

    /// Steps over a list. Lists of lists are refused: nothing that is read here has them, and they could be nested as
    /// deep as the file is long.
    fn list(&mut self) -> Result<Value, String> {
        let kind = self.u32()?;
        let count = self.u64()?;
        let size = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            kind => return Err(format!("a list of values of type {kind} before byte {}", self.at)),
        };
        let items = self.count(count, size, "list items")?;
        if kind == 8 {
            for _ in 0..items {
                let length = self.u64()?;
                let length = self.count(length, 1, "bytes of text")?;
                self.take(length)?;
            }
        } else {
            self.take(items * size)?;
        }
        Ok(Value::List(count))
    }

    fn tensor(&mut self) -> Result<Described, String> {
        let name = self.text()?;
        let dimensions = self.u32()?;
        if !(1..=MOST_DIMENSIONS).contains(&dimensions) {
            return Err(format!("tensor {name:?} has {dimensions} dimensions"));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            shape.push(self.u64()?);
        }
        let kind = self.u32()?;
        let dtype = dtype(kind).ok_or_else(|| {
            format!(
                "tensor {name:?} is of type {kind}; those supported are {}",
                SUPPORTED.map(|(_, _, n)| n).join(", ")
            )
        })?;
        let offset = self.u64()?;
        let described = size(&shape, dtype);
        let Some((shape, size)) = described else {
            return Err(format!("tensor {name:?} of {dtype:?} cannot have the shape {shape:?}"));
        };
        Ok(Described { name, dtype, shape, offset, size })
    }
}

/// Shape, outermost first, and bytes of a tensor with these `dimensions`, innermost first.
fn size(dimensions: &[u64], dtype: GgmlDType) -> Option<(Vec<usize>, usize)> {
    let shape =
        dimensions.iter().rev().map(|&size| usize::try_from(size).ok()).collect::<Option<Vec<_>>>()?;
    let numbers = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size))?;
    let row = *shape.last()?;
    if numbers == 0 || !row.is_multiple_of(dtype.block_size()) {
        return None;
    }
    let size = (numbers / dtype.block_size()).checked_mul(dtype.type_size())?;
    Some((shape, size))
}

/// The file's numbers for types, and their names.
const SUPPORTED: [(u32, GgmlDType, &str); 8] = [
    (0, GgmlDType::F32, "F32"),
    (1, GgmlDType::F16, "F16"),
    (2, GgmlDType::Q4_0, "Q4_0"),
    (8, GgmlDType::Q8_0, "Q8_0"),
    (12, GgmlDType::Q4K, "Q4_K"),
    (13, GgmlDType::Q5K, "Q5_K"),
    (14, GgmlDType::Q6K, "Q6_K"),
    (30, GgmlDType::BF16, "BF16"),
];

fn dtype(kind: u32) -> Option<GgmlDType> {
    SUPPORTED.iter().find(|(number, _, _)| *number == kind).map(|(_, dtype, _)| *dtype)
}
