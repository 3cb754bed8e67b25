//! Bundles: all files of a working system, named by one `bundle.toml`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use affekt_core::{Digest, FeatureKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Checkpoint, Error};

const MANIFEST: &str = "bundle.toml";

/// What `bundle.toml` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the bundle.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Whether training has given its weights a meaning.
    pub trained: bool,
    /// Network name -> its files.
    pub networks: BTreeMap<String, NetworkFiles>,
    /// Feature -> recipe; read by the pipelines, which know the networks.
    pub features: BTreeMap<FeatureKind, toml::Table>,
    /// Every file, by path inside the bundle.
    pub files: BTreeMap<String, FileFacts>,
}

/// The files of one network, by path inside the bundle.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkFiles {
    /// Configuration (JSON).
    pub config: String,
    /// Weights (safetensors).
    pub weights: String,
    /// Tokenizer (JSON), for a language model.
    pub tokenizer: Option<String>,
}

/// What is known of one file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileFacts {
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// SPDX expression.
    pub licence: String,
    /// Where it comes from.
    pub source: String,
}

/// A file that is part of the program: path inside the bundle, and bytes.
pub type EmbeddedFile = (&'static str, &'static [u8]);

/// An opened bundle.
#[derive(Clone, Debug)]
pub struct Bundle {
    manifest: Manifest,
    store: Store,
}

#[derive(Clone, Debug)]
enum Store {
    Folder(PathBuf),
    Embedded(&'static [EmbeddedFile]),
}

impl Bundle {
    /// Opens the bundle in `folder`.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        if !folder.join(MANIFEST).is_file() {
            return Err(Error::NoBundle { name: folder.display().to_string() });
        }
        Self::new(Store::Folder(folder.into()), &folder.join(MANIFEST).display().to_string())
    }

    /// Opens a bundle that is part of the program.
    pub fn embedded(files: &'static [EmbeddedFile]) -> Result<Self, Error> {
        Self::new(Store::Embedded(files), "the embedded bundle.toml")
    }

    fn new(store: Store, origin: &str) -> Result<Self, Error> {
        let malformed = |reason: String| Error::Malformed { file: origin.into(), format: "bundle", reason };
        let bytes = store.read(MANIFEST)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| malformed(error.to_string()))?;
        let manifest: Manifest = toml::from_str(text).map_err(|error| malformed(error.to_string()))?;
        let outside = |path: &&String| Path::new(path).components().any(|part| !is_name(part));
        if let Some(path) = manifest.files.keys().find(outside) {
            return Err(malformed(format!("{path:?} lies outside the bundle")));
        }
        Ok(Self { manifest, store })
    }

    /// What `bundle.toml` says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The name that messages and results give it.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// The bytes of a listed file; an error when their digest is not the listed one.
    pub fn file(&self, path: &str) -> Result<Cow<'static, [u8]>, Error> {
        let facts = self.manifest.files.get(path).ok_or_else(|| self.lacks(format!("file {path}")))?;
        let bytes = self.store.read(path)?;
        let (got, wanted) = (Digest::of(&bytes), &facts.sha256);
        if got != *wanted {
            let (bundle, file) = (self.name().to_owned(), path.to_owned());
            return Err(Error::Digest { bundle, file, got: got.to_string(), wanted: wanted.to_string() });
        }
        Ok(bytes)
    }

    /// The files of the network `name`.
    pub fn network(&self, name: &str) -> Result<&NetworkFiles, Error> {
        self.manifest.networks.get(name).ok_or_else(|| self.lacks(format!("network {name}")))
    }

    /// The configuration of the network `name`.
    pub fn config<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        let path = &self.network(name)?.config;
        serde_json::from_slice(&self.file(path)?).map_err(|error| Error::Malformed {
            file: path.clone(),
            format: "configuration (JSON)",
            reason: error.to_string(),
        })
    }

    /// The weights of the network `name`, verified.
    pub fn checkpoint(&self, name: &str) -> Result<Checkpoint, Error> {
        let path = &self.network(name)?.weights;
        let bytes = self.file(path)?;
        match (&self.store, bytes) {
            (Store::Folder(folder), _) => Checkpoint::open(&folder.join(path)),
            (Store::Embedded(_), Cow::Borrowed(bytes)) => Checkpoint::embedded(path, bytes),
            (Store::Embedded(_), Cow::Owned(_)) => Err(self.lacks(format!("embedded file {path}"))),
        }
    }

    /// The listed digest of the weights of the network `name`.
    pub fn weights_digest(&self, name: &str) -> Result<Digest, Error> {
        let path = &self.network(name)?.weights;
        let facts = self.manifest.files.get(path).ok_or_else(|| self.lacks(format!("file {path}")))?;
        Ok(facts.sha256.clone())
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

impl Store {
    fn read(&self, path: &str) -> Result<Cow<'static, [u8]>, Error> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(path);
                std::fs::read(&path).map(Cow::Owned).map_err(|source| match source.kind() {
                    std::io::ErrorKind::NotFound => Error::NotFound { path },
                    _ => Error::Io { path, source },
                })
            }
            Self::Embedded(files) => {
                let found = files.iter().find(|(name, _)| *name == path);
                found
                    .map(|(_, bytes)| Cow::Borrowed(*bytes))
                    .ok_or_else(|| Error::NotFound { path: path.into() })
            }
        }
    }
}

fn is_name(part: std::path::Component) -> bool {
    matches!(part, std::path::Component::Normal(_))
}
