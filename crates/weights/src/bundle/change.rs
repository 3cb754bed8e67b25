//! Taking files into a bundle. Whatever happens, a file is whole or as before, and so is `bundle.lock`.

use std::fs;
use std::path::{Path, PathBuf};

use affekt_core::Digest;

use super::lock::partial;
use super::report::{Verdict, Verified};
use super::{Bundle, HubFile, Imported, Lock, Locked, digest_of};
use crate::Error;

impl Bundle {
    /// Where a listed file belongs on disk. An error for a bundle that is part of the program as a whole.
    pub fn place(&self, path: &str) -> Result<PathBuf, Error> {
        let folder = self.folder().ok_or_else(|| self.lacks("folder: it is part of the program".into()))?;
        if !self.knows(path) {
            return Err(self.lacks(format!("file {path}")));
        }
        if self.store.embedded.iter().any(|(name, _)| *name == path) {
            return Err(self.lacks(format!("place for {path}: it is part of the program")));
        }
        Ok(folder.join(path))
    }

    /// Takes in a file of the hub's cache, whose digest has been compared: it stays there, the bundle links to it.
    pub fn take_pulled(
        &mut self,
        path: &str,
        cached: &Path,
        sha256: Digest,
        hub: HubFile,
    ) -> Result<(), Error> {
        let place = self.place(path)?;
        let cached =
            std::path::absolute(cached).map_err(|source| Error::Io { path: cached.into(), source })?;
        link(&cached, &place)?;
        let locked = Locked { hub: Some(hub), ..Locked::of(&place, sha256)? };
        self.update(|lock| {
            lock.files.insert(path.into(), locked);
        })
    }

    /// Takes in the weights that `write` writes to the path it is given, as those of `network`; `imported` says what
    /// they were made from. Returns the path inside the bundle and the digest.
    pub fn take_weights(
        &mut self,
        network: &str,
        imported: Imported,
        write: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<(String, Digest), Error> {
        let listed = self.network(network)?;
        let (path, stands_in) = (listed.converted(), listed.weights != [listed.converted()]);
        let folder = self.folder().ok_or_else(|| self.lacks("folder: it is part of the program".into()))?;
        let place = folder.join(&path);
        let pinned = self.manifest.files.get(&path).and_then(|facts| facts.sha256.as_ref());
        let sha256 = take(&place, |partial| {
            write(partial)?;
            match (pinned, digest_of(partial)?) {
                (Some(wanted), got) if got != *wanted => {
                    let (bundle, file) = (self.name().to_owned(), path.clone());
                    Err(Error::Digest { bundle, file, got: got.to_string(), wanted: wanted.to_string() })
                }
                _ => Ok(()),
            }
        })?;
        let locked = Locked { imported: Some(imported), ..Locked::of(&place, sha256.clone())? };
        let (name, file) = (network.to_owned(), path.clone());
        self.update(|lock| {
            lock.files.insert(file.clone(), locked);
            if stands_in {
                lock.weights.insert(name, file);
            }
        })?;
        Ok((path, sha256))
    }

    /// Takes in a copy of `source` as the listed file `path`. Its digest must be the known one, where one is known.
    pub fn take_copy(&mut self, path: &str, source: &Path) -> Result<Digest, Error> {
        let place = self.place(path)?;
        let sha256 = digest_of(source)?;
        if let Some(wanted) = self.manifest.files.get(path).and_then(|facts| facts.sha256.as_ref())
            && *wanted != sha256
        {
            let (file, wanted) = (source.display().to_string(), wanted.to_string());
            let (bundle, got) = (self.name().to_owned(), sha256.to_string());
            return Err(Error::Digest { bundle, file, got, wanted });
        }
        let copied = take(&place, |partial| {
            let copied = fs::copy(source, partial).map(|_| ());
            copied.map_err(|error| Error::Write { path: partial.into(), reason: error.to_string() })
        })?;
        if copied != sha256 {
            let reason = "it changed while it was read".into();
            return Err(Error::Malformed { file: source.display().to_string(), format: "bundle", reason });
        }
        let imported = Some(Imported { name: file_name(source), sha256: sha256.clone() });
        let locked = Locked { imported, ..Locked::of(&place, sha256.clone())? };
        let listed =
            |network: &String| self.manifest.networks.get(network).map(|files| files.weights.clone());
        // Weights that were imported in its place earlier count no longer.
        let replaced: Vec<String> = self.lock.weights.keys().cloned().collect();
        let replaced = replaced.into_iter().filter(|name| listed(name).is_some_and(|files| files == [path]));
        let replaced: Vec<String> = replaced.collect();
        self.update(|lock| {
            lock.files.insert(path.into(), locked);
            lock.weights.retain(|network, _| !replaced.contains(network));
        })?;
        Ok(sha256)
    }

    /// Records size and time of every file that was found right, so that it is not read again before it changes.
    pub fn confirm(&mut self, verified: &[(String, Digest)]) -> Result<(), Error> {
        let mut confirmed = Vec::new();
        for (path, sha256) in verified {
            // What is part of the program has no place on disk and needs no record.
            let Ok(place) = self.place(path) else { continue };
            let known = self.lock.files.get(path);
            let (hub, imported) =
                known.map_or((None, None), |known| (known.hub.clone(), known.imported.clone()));
            let locked = Locked { hub, imported, ..Locked::of(&place, sha256.clone())? };
            if known != Some(&locked) {
                confirmed.push((path.clone(), locked));
            }
        }
        if confirmed.is_empty() { Ok(()) } else { self.update(|lock| lock.files.extend(confirmed)) }
    }

    /// Changes `bundle.lock`, as it is on disk now: another process may have written it meanwhile.
    fn update(&mut self, change: impl FnOnce(&mut Lock)) -> Result<(), Error> {
        let Some(folder) = self.store.folder.clone() else { return Ok(()) };
        let mut lock = Lock::read(&folder)?;
        change(&mut lock);
        lock.check(&self.manifest)?;
        lock.write(&folder)?;
        self.lock = lock;
        Ok(())
    }
}

/// The files that were found right, as [`Bundle::confirm`] takes them.
pub fn right(verified: &[Verified<'_>]) -> Vec<(String, Digest)> {
    let right = verified.iter().filter(|file| file.verdict == Verdict::Right);
    right.filter_map(|file| Some((file.path.to_owned(), file.sha256.clone()?))).collect()
}

/// The last name of a path.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Lets `write` write a file under a temporary name, syncs it, gives it its name and returns its digest.
fn take(place: &Path, write: impl FnOnce(&Path) -> Result<(), Error>) -> Result<Digest, Error> {
    let failed = |error: std::io::Error| Error::Write { path: place.into(), reason: error.to_string() };
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let partial = partial(place);
    let taken = write(&partial).and_then(|()| digest_of(&partial)).and_then(|sha256| {
        fs::File::open(&partial).and_then(|file| file.sync_all()).map_err(failed)?;
        fs::rename(&partial, place).map_err(failed)?;
        Ok(sha256)
    });
    if taken.is_err() {
        let _ = fs::remove_file(&partial);
    }
    taken
}

/// Makes `place` stand for `cached`: by a symbolic link where the system allows one, else by a hard link or a copy.
fn link(cached: &Path, place: &Path) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::Write { path: place.into(), reason: error.to_string() };
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let partial = partial(place);
    let _ = fs::remove_file(&partial);
    symlink(cached, &partial)
        .or_else(|_| fs::canonicalize(cached).and_then(|blob| fs::hard_link(blob, &partial)))
        .or_else(|_| fs::copy(cached, &partial).map(|_| ()))
        .and_then(|()| fs::rename(&partial, place))
        .map_err(failed)
}

#[cfg(unix)]
fn symlink(to: &Path, at: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(not(unix))]
fn symlink(_to: &Path, _at: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}
