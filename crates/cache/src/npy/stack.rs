//! The arrays of many clips in one file, read a few at a time.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::header::{self, Header, LONGEST_WHOLE, PREFIX};
use super::{Kind, plain_file};
use crate::Error;

/// An array of shape (clips, width) or (clips, rows, width) in a file that is open: `f16`, `f32` or `f64` in C or Fortran
/// order. It may be larger than memory.
#[derive(Debug)]
pub struct Stack {
    path: PathBuf,
    file: File,
    kind: Kind,
    fortran: bool,
    /// Where the numbers begin, in bytes.
    start: u64,
    /// Length of the first axis.
    pub clips: usize,
    /// Rows that each clip has; 1 where there are two axes.
    pub rows: usize,
    /// Numbers a row.
    pub width: usize,
}

impl Stack {
    /// Opens the file at `path` and reads its header, which must agree with the size of the file.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::BadNpy`] for other files, types and shapes.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Read { path: path.into(), source };
        let bad = |reason: String| Error::BadNpy { path: path.into(), reason };
        let length = plain_file(path)?;
        let mut file = File::open(path).map_err(io)?;
        let mut head = Vec::new();
        (&mut file).take(LONGEST_WHOLE as u64).read_to_end(&mut head).map_err(io)?;
        if head.len() < PREFIX {
            return Err(bad(format!("its {} bytes are no array", head.len())));
        }
        let (Header { kind, fortran, shape }, rest) = header::decode(&head).map_err(bad)?;
        let start = (head.len() - rest.len()) as u64;
        let (clips, rows, width) = match shape[..] {
            [clips, width] => (clips, 1, width),
            [clips, rows, width] => (clips, rows, width),
            _ => {
                return Err(bad(format!(
                    "shape {shape:?} is neither (clips, width) nor (clips, rows, width)"
                )));
            }
        };
        let wanted = shape.iter().try_fold(kind.size() as u64, |bytes, &axis| bytes.checked_mul(axis as u64));
        let found = length.saturating_sub(start);
        match wanted {
            Some(0) => Err(bad(format!("shape {shape:?} holds no numbers"))),
            Some(wanted) if wanted == found => {
                Ok(Self { path: path.into(), file, kind, fortran, start, clips, rows, width })
            }
            _ => Err(bad(format!("shape {shape:?} does not fit its {found} bytes of numbers"))),
        }
    }

    /// Numbers that each clip has.
    pub fn numbers_a_clip(&self) -> usize {
        self.rows * self.width
    }

    /// The numbers of `clips`, of shape (clips, rows, width), row by row.
    ///
    /// # Errors
    /// [`Error::Read`], where the file has been cut off since it was opened too.
    pub fn read(&mut self, clips: Range<usize>) -> Result<Vec<f32>, Error> {
        let (each, size) = (self.numbers_a_clip(), self.kind.size());
        if !self.fortran {
            let mut bytes = vec![0; clips.len() * each * size];
            self.fill(clips.start * each, &mut bytes)?;
            return Ok(bytes.chunks_exact(size).map(|chunk| self.kind.number(chunk)).collect());
        }
        let mut numbers = vec![0.0; clips.len() * each];
        let mut column = vec![0; clips.len() * size];
        // The first axis runs fastest, then the rows: what all clips have in one place stands together.
        for place in 0..each {
            self.fill(place * self.clips + clips.start, &mut column)?;
            let at = place % self.rows * self.width + place / self.rows;
            for (clip, chunk) in column.chunks_exact(size).enumerate() {
                numbers[clip * each + at] = self.kind.number(chunk);
            }
        }
        Ok(numbers)
    }

    /// Fills `bytes` with the file's numbers from the one with the index `first`.
    fn fill(&mut self, first: usize, bytes: &mut [u8]) -> Result<(), Error> {
        let at = self.start + (first * self.kind.size()) as u64;
        let read = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(bytes));
        read.map_err(|source| Error::Read { path: self.path.clone(), source })
    }
}
