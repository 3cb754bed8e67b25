//! From the name of a dataset to its manifest.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::inventory::standing;
use super::{Error, Folds, Labels, Manifest, Source, jsonl, mosei};
use crate::transcript::file;

/// The dataset in folders that is known by name.
const MOSEI: &str = "mosei";

impl Manifest {
    /// Reads the clips of a dataset, their labels and their splits. Splits are those of the table of labels, where it has
    /// a column of them, else the manifest's own or, for `mosei`, the official ones.
    ///
    /// Media files are not opened. What is wrong with single clips is in [`Manifest::problems`].
    ///
    /// # Errors
    /// All of [`Error`] but [`Error::Malformed`] and [`Error::Shard`].
    pub fn read(source: &Source) -> Result<Self, Error> {
        let Source { dataset, root, labels } = *source;
        // The small file first: who has named a wrong one shall not wait.
        let labels = labels.map(Labels::read).transpose()?;
        let mut manifest = if dataset == MOSEI {
            let root = root.ok_or_else(|| Error::NoRoot { dataset: dataset.into() })?;
            mosei::read(root)?
        } else if is_jsonl(dataset) {
            jsonl::read(Path::new(dataset), root)?
        } else {
            return Err(Error::UnknownDataset { name: dataset.into() });
        };
        if let Some(labels) = &labels {
            manifest.label(labels);
        }
        let without_clips = standing::without_clips(&manifest);
        manifest.problems.extend(without_clips);
        if dataset == MOSEI && !labels.is_some_and(|labels| labels.has_splits) {
            manifest.split_by(&Folds::official(MOSEI).expect("the lists are part of the program"));
        }
        Ok(manifest)
    }

    /// Sets the split of every clip to that of its recording.
    pub fn split_by(&mut self, folds: &Folds) {
        for row in &mut self.rows {
            row.split = folds.split_of(&row.video);
        }
    }
}

fn is_jsonl(dataset: &str) -> bool {
    let extension = Path::new(dataset).extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("jsonl"))
}

/// The lines of a text file, each ending in LF.
pub fn lines_of(path: &Path) -> Result<String, Error> {
    let failed = |reason: String| Error::Unreadable { path: path.into(), reason, absent: false };
    // Before it is opened: opening a pipe waits for somebody to write, and a device may never end.
    let about = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !about.is_file() && !about.is_dir() {
        return Err(failed("it is a pipe or a device, as <(...) is: write its text to a file".into()));
    }
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    let text = file::text(bytes).map_err(failed)?;
    Ok(file::plain_lines(&text))
}

/// The error of a file or a folder that the system refuses to read.
pub fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let absent = error.kind() == ErrorKind::NotFound;
    let reason = match error.kind() {
        ErrorKind::NotFound => "there is no such file".into(),
        ErrorKind::IsADirectory => "it is a folder: name a file".into(),
        _ => format!("it cannot be read: {error}"),
    };
    Error::Unreadable { path: path.into(), reason, absent }
}
