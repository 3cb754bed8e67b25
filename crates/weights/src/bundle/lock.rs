//! `bundle.lock`: what was found behind each file when it came.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use affekt_core::Digest;
use serde::{Deserialize, Serialize};

use super::manifest::HubFile;
use super::{LOCK, Manifest};
use crate::Error;

/// Version of the file's layout.
const VERSION: u32 = 1;
const HEAD: &str =
    "# Written by affekt: what was found behind each file when it was pulled, imported or verified.\n";

/// What `bundle.lock` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// Network name -> weights that were imported in place of those that `bundle.toml` names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, String>,
    /// Path inside the bundle -> what is there.
    #[serde(default)]
    pub files: BTreeMap<String, Locked>,
}

/// What was found behind one file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Size in bytes.
    pub size: u64,
    /// When it was last changed, in nanoseconds since 1970: a file of this size and time is taken for unchanged.
    pub modified_ns: i64,
    /// Where it was pulled from, with the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubFile>,
    /// What it was imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
}

/// The file that a user brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// Its name, without the folder.
    pub name: String,
    /// SHA-256 of its bytes; of a folder, that of its files' digests.
    pub sha256: Digest,
}

impl Default for Lock {
    fn default() -> Self {
        Self { version: VERSION, weights: BTreeMap::new(), files: BTreeMap::new() }
    }
}

impl Locked {
    /// The facts of the file at `path`, whose digest is known.
    pub fn of(path: &Path, sha256: Digest) -> Result<Self, Error> {
        let metadata = fs::metadata(path).map_err(|source| Error::Io { path: path.into(), source })?;
        let (size, modified_ns) = (metadata.len(), modified_ns(&metadata));
        Ok(Self { sha256, size, modified_ns, hub: None, imported: None })
    }

    /// Whether the file on disk still has the size and time that were recorded.
    pub fn is_unchanged(&self, metadata: &Metadata) -> bool {
        metadata.len() == self.size && modified_ns(metadata) == self.modified_ns
    }
}

impl Lock {
    /// Reads the lock of the bundle in `folder`; an empty one where there is none.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(LOCK);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(Error::Io { path, source }),
        };
        let malformed = |reason: String| Error::Malformed {
            file: path.display().to_string(),
            format: "bundle.lock",
            reason,
        };
        let lock: Self = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        if lock.version != VERSION {
            return Err(malformed(format!(
                "it has version {}, this affekt reads version {VERSION}",
                lock.version
            )));
        }
        Ok(lock)
    }

    /// Writes the lock into `folder`, by way of a temporary name, so that it is whole or as before.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let failed = |reason: String| Error::Write { path: folder.join(LOCK), reason };
        let text = toml::to_string(self).map_err(|error| failed(error.to_string()))?;
        let text = format!("{HEAD}{text}");
        write_whole(&folder.join(LOCK), |file| file.write_all(text.as_bytes()))
    }

    /// That no file has one digest in `bundle.toml` and another here, and that every entry is one of its files.
    pub fn check(&self, manifest: &Manifest) -> Result<(), Error> {
        for (network, path) in &self.weights {
            let files = manifest.networks.get(network);
            if files.is_none_or(|files| files.converted() != *path) {
                let reason = format!("weights.{network} = {path:?} is not for a network of this bundle");
                let (file, format) = (format!("{LOCK} of bundle {}", manifest.name), LOCK);
                return Err(Error::Malformed { file, format, reason });
            }
        }
        for (path, locked) in &self.files {
            let facts = manifest.files.get(path);
            if facts.is_none() && !self.weights.values().any(|imported| imported == path) {
                continue; // Of an earlier bundle.toml: nothing refers to it any more.
            }
            if let Some(wanted) = facts.and_then(|facts| facts.sha256.as_ref())
                && *wanted != locked.sha256
            {
                let (bundle, file) = (manifest.name.clone(), path.clone());
                let (manifest, lock) = (wanted.to_string(), locked.sha256.to_string());
                return Err(Error::LockDisagrees { bundle, file, manifest, lock });
            }
        }
        Ok(())
    }
}

/// Writes a file by way of a temporary name beside it, so that it is whole or as before.
pub(crate) fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut fs::File) -> std::io::Result<()>,
) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::Write { path: path.into(), reason: error.to_string() };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let partial = partial(path);
    let written = fs::File::create(&partial)
        .and_then(|mut file| fill(&mut file).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&partial, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&partial);
        failed(error)
    })
}

/// The temporary name of a file that this process writes.
pub(crate) fn partial(path: &Path) -> PathBuf {
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    partial.into()
}

fn modified_ns(metadata: &Metadata) -> i64 {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Lock::read(folder.path()).unwrap(), Lock::default());
        let path = folder.path().join("a");
        fs::write(&path, b"abc").unwrap();
        let mut locked = Locked::of(&path, Digest::of(b"abc")).unwrap();
        locked.hub = Some(HubFile { repo: "o/n".into(), revision: "c0ffee".into(), file: "a".into() });
        locked.imported = Some(Imported { name: "a.pt".into(), sha256: Digest::of(b"") });
        assert!(locked.is_unchanged(&fs::metadata(&path).unwrap()));
        let mut lock = Lock::default();
        lock.files.insert("a".into(), locked);
        lock.weights.insert("llama".into(), "llama/model.safetensors".into());
        lock.write(folder.path()).unwrap();
        assert_eq!(Lock::read(folder.path()).unwrap(), lock);
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 2, "no temporary file stays");
    }

    #[test]
    fn another_version_or_unknown_members_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (text, named) in
            [("version = 2", "version 2"), ("version = 1\nx = 1", "x"), ("version", "bundle.lock")]
        {
            fs::write(folder.path().join(LOCK), text).unwrap();
            let error = Lock::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
