//! `bundle.toml`: what a bundle consists of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use affekt_core::{Digest, FeatureKind};
use candle_core::DType;
use serde::{Deserialize, Deserializer, Serialize};

use super::{LOCK, MANIFEST};

/// What `bundle.toml` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the bundle.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Whether training has given its weights a meaning; a network may say otherwise of itself.
    pub trained: bool,
    /// What little world a trained bundle knows, where it knows no more: a phrase without a full stop.
    pub world: Option<String>,
    /// Network name -> its files.
    pub networks: BTreeMap<String, NetworkFiles>,
    /// Feature -> recipe; read by the pipelines, which know the networks.
    pub features: BTreeMap<FeatureKind, toml::Table>,
    /// Every file, by path inside the bundle.
    pub files: BTreeMap<String, FileFacts>,
}

/// The files of one network, by path inside the bundle, and the numbers inside it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkFiles {
    /// Configuration (JSON); absent for a network of one size.
    pub config: Option<String>,
    /// Weights: one file, or an index and then its shards.
    #[serde(deserialize_with = "one_or_more")]
    pub weights: Vec<String>,
    /// Tokenizer, for a language model.
    pub tokenizer: Option<String>,
    /// Numbers inside the network; `f32` where nothing is said.
    #[serde(default)]
    pub dtype: Numbers,
    /// Whether training has given its weights a meaning, where that is otherwise than for the bundle.
    pub trained: Option<bool>,
}

impl NetworkFiles {
    /// Every file of the network.
    pub fn all(&self) -> impl Iterator<Item = &String> {
        self.config.iter().chain(&self.weights).chain(&self.tokenizer)
    }

    /// Where imported weights go: in place of the listed file where that is safetensors, else beside the listed ones.
    pub fn converted(&self) -> String {
        match self.weights.as_slice() {
            [only] if only.ends_with(".safetensors") => only.clone(),
            files => match files.first().and_then(|first| first.rsplit_once('/')) {
                Some((folder, _)) => format!("{folder}/model.safetensors"),
                None => "model.safetensors".into(),
            },
        }
    }
}

/// Types of the numbers inside a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Numbers {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits, 10 of mantissa.
    F16,
    /// 16 bits, 7 of mantissa.
    Bf16,
}

impl From<Numbers> for DType {
    fn from(numbers: Numbers) -> Self {
        match numbers {
            Numbers::F32 => Self::F32,
            Numbers::F16 => Self::F16,
            Numbers::Bf16 => Self::BF16,
        }
    }
}

/// What is known of one file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileFacts {
    /// SHA-256 of its bytes; absent or empty where no one has published it, then `bundle.lock` holds what was found.
    #[serde(default, deserialize_with = "maybe_digest")]
    pub sha256: Option<Digest>,
    /// Its size in bytes, where known.
    pub size: Option<u64>,
    /// SPDX expression, or the licence's name.
    pub licence: String,
    /// Where it comes from, and where its licence and digest were read.
    pub source: String,
    /// Where on the hub it can be pulled from.
    pub hub: Option<HubFile>,
    /// The page on which the authors hand it out by a link: it can only be imported.
    pub import: Option<String>,
}

/// A file on the Hugging Face hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubFile {
    /// `owner/name`.
    pub repo: String,
    /// Commit, tag or branch; empty where none is pinned: then `main`, and `bundle.lock` keeps the commit.
    #[serde(default)]
    pub revision: String,
    /// Path inside the repository.
    pub file: String,
}

impl Manifest {
    /// Parses and checks the text of a `bundle.toml`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        if !is_plain(&self.name) || self.name.contains('/') {
            return Err(format!("the name {:?} is no plain file name", self.name));
        }
        match &self.world {
            Some(world) if world.trim().is_empty() => {
                return Err("world is empty: say what it is, or leave it out".into());
            }
            Some(_) if !self.trained => {
                return Err("world says what a trained bundle knows, and trained is false".into());
            }
            _ => {}
        }
        let paths: BTreeSet<&String> = self.files.keys().collect();
        for (path, facts) in &self.files {
            if !is_plain(path) {
                return Err(format!("{path:?} lies outside the bundle"));
            }
            if [MANIFEST, LOCK].contains(&path.as_str()) {
                return Err(format!("{path:?} cannot be listed: it is the bundle's own"));
            }
            if let Some(inside) = paths.iter().find(|other| other.starts_with(&format!("{path}/"))) {
                return Err(format!("{path:?} is a file, and {inside:?} lies in it"));
            }
            facts.check().map_err(|reason| format!("files.{path:?}: {reason}"))?;
        }
        for (network, files) in &self.networks {
            if files.weights.is_empty() {
                return Err(format!("networks.{network}: weights names no file"));
            }
            if let Some(path) = files.all().find(|path| !paths.contains(path)) {
                return Err(format!("networks.{network} names {path:?}, which [files] does not list"));
            }
        }
        Ok(())
    }

    /// The network that the file belongs to.
    pub fn owner(&self, path: &str) -> Option<&str> {
        let owner = self.networks.iter().find(|(_, files)| files.all().any(|file| file == path));
        owner.map(|(network, _)| network.as_str())
    }
}

impl FileFacts {
    fn check(&self) -> Result<(), String> {
        if self.hub.is_some() && self.import.is_some() {
            return Err("it says both hub and import: name one".into());
        }
        let Some(HubFile { repo, revision, file }) = &self.hub else { return Ok(()) };
        let word = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let plain_words = |text: &str| is_plain(text) && text.split('/').all(word);
        if !plain_words(repo) || repo.split('/').count() != 2 {
            return Err(format!("hub.repo {repo:?} is not of the form owner/name"));
        }
        if !revision.is_empty() && !plain_words(revision) {
            return Err(format!("hub.revision {revision:?} is no commit, tag or branch"));
        }
        if !plain_words(file) {
            return Err(format!("hub.file {file:?} is no path inside a repository"));
        }
        Ok(())
    }
}

/// Whether `path` is made of names only: relative, without `..`, `.` and backslashes.
fn is_plain(path: &str) -> bool {
    let names = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    // `components` passes over `a//b` and `a/.`; what is compared as text must be written in one way.
    names && !path.is_empty() && !path.contains('\\') && path.split('/').all(|part| !matches!(part, "" | "."))
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "the path of one file, or a list of them")]
    enum OneOrMore {
        One(String),
        More(Vec<String>),
    }
    Ok(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(path) => vec![path],
        OneOrMore::More(paths) => paths,
    })
}

fn maybe_digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Digest>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(serde::de::Error::custom) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "name = \"b\"\ndescription = \"\"\ntrained = false\n[features]\n";

    fn parse(rest: &str) -> Result<Manifest, String> {
        Manifest::parse(&format!("{HEAD}{rest}"))
    }

    fn file(path: &str, members: &str) -> String {
        format!("[files.{path:?}]\nlicence = \"MIT\"\nsource = \"here\"\n{members}\n")
    }

    #[test]
    fn unknown_digests_and_revisions_stay_empty() {
        let hub = "sha256 = \"\"\nhub = { repo = \"o/n\", file = \"d/model.bin\" }";
        let manifest = parse(&format!("[networks]\n{}", file("a/model.bin", hub))).unwrap();
        let facts = &manifest.files["a/model.bin"];
        assert_eq!(facts.sha256, None);
        assert_eq!(facts.hub.as_ref().unwrap().revision, "");
    }

    #[test]
    fn weights_are_one_file_or_several() {
        let files = file("m.safetensors", "") + &file("index.json", "");
        let network = |weights: &str| parse(&format!("[networks.n]\nweights = {weights}\n{files}"));
        assert_eq!(network("\"m.safetensors\"").unwrap().networks["n"].weights, ["m.safetensors"]);
        assert_eq!(network("[\"index.json\", \"m.safetensors\"]").unwrap().networks["n"].weights.len(), 2);
        assert!(network("[]").unwrap_err().contains("names no file"));
        assert!(network("3").unwrap_err().contains("the path of one file"));
        assert!(network("\"m.safetensors\"\ndtype = \"f64\"").unwrap_err().contains("f64"));
    }

    #[test]
    fn a_world_is_that_of_a_trained_bundle() {
        let parse = |trained: bool, world: &str| {
            let head = format!("name = \"b\"\ndescription = \"\"\ntrained = {trained}\n{world}\n");
            Manifest::parse(&format!("{head}[features]\n[networks]\n[files]\n"))
        };
        assert_eq!(parse(true, "").unwrap().world, None);
        assert_eq!(parse(true, "world = \"dolls\"").unwrap().world.as_deref(), Some("dolls"));
        assert!(parse(true, "world = \" \"").unwrap_err().contains("world is empty"));
        assert!(parse(false, "world = \"dolls\"").unwrap_err().contains("trained is false"));
        assert!(parse(true, "world = 3").unwrap_err().contains("string"));
    }

    #[test]
    fn what_contradicts_itself_is_refused_by_name() {
        let digest = format!("sha256 = \"{}\"", "A".repeat(64));
        let cases = [
            (file("../model.bin", ""), "outside"),
            (file("/etc/model.bin", ""), "outside"),
            (file("a/./b", ""), "outside"),
            (file("a\\b", ""), "outside"),
            (file("", ""), "outside"),
            (file("bundle.lock", ""), "bundle's own"),
            (file("a", "") + &file("a/b", ""), "lies in it"),
            (file("a", "") + &file("a", ""), "duplicate key"),
            (file("a", "colour = 1"), "colour"),
            (file("a", &digest), "AAAA"),
            (file("a", "hub = { repo = \"o/n\", file = \"x\" }\nimport = \"https://x\""), "both"),
            (file("a", "hub = { repo = \"o\", file = \"x\" }"), "owner/name"),
            (file("a", "hub = { repo = \"o/n\", file = \"../x\" }"), "hub.file"),
            (file("a", "hub = { repo = \"o/n\", file = \"x\", revision = \"?\" }"), "hub.revision"),
            ("[networks.n]\nweights = \"absent.bin\"\n[files]".into(), "absent.bin"),
        ];
        for (text, named) in cases {
            let text = if text.starts_with("[networks") { text } else { format!("[networks]\n{text}") };
            let error = parse(&text).unwrap_err();
            assert!(error.contains(named), "{text}\n{error}");
        }
    }
}
