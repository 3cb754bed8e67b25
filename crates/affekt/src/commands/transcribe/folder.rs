//! The folder of `--out`: a file for each input, called as it is; nothing that is there is overwritten.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use affekt_core::{ErrorKind, Explain};

use crate::cli::Format;
use crate::commands::page::readable;

/// Where the files go.
pub struct Folder {
    path: PathBuf,
    format: Format,
    /// Files of the inputs so far.
    taken: HashSet<PathBuf>,
}

/// A file that is not written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    /// A file of this name is there.
    #[error("--out: {} is there already, and may be somebody's work", path.display())]
    There {
        /// The file.
        path: PathBuf,
    },
    /// An input before it was called the same.
    #[error("--out: {} is the file of another input, which is called the same", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("--out: {} cannot be written: {source}", path.display())]
    Refused {
        /// The file or the folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Explain for Unwritten {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unwritable
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::There { .. } => "move it away, or name another folder",
                Self::Twice { .. } => "transcribe the two one after the other, each into a folder of its own",
                Self::Refused { .. } => "name a folder that may be written to",
            }
            .into(),
        )
    }
}

impl Folder {
    /// The folder at `path`, made where there is none.
    pub fn open(path: &Path, format: Format) -> Result<Self, Unwritten> {
        fs::create_dir_all(path).map_err(|source| Unwritten::Refused { path: path.into(), source })?;
        Ok(Self { path: path.into(), format, taken: HashSet::new() })
    }

    fn file(&self, media: &Path) -> PathBuf {
        let mut name = media.file_stem().unwrap_or_default().to_owned();
        name.push(".");
        name.push(self.format.ending());
        self.path.join(name)
    }

    /// Keeps the file of `media` from others, before the work.
    pub fn reserve(&mut self, media: &Path) -> Result<(), Unwritten> {
        let path = self.file(media);
        if !self.taken.insert(path.clone()) {
            return Err(Unwritten::Twice { path });
        }
        if path.exists() { Err(Unwritten::There { path }) } else { Ok(()) }
    }

    /// Writes the file of `media`, as a whole or not at all; returns where it is.
    pub fn write(&self, media: &Path, text: &str) -> Result<PathBuf, Unwritten> {
        let path = self.file(media);
        let mut draft = tempfile::Builder::new();
        draft.prefix(".affekt-");
        let draft = readable(&mut draft).tempfile_in(&self.path);
        let written = draft.and_then(|mut draft| {
            draft.write_all(text.as_bytes())?;
            draft.persist_noclobber(&path).map_err(|error| error.error)
        });
        match written {
            Ok(_) => Ok(path),
            Err(source) => Err(Unwritten::Refused { path, source }),
        }
    }
}
