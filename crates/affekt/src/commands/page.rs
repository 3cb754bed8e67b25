//! The file of `--report`: refused before the work where it cannot be written, and there as a whole or not at all.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use affekt_core::{ErrorKind, Explain};
use affekt_report::page::{Entry, Page};
use affekt_report::training::Made;
use tempfile::NamedTempFile;

use super::made::made;

/// Where the page goes.
pub struct Target {
    path: PathBuf,
    /// Whether it is no regular file but a pipe or a device, which is written to as it is.
    special: bool,
}

/// A page that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the report {} cannot be written: {source}", path.display())]
pub struct Unwritable {
    path: PathBuf,
    source: io::Error,
}

impl Unwritable {
    /// The file.
    pub fn input(&self) -> String {
        self.path.display().to_string()
    }
}

impl Explain for Unwritable {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unwritable
    }

    fn hint(&self) -> Option<String> {
        Some("name a file in a folder that exists and may be written to, such as --report report.html".into())
    }
}

impl Target {
    /// Looks whether `path` can be written, so that a folder that is not there shows before the work and not after it.
    pub fn open(path: &Path) -> Result<Self, Unwritable> {
        let special = fs::metadata(path).is_ok_and(|found| !found.is_file());
        let target = Self { path: path.into(), special };
        if path.is_dir() {
            return Err(target.unwritable(io::ErrorKind::IsADirectory.into()));
        }
        if !special {
            target.draft()?;
        }
        Ok(target)
    }

    /// A file beside the target, gone when dropped.
    fn draft(&self) -> Result<NamedTempFile, Unwritable> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut draft = tempfile::Builder::new();
        draft.prefix(".affekt-").suffix(".html");
        let draft = readable(&mut draft).tempfile_in(folder.unwrap_or(Path::new(".")));
        // The error of the draft names the draft.
        draft.map_err(|error| self.unwritable(error.kind().into()))
    }

    fn unwritable(&self, source: io::Error) -> Unwritable {
        Unwritable { path: self.path.clone(), source }
    }

    /// Writes the page; returns where it is.
    pub fn write(self, entries: Vec<Entry>) -> Result<PathBuf, Unwritable> {
        let html = page(entries).html();
        let written = if self.special {
            fs::write(&self.path, html)
        } else {
            let mut draft = self.draft()?;
            draft
                .write_all(html.as_bytes())
                .and_then(|()| draft.persist(&self.path).map(|_| ()).map_err(|error| error.error))
        };
        match written {
            Ok(()) => Ok(self.path),
            Err(source) => Err(self.unwritable(source)),
        }
    }
}

/// As readable as any file that a program makes: a temporary one would be its owner's alone.
#[cfg(unix)]
pub fn readable<'b, 'a, 'c>(builder: &'b mut tempfile::Builder<'a, 'c>) -> &'b mut tempfile::Builder<'a, 'c> {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
pub fn readable<'b, 'a, 'c>(builder: &'b mut tempfile::Builder<'a, 'c>) -> &'b mut tempfile::Builder<'a, 'c> {
    builder
}

fn page(entries: Vec<Entry>) -> Page {
    let title = match entries.as_slice() {
        [only] => Path::new(only.input()).file_name().unwrap_or_default().to_string_lossy().into_owned(),
        several => format!("{} recordings", several.len()),
    };
    let Made { program, command, made } = made();
    Page { title, program, command, made, entries }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_there_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        fs::write(&path, "the old one").unwrap();
        drop(Target::open(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "the old one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft stays behind");
        Target::open(&path).unwrap().write(Vec::new()).unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with("<!DOCTYPE html>"));
    }

    #[test]
    fn what_cannot_be_written_shows_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("absent/report.html"), folder.path().to_path_buf()] {
            let error = Target::open(&path).err().unwrap();
            assert!(error.to_string().contains(&error.input()) && error.hint().is_some(), "{error}");
        }
    }
}
