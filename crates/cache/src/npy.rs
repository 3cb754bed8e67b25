//! Arrays of numbers in NumPy's file format (NEP 1: versions 1.0 and 2.0), as far as features need it: matrices and rows
//! of little-endian floats. Nothing else is read: no objects, since those are pickles, which are programs.

mod header;
mod stack;

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use half::f16;

use crate::Error;
use header::{Header, PREFIX};
pub use stack::Stack;

/// The largest array that is read, in bytes: ten times the longest text that a language model takes.
const LARGEST: u64 = 1 << 30;

/// Numbers of shape (rows, width), row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Rows.
    pub rows: usize,
    /// Numbers a row.
    pub width: usize,
    /// The numbers.
    pub numbers: Vec<f32>,
}

/// The bytes of a file that holds `numbers` as `f32` in C order: of shape (rows, width), or (width) where there is one
/// row.
pub fn encode(rows: usize, width: usize, numbers: impl Iterator<Item = f32>) -> Vec<u8> {
    let mut bytes = header::encode(rows, width);
    bytes.reserve(4 * rows * width);
    numbers.for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    bytes
}

/// Reads the file at `path`: `f16`, `f32` or `f64` in C or Fortran order, of shape (rows, width) or (width), or of one that
/// is so without its axes of length 1. Memory is bounded by the size of the file, which its header must agree with.
pub fn read(path: &Path) -> Result<Matrix, Error> {
    let io = |source| Error::Read { path: path.into(), source };
    let bad = |reason: String| Error::BadNpy { path: path.into(), reason };
    let length = plain_file(path)?;
    if length > LARGEST {
        return Err(bad(format!("it has {length} bytes; at most {LARGEST} are taken")));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    // One byte more than there were: a file that grows is noticed, and not followed.
    File::open(path).map_err(io)?.take(length + 1).read_to_end(&mut bytes).map_err(io)?;
    decode(&bytes).map_err(bad)
}

/// Bytes of the file at `path`, which is none of the others that have paths: opening a pipe waits for somebody to write.
fn plain_file(path: &Path) -> Result<u64, Error> {
    let metadata = fs::metadata(path).map_err(|source| Error::Read { path: path.into(), source })?;
    let reason = match metadata {
        metadata if metadata.is_file() => return Ok(metadata.len()),
        metadata if metadata.is_dir() => "it is a folder, where one file is needed",
        _ => "it is no regular file",
    };
    Err(Error::BadNpy { path: path.into(), reason: reason.to_owned() })
}

/// [`read`], of the bytes of a file.
pub fn decode(bytes: &[u8]) -> Result<Matrix, String> {
    if bytes.len() < PREFIX {
        return Err(format!("its {} bytes are no array", bytes.len()));
    }
    let (Header { kind, fortran, shape }, data) = header::decode(bytes)?;
    let (rows, width) = matrix(&shape)?;
    let size = kind.size();
    let wanted = rows.checked_mul(width).and_then(|count| count.checked_mul(size));
    if wanted != Some(data.len()) {
        return Err(format!("shape {shape:?} does not fit its {} bytes of numbers", data.len()));
    }
    let numbers: Vec<f32> = data.chunks_exact(size).map(|chunk| kind.number(chunk)).collect();
    let numbers = if fortran { by_rows(&numbers, rows, width) } else { numbers };
    Ok(Matrix { rows, width, numbers })
}

/// Rows and width of `shape`, without its axes of length 1 where it has more than two.
fn matrix(shape: &[usize]) -> Result<(usize, usize), String> {
    let long: Vec<usize> = shape.iter().copied().filter(|&length| length != 1).collect();
    let (rows, width) = match (shape, long.as_slice()) {
        (&[width], _) => (1, width),
        (&[rows, width], _) => (rows, width),
        ([_, _, ..], &[rows, width]) => (rows, width),
        ([_, _, ..], &[width]) => (1, width),
        _ => return Err(format!("shape {shape:?} is neither rows of numbers nor one row")),
    };
    if rows == 0 || width == 0 {
        return Err(format!("shape {shape:?} holds no numbers"));
    }
    Ok((rows, width))
}

fn by_rows(columns: &[f32], rows: usize, width: usize) -> Vec<f32> {
    (0..rows * width).map(|index| columns[index % width * rows + index / width]).collect()
}

/// Types of numbers that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    F16,
    F32,
    F64,
}

impl Kind {
    fn size(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The number of `chunk`, which has this type's size.
    fn number(self, chunk: &[u8]) -> f32 {
        match (self, chunk) {
            (Self::F16, &[a, b]) => f16::from_le_bytes([a, b]).to_f32(),
            (Self::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Self::F64, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            _ => unreachable!("chunks have the size of the type"),
        }
    }
}

#[cfg(test)]
mod tests;
