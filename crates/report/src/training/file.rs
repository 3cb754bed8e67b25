//! The files of a run's folder: each is there as a whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use affekt_core::{ErrorKind, Explain};
use serde::de::DeserializeOwned;

use super::{Evidence, Made, Training};
use crate::atomic;

/// The run as data.
pub const METRICS: &str = "metrics.json";
/// The metrics as a table.
pub const METRICS_TABLE: &str = "metrics.csv";
/// The epochs as a table.
pub const EPOCHS: &str = "epochs.csv";
/// Every clip with its predictions.
pub const PREDICTIONS: &str = "predictions.csv";
/// What the plots are drawn from.
pub const EVIDENCE: &str = "evidence.json";
/// The page.
pub const PAGE: &str = "report.html";

/// A file of a run that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no run.
    #[error("there is no run in {}: it has no {METRICS}", path.display())]
    NoRun {
        /// The folder or file that was named.
        path: PathBuf,
    },
    /// The system refuses to read it.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its text is not what such a file holds.
    #[error("{} is not the {name} of a run: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it should be.
        name: &'static str,
        /// What is wrong, and where.
        reason: String,
    },
    /// The system refuses to write it.
    #[error("{} cannot be written: {source}", path.display())]
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
            Self::NoRun { .. } => ErrorKind::NotFound,
            Self::Unreadable { .. } => ErrorKind::Unreadable,
            Self::Damaged { .. } => ErrorKind::BadInput,
            Self::Unwritable { .. } => ErrorKind::Unwritable,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::NoRun { .. } => {
                    "name the folder of a finished run, as given to `affekt train --out`; a run that was stopped is continued by \
                     the same command"
                }
                Self::Unreadable { .. } => "get the right to read it",
                Self::Damaged { .. } => {
                    "it was edited, or written by another version of affekt: train into another folder, or judge the checkpoint with `affekt eval --run`"
                }
                Self::Unwritable { .. } => "make room on the disk of the run, or get the right to write into its folder",
            }
            .into(),
        )
    }
}

impl Training {
    /// Reads the run at `path`: its folder, or its `metrics.json`.
    ///
    /// # Errors
    /// Where there is none, and where it cannot be read or understood.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = beside(path, METRICS);
        match read(&file, METRICS)? {
            Some(training) => Ok(training),
            None => Err(Error::NoRun { path: path.into() }),
        }
    }

    /// Writes all that is said about the run into `folder`, which is made where it is missing: `metrics.csv`, `epochs.csv`
    /// (only where there are epochs), `predictions.csv` and `evidence.json` (both only where there is evidence), `report.html`,
    /// and last `metrics.json`.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn save(&self, folder: &Path, evidence: &[Evidence], made: &Made) -> Result<(), Error> {
        let unwritable = |source| Error::Unwritable { path: folder.into(), source };
        fs::create_dir_all(folder).map_err(unwritable)?;
        let write = |name: &str, text: &str| write(&folder.join(name), text);
        write(METRICS_TABLE, &self.metrics_csv())?;
        if !self.epochs.is_empty() {
            write(EPOCHS, &self.epochs_csv())?;
        }
        if !evidence.is_empty() {
            write(PREDICTIONS, &Evidence::predictions_csv(evidence))?;
            write(EVIDENCE, &Evidence::to_json(evidence))?;
        }
        write(PAGE, &self.to_html(evidence, made))?;
        write(METRICS, &self.to_json())
    }

    /// The text of `metrics.json`, ending in a line break.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a run is plain data with text keys") + "\n"
    }
}

impl Evidence {
    /// Reads the evidence of the run at `path`, its folder or its `metrics.json`: a split each; none where there is no
    /// `evidence.json`.
    ///
    /// # Errors
    /// Where the file cannot be read or understood, and where its lists do not fit each other.
    pub fn read(path: &Path) -> Result<Vec<Self>, Error> {
        let file = beside(path, EVIDENCE);
        let evidence: Vec<Self> = read(&file, EVIDENCE)?.unwrap_or_default();
        match evidence.iter().find_map(Self::fault) {
            Some(reason) => Err(Error::Damaged { path: file, name: EVIDENCE, reason }),
            None => Ok(evidence),
        }
    }

    /// The text of `evidence.json`: on one line, for it holds a number for each pair of clips.
    pub fn to_json(evidence: &[Self]) -> String {
        serde_json::to_string(evidence).expect("evidence is plain data with text keys") + "\n"
    }

    /// What does not fit.
    fn fault(&self) -> Option<String> {
        let flows = self.flows.len();
        if let Some(clip) = self.clips.iter().find(|clip| clip.valence.len() != flows) {
            let (name, found) = (&clip.clip, clip.valence.len());
            return Some(format!("clip {name:?} has {found} predictions, but there are {flows} flows"));
        }
        let similarity = self.similarity.as_ref()?;
        let (clips, found) = (similarity.labels.len(), similarity.distances.len());
        (found != clips * clips).then(|| {
            format!("the similarity of {clips} clips has {found} distances instead of {}", clips * clips)
        })
    }
}

/// The file `name` of the run at `path`.
fn beside(path: &Path, name: &str) -> PathBuf {
    match path.file_name().is_some_and(|last| last == METRICS) {
        true => path.with_file_name(name),
        false => path.join(name),
    }
}

/// `None` where there is no such file.
fn read<T: DeserializeOwned>(path: &Path, name: &'static str) -> Result<Option<T>, Error> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(source) => return Err(Error::Unreadable { path: path.into(), source }),
    };
    let damaged =
        |error: serde_json::Error| Error::Damaged { path: path.into(), name, reason: error.to_string() };
    serde_json::from_slice(&text).map(Some).map_err(damaged)
}

/// Writes `text` as the file `path`, in the place of the one before.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    atomic::replace(path, text.as_bytes()).map_err(|source| Error::Unwritable { path: path.into(), source })
}
