//! The report's file: its format is that of its ending, and it is there as a whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use affekt_core::{ErrorKind, Explain};

use super::Agreement;
use crate::atomic;

/// A report that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its ending names no format.
    #[error("{}: the agreement report's file must end in .html, .tsv, .csv or .json", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("the agreement report {} cannot be written: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownFormat { .. } => ErrorKind::BadConfig,
            Self::Unwritable { .. } => ErrorKind::Unwritable,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownFormat { .. } => {
                "name it for what is wanted: agreement.html to read, agreement.tsv, .csv or .json for programs".into()
            }
            Self::Unwritable { .. } => {
                "name a file in a folder that exists and may be written to, such as agreement.html".into()
            }
        })
    }
}

enum Format {
    Html,
    Tsv,
    Csv,
    Json,
}

impl Format {
    fn of(path: &Path) -> Result<Self, Error> {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match ending.as_str() {
            "html" | "htm" => Ok(Self::Html),
            "tsv" => Ok(Self::Tsv),
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            _ => Err(Error::UnknownFormat { path: path.into() }),
        }
    }
}

impl Agreement {
    /// Whether a report could be written as `path`: its ending names a format, and its folder takes files. For before the
    /// work; nothing is left behind, and a file that is there stays as it is.
    pub fn check(path: &Path) -> Result<(), Error> {
        Format::of(path)?;
        let checked = match fs::metadata(path) {
            Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(found) if !found.is_file() => Ok(()),
            _ => atomic::draft(path).map(drop),
        };
        checked.map_err(|source| Error::Unwritable { path: path.into(), source })
    }

    /// Writes the report in the format of the path's ending: `.html`, `.tsv`, `.csv` or `.json`. The file is replaced as a
    /// whole; a pipe or a device is written to as it is.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let text = match Format::of(path)? {
            Format::Html => self.to_html(),
            Format::Tsv => self.to_tsv(),
            Format::Csv => self.to_csv(),
            Format::Json => self.to_json(),
        };
        atomic::replace(path, text.as_bytes())
            .map_err(|source| Error::Unwritable { path: path.into(), source })
    }
}
