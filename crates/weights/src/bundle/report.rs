//! The state of every file.

use affekt_core::Digest;

use super::store::Found;
use super::{Bundle, FileFacts, Imported, Remedy, digest_of};
use crate::Error;

/// Whether a file is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Part of the program.
    Embedded,
    /// In the bundle's folder, or linked from it.
    Present,
    /// Not there.
    Missing(Remedy),
}

/// What is known about the bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestState {
    /// `bundle.toml` says what they must be.
    Pinned,
    /// `bundle.lock` says what they were when the file came.
    Locked,
    /// Nobody knows yet.
    Unknown,
}

/// One row of `models ls`.
#[derive(Clone, Debug)]
pub struct FileState<'b> {
    /// Path inside the bundle.
    pub path: &'b str,
    /// Whether it is there.
    pub presence: Presence,
    /// Its size in bytes: of the file that is there, else the known one.
    pub size: Option<u64>,
    /// What is known about its bytes.
    pub digest: DigestState,
    /// SHA-256, where known.
    pub sha256: Option<&'b Digest>,
    /// Commit on the hub that it came from, or is pinned to.
    pub revision: Option<&'b str>,
    /// What it was imported from.
    pub imported: Option<&'b Imported>,
    /// What `bundle.toml` says; `None` for imported weights that stand in for listed ones.
    pub facts: Option<&'b FileFacts>,
}

/// What came out of comparing the bytes of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As they must be.
    Right,
    /// Other ones.
    Wrong {
        /// What they must be.
        wanted: Digest,
    },
    /// There is nothing to compare with.
    Unknown,
    /// Not there.
    Missing,
}

/// One row of `models verify`.
#[derive(Clone, Debug)]
pub struct Verified<'b> {
    /// Path inside the bundle.
    pub path: &'b str,
    /// Digest of what is there.
    pub sha256: Option<Digest>,
    /// What came out.
    pub verdict: Verdict,
}

impl Bundle {
    /// The state of every file: the listed ones, and imported weights that stand in for them.
    pub fn files(&self) -> Result<Vec<FileState<'_>>, Error> {
        self.paths().map(|path| self.state(path)).collect()
    }

    /// Paths of the listed files, and of imported weights that stand in for them.
    fn paths(&self) -> impl Iterator<Item = &str> {
        let imported = self.lock.weights.values().filter(|path| !self.manifest.files.contains_key(*path));
        self.manifest.files.keys().chain(imported).map(String::as_str)
    }

    fn state<'b>(&'b self, path: &'b str) -> Result<FileState<'b>, Error> {
        let facts = self.manifest.files.get(path);
        let locked = self.lock.files.get(path);
        let (presence, size) = match self.store.find(path)? {
            Some(Found::Embedded(bytes)) => (Presence::Embedded, Some(bytes.len() as u64)),
            Some(Found::File(_, metadata)) => (Presence::Present, Some(metadata.len())),
            None => {
                let known = facts.and_then(|facts| facts.size).or(locked.map(|locked| locked.size));
                (Presence::Missing(self.missing_file(path).remedy), known)
            }
        };
        let pinned = facts.and_then(|facts| facts.sha256.as_ref());
        let digest = match (pinned, locked) {
            (Some(_), _) => DigestState::Pinned,
            (None, Some(_)) => DigestState::Locked,
            (None, None) => DigestState::Unknown,
        };
        let listed = facts.and_then(|facts| facts.hub.as_ref());
        let revision =
            locked.and_then(|locked| locked.hub.as_ref()).or(listed).map(|hub| hub.revision.as_str());
        Ok(FileState {
            path,
            presence,
            size,
            digest,
            sha256: self.known_digest(path),
            revision: revision.filter(|revision| !revision.is_empty()),
            imported: locked.and_then(|locked| locked.imported.as_ref()),
            facts,
        })
    }

    /// Reads every file and compares its digest; `each` hears of each file before it is read.
    pub fn verify(&self, mut each: impl FnMut(&str)) -> Result<Vec<Verified<'_>>, Error> {
        let verify = |path| {
            each(path);
            self.verify_file(path)
        };
        self.paths().map(verify).collect()
    }

    fn verify_file<'b>(&'b self, path: &'b str) -> Result<Verified<'b>, Error> {
        let sha256 = match self.store.find(path)? {
            None => return Ok(Verified { path, sha256: None, verdict: Verdict::Missing }),
            Some(Found::Embedded(bytes)) => Digest::of(bytes),
            Some(Found::File(place, _)) => digest_of(&place)?,
        };
        let verdict = match self.known_digest(path) {
            None => Verdict::Unknown,
            Some(wanted) if *wanted == sha256 => Verdict::Right,
            Some(wanted) => Verdict::Wrong { wanted: wanted.clone() },
        };
        Ok(Verified { path, sha256: Some(sha256), verdict })
    }
}
