//! The bytes of a weights file: mapped, never read whole.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use affekt_core::Digest;
use memmap2::Mmap;

use crate::Error;

/// What is copied or digested at a time. Pages that were read are given back block by block, so that a file and the
/// copy made of it never both count in full.
pub(crate) const BLOCK: usize = 4 << 20;

/// A weights file in memory, by way of a map, or part of the program.
#[derive(Debug)]
pub(crate) enum Bytes {
    Mapped(Mmap),
    Embedded(&'static [u8]),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Embedded(bytes) => bytes,
        }
    }
}

impl Bytes {
    /// Maps a file.
    pub fn map(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io { path: path.into(), source };
        // Opening a pipe would wait for a writer, so this is asked before.
        let about = std::fs::metadata(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::NotFound { path: path.into() },
            _ => io(source),
        })?;
        if !about.is_file() {
            let is = if about.is_dir() { "a folder" } else { "a device or pipe" };
            let remedy = "give a weights file, or a folder as Hugging Face saves one";
            return Err(Error::NotWeights { file: path.display().to_string(), is: is.into(), remedy });
        }
        let file = File::open(path).map_err(io)?;
        // SAFETY: the map is only read. As with every memory-mapped reader, a file that is truncated by another
        // program while it is mapped ends this one; weights are not changed in place.
        unsafe { Mmap::map(&file) }.map(Self::Mapped).map_err(io)
    }

    /// Gives the pages of `range` back to the system, which reads them again from the file if they are asked for.
    pub fn give_back(&self, range: Range<usize>) {
        #[cfg(unix)]
        if let Self::Mapped(map) = self
            && !range.is_empty()
        {
            // SAFETY: the pages belong to a read-only map of a file, so they hold nothing that is not in the file:
            // whoever still looks at them, neighbours on the same page included, gets the same bytes read anew.
            let advice = unsafe {
                map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len())
            };
            // Only advice: where the system does not take it, the pages stay until they are needed elsewhere.
            drop(advice);
        }
        #[cfg(not(unix))]
        let _ = range;
    }

    /// The bytes of `range`, at most [`BLOCK`] at a time and always a whole number of `unit` bytes (but for what is
    /// left at the end), each given back when the next is asked for.
    pub fn blocks(&self, range: Range<usize>, unit: usize) -> impl Iterator<Item = &[u8]> {
        let step = (BLOCK / unit.max(1)).max(1) * unit.max(1);
        let mut at = range.start;
        std::iter::from_fn(move || {
            if at > range.start {
                self.give_back(at.saturating_sub(step).max(range.start)..at);
            }
            let from = at;
            at = (from.saturating_add(step)).min(range.end);
            (from < at).then(|| &self[from..at])
        })
    }

    /// SHA-256 of all bytes.
    pub fn digest(&self) -> Digest {
        let (digest, _) = Digest::of_reader(Stream { bytes: self, at: 0 }).expect("memory can be read");
        digest
    }
}

/// Reads once from the beginning to the end.
struct Stream<'b> {
    bytes: &'b Bytes,
    at: usize,
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = (&self.bytes[self.at..]).read(buffer)?;
        self.bytes.give_back(self.at..self.at + read);
        self.at += read;
        Ok(read)
    }
}
