//! The file of a run record.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use affekt_core::{ErrorKind, Explain};

use super::RunRecord;

/// Folder of run records inside a cache. Its name is that of no feature, so that the store leaves it alone.
const FOLDER: &str = "runs";
/// Letters of the host's name that count.
const HOST: usize = 64;

/// A run record that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the run record {} cannot be written: {source}", path.display())]
pub struct Unwritable {
    path: PathBuf,
    source: io::Error,
}

impl Explain for Unwritable {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unwritable
    }

    fn hint(&self) -> Option<String> {
        Some("make room on the disk of the cache, or get the right to write into it".into())
    }
}

impl RunRecord {
    /// Where the record of this run, by process `pid`, lies in `cache`: `runs/20261121T220005Z-<host>-<pid>.json`.
    pub fn path(&self, cache: &Path, pid: u32) -> PathBuf {
        // The basic form of the same standard, to the second.
        let moment = self.started.split(['.', '+', 'Z']).next().unwrap_or_default();
        let moment: String = moment.chars().filter(char::is_ascii_alphanumeric).collect();
        let host = safe(self.host.name.as_deref().unwrap_or_default());
        cache.join(FOLDER).join(format!("{moment}Z-{host}-{pid}.json"))
    }

    /// Writes the record as the file `path`, in the place of the one before it: under a temporary name beside it, synced,
    /// renamed. The folder is made where it is missing. Only one process writes a file.
    pub fn save(&self, path: &Path) -> Result<(), Unwritable> {
        write(path, &self.json()).map_err(|source| Unwritable { path: path.into(), source })
    }

    /// The JSON text, a member a line, ending in a line break.
    fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a record is plain data") + "\n"
    }
}

/// A host's name as part of a file name.
fn safe(host: &str) -> String {
    let letter = |letter: char| match letter {
        letter if letter.is_ascii_alphanumeric() || ".-_".contains(letter) => letter,
        _ => '_',
    };
    let name: String = host.chars().take(HOST).map(letter).collect();
    if name.is_empty() { "host".into() } else { name }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let temporary = path.with_extension("json.tmp");
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Best effort: the error that matters is the first one.
        let _ = fs::remove_file(&temporary);
    }
    // A new name is on the disk only once its folder is.
    written.and_then(|()| if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) })
}
