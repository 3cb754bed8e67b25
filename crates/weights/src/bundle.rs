//! Bundles: all files of a working system, named by one `bundle.toml`.
//!
//! | module | holds |
//! |---|---|
//! | [`manifest`] | `bundle.toml`: files with digest, licence and origin, networks, recipes |
//! | [`lock`] | `bundle.lock`: digest, size and time of what was pulled or imported |
//! | `store` | where the files lie: in the program, in a folder |
//! | `caution` | [`Caution`]: what has to be said of its numbers first |
//! | [`missing`] | absent files, and how each can be had |
//! | [`report`] | the state of every file, for `models ls` and `verify` |
//! | [`change`] | taking files in: pulled ones, imported ones |

mod caution;
pub mod change;
pub mod lock;
pub mod manifest;
pub mod missing;
pub mod report;
mod store;

use std::borrow::Cow;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use affekt_core::{Digest, FeatureKind};
use serde::de::DeserializeOwned;

use crate::Error;
pub use caution::Caution;
pub use lock::{Imported, Lock, Locked};
pub use manifest::{FileFacts, HubFile, Manifest, NetworkFiles, Numbers};
pub use missing::{Missing, Remedy};
use store::{Found, Store};

/// Name of the file that says what a bundle consists of.
pub const MANIFEST: &str = "bundle.toml";
/// Name of the file that records what was found behind each file.
pub const LOCK: &str = "bundle.lock";

/// A file that is part of the program: path inside the bundle, and bytes.
pub type EmbeddedFile = (&'static str, &'static [u8]);

/// An opened bundle. It may be partial: a missing file is an error only to those who ask for it.
#[derive(Clone, Debug)]
pub struct Bundle {
    manifest: Manifest,
    lock: Lock,
    store: Store,
    /// How commands name it.
    handle: String,
}

/// Where the weights of a network lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Part of the program.
    Embedded {
        /// Path inside the bundle.
        name: String,
        /// The safetensors file.
        bytes: &'static [u8],
    },
    /// One file.
    File(PathBuf),
    /// An index, beside which its shards lie.
    Sharded(PathBuf),
}

impl Bundle {
    /// Opens the bundle in `folder`.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let handle = folder.display().to_string();
        if !folder.join(MANIFEST).is_file() {
            return Err(Error::NoBundle { name: handle });
        }
        let store = Store { embedded: &[], folder: Some(folder.into()) };
        let text = store::read(&folder.join(MANIFEST))?;
        Self::new(&text, &folder.join(MANIFEST).display().to_string(), store, Some(handle))
    }

    /// Opens a bundle that is part of the program, `bundle.toml` and all.
    pub fn embedded(files: &'static [EmbeddedFile]) -> Result<Self, Error> {
        Self::defined(Store { embedded: files, folder: None })
    }

    /// Opens a bundle whose `bundle.toml` (and perhaps some small files) is part of the program, and whose other files
    /// lie in `folder`, which need not exist.
    pub fn built_in(files: &'static [EmbeddedFile], folder: PathBuf) -> Result<Self, Error> {
        Self::defined(Store { embedded: files, folder: Some(folder) })
    }

    fn defined(store: Store) -> Result<Self, Error> {
        let text = store.embedded.iter().find(|(name, _)| *name == MANIFEST);
        let (_, text) = text.ok_or_else(|| Error::NotFound { path: MANIFEST.into() })?;
        Self::new(text, "the embedded bundle.toml", store, None)
    }

    fn new(text: &[u8], origin: &str, store: Store, handle: Option<String>) -> Result<Self, Error> {
        let malformed = |reason: String| Error::Malformed { file: origin.into(), format: "bundle", reason };
        let text = std::str::from_utf8(text).map_err(|error| malformed(error.to_string()))?;
        let manifest = Manifest::parse(text).map_err(malformed)?;
        let lock = store.folder.as_deref().map(Lock::read).transpose()?.unwrap_or_default();
        lock.check(&manifest)?;
        let handle = handle.unwrap_or_else(|| manifest.name.clone());
        Ok(Self { manifest, lock, store, handle })
    }

    /// What `bundle.toml` says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What `bundle.lock` says.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The name that messages and results give it.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// What `--models` calls it: a name, or the path of its folder.
    pub fn handle(&self) -> &str {
        &self.handle
    }

    /// Where its files lie, those apart that are part of the program.
    pub fn folder(&self) -> Option<&Path> {
        self.store.folder.as_deref()
    }

    /// The bytes of a listed file; an error when it is missing, or when its digest is another than the listed one.
    pub fn file(&self, path: &str) -> Result<Cow<'static, [u8]>, Error> {
        match self.found(path)? {
            Found::Embedded(bytes) => {
                self.compare(path, || Ok(Digest::of(bytes)))?;
                Ok(Cow::Borrowed(bytes))
            }
            Found::File(place, _) => {
                let bytes = store::read(&place)?;
                self.compare(path, || Ok(Digest::of(&bytes)))?;
                Ok(bytes)
            }
        }
    }

    /// Where a listed file lies on disk, verified: where `bundle.lock` knows its size and time they are compared, else
    /// its bytes are read and their digest is.
    pub fn path(&self, path: &str) -> Result<PathBuf, Error> {
        let found = self.found(path)?;
        let Found::File(place, metadata) = found else {
            return Err(self.lacks(format!("file {path} on disk")));
        };
        let unchanged = self.lock.files.get(path).is_some_and(|locked| locked.is_unchanged(&metadata));
        if !unchanged {
            self.compare(path, || digest_of(&place))?;
        }
        Ok(place)
    }

    fn found(&self, path: &str) -> Result<Found, Error> {
        if !self.knows(path) {
            return Err(self.lacks(format!("file {path}")));
        }
        self.store.find(path)?.ok_or_else(|| Error::Missing {
            bundle: self.handle.clone(),
            missing: vec![self.missing_file(path)],
        })
    }

    /// Whether `bundle.toml` lists the file, or an import put it in the place of listed ones.
    fn knows(&self, path: &str) -> bool {
        self.manifest.files.contains_key(path) || self.lock.weights.values().any(|imported| imported == path)
    }

    /// Compares a digest, which is computed only where there is one to compare with.
    fn compare(&self, path: &str, digest: impl FnOnce() -> Result<Digest, Error>) -> Result<(), Error> {
        let Some(wanted) = self.known_digest(path) else { return Ok(()) };
        let got = digest()?;
        if got == *wanted {
            return Ok(());
        }
        let (bundle, file) = (self.name().to_owned(), path.to_owned());
        Err(Error::Digest { bundle, file, got: got.to_string(), wanted: wanted.to_string() })
    }

    /// The digest that `bundle.toml` or `bundle.lock` gives.
    pub fn known_digest(&self, path: &str) -> Option<&Digest> {
        let listed = self.manifest.files.get(path).and_then(|facts| facts.sha256.as_ref());
        listed.or_else(|| self.lock.files.get(path).map(|locked| &locked.sha256))
    }

    /// The files of the network `name`, as `bundle.toml` lists them.
    pub fn network(&self, name: &str) -> Result<&NetworkFiles, Error> {
        self.manifest.networks.get(name).ok_or_else(|| self.lacks(format!("network {name}")))
    }

    /// The weights files of the network `name`: the listed ones, or the one that was imported in their place.
    pub fn weights_files(&self, name: &str) -> Result<Vec<&str>, Error> {
        let listed = self.network(name)?;
        Ok(match self.lock.weights.get(name) {
            Some(imported) => vec![imported],
            None => listed.weights.iter().map(String::as_str).collect(),
        })
    }

    /// The configuration of the network `name`.
    pub fn config<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        let path = self.network(name)?.config.as_ref();
        let path = path.ok_or_else(|| self.lacks(format!("configuration of network {name}")))?;
        serde_json::from_slice(&self.file(path)?).map_err(|error| Error::Malformed {
            file: path.clone(),
            format: "configuration (JSON)",
            reason: error.to_string(),
        })
    }

    /// Where the weights of the network `name` lie, verified.
    pub fn weights(&self, name: &str) -> Result<Weights, Error> {
        let files = self.weights_files(name)?;
        if let [only] = files.as_slice()
            && let Found::Embedded(_) = self.found(only)?
        {
            return match self.file(only)? {
                Cow::Borrowed(bytes) => Ok(Weights::Embedded { name: (*only).to_owned(), bytes }),
                Cow::Owned(_) => Err(self.lacks(format!("embedded file {only}"))),
            };
        }
        let mut places = files.iter().map(|file| self.path(file)).collect::<Result<Vec<_>, _>>()?;
        let first = places.swap_remove(0);
        Ok(if places.is_empty() { Weights::File(first) } else { Weights::Sharded(first) })
    }

    /// SHA-256 of the weights of the network `name`: of the file where there is one, else of all their digests.
    pub fn weights_digest(&self, name: &str) -> Result<Digest, Error> {
        let files = self.weights_files(name)?;
        let digests = files.iter().map(|path| self.digest(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(match digests.as_slice() {
            [only] => only.clone(),
            all => Digest::of(all.iter().map(Digest::as_str).collect::<String>().as_bytes()),
        })
    }

    /// What else of the network `name` decides about its output: its configuration and its tokenizer, where it has them, each
    /// by its kind and its SHA-256.
    pub fn settings(&self, name: &str) -> Result<Vec<(&'static str, Digest)>, Error> {
        let listed = self.network(name)?;
        let files = [("config", &listed.config), ("tokenizer", &listed.tokenizer)];
        let there = files.into_iter().filter_map(|(kind, path)| Some((kind, path.as_deref()?)));
        there.map(|(kind, path)| Ok((kind, self.digest(path)?))).collect()
    }

    fn digest(&self, path: &str) -> Result<Digest, Error> {
        match self.known_digest(path) {
            Some(known) => Ok(known.clone()),
            None => match self.found(path)? {
                Found::Embedded(bytes) => Ok(Digest::of(bytes)),
                Found::File(place, _) => digest_of(&place),
            },
        }
    }

    /// Which files of these networks are not there.
    pub fn missing<'n>(&self, networks: impl IntoIterator<Item = &'n str>) -> Result<Vec<Missing>, Error> {
        let mut missing: Vec<Missing> = Vec::new();
        for name in networks {
            let listed = self.network(name)?;
            let weights = self.weights_files(name)?;
            let others = listed.config.iter().chain(&listed.tokenizer).map(String::as_str);
            for path in others.chain(weights) {
                let known = missing.iter().any(|missing| missing.file == path);
                if !known && self.store.find(path)?.is_none() {
                    missing.push(self.missing_file(path));
                }
            }
        }
        Ok(missing)
    }

    /// An error that lists every missing file of these networks, with its remedy.
    pub fn require<'n>(&self, networks: impl IntoIterator<Item = &'n str>) -> Result<(), Error> {
        let missing = self.missing(networks)?;
        if missing.is_empty() { Ok(()) } else { Err(Error::Missing { bundle: self.handle.clone(), missing }) }
    }

    fn missing_file(&self, path: &str) -> Missing {
        let facts = self.manifest.files.get(path);
        let remedy = match facts.map(|facts| (&facts.hub, &facts.import)) {
            Some((Some(_), _)) => Remedy::Pull,
            Some((None, Some(page))) => Remedy::Import { page: page.clone() },
            _ => Remedy::Restore,
        };
        let owner = self.manifest.networks.iter().find(|(_, files)| files.weights == [path]);
        let target = owner.map_or(path, |(network, _)| network);
        Missing { file: path.to_owned(), target: target.to_owned(), remedy }
    }

    /// The recipe of a feature, as the type that the caller knows it by.
    pub fn recipe<T: DeserializeOwned>(&self, feature: FeatureKind) -> Result<T, Error> {
        let table = self.manifest.features.get(&feature);
        let table = table.ok_or_else(|| self.lacks(format!("recipe for feature {}", feature.name())))?;
        table.clone().try_into().map_err(|error: toml::de::Error| Error::Malformed {
            file: format!("{MANIFEST} of bundle {}, [features.{}]", self.name(), feature.name()),
            format: "recipe",
            reason: error.to_string(),
        })
    }

    fn lacks(&self, what: String) -> Error {
        Error::NotInBundle { bundle: self.name().to_owned(), what }
    }
}

/// SHA-256 of a file on disk, read block by block.
pub(crate) fn digest_of(path: &Path) -> Result<Digest, Error> {
    let io = |source| Error::Io { path: path.into(), source };
    debug_assert!(!fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()), "folders have no digest");
    Ok(Digest::of_reader(File::open(path).map_err(io)?).map_err(io)?.0)
}
