//! All shards of one feature, and where each clip lies.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use affekt_core::{ClipId, FeatureSpec};

use crate::commit::{make_folder, probe};
use crate::{Clip, Error, Feature, Number, Shard, ShardWriter};

/// The folder of one feature in a cache, with an index built from the headers of its shards.
///
/// A clip that stands in several shards is taken from the first, by name, that holds its feature, one that also knows the clip's
/// words before others; else from the first
/// that says that it has none; else from the first in which it failed. Recipes being equal, any of them will do; the rule
/// makes every reader choose the same.
pub struct Store {
    folder: PathBuf,
    spec: FeatureSpec,
    shards: Vec<Shard>,
    index: HashMap<ClipId, Place>,
}

#[derive(Clone, Copy)]
struct Place {
    shard: usize,
    clip: usize,
}

impl Store {
    /// Opens `CACHE/<feature>-<digest8>` for `spec`, and makes the folder where it is missing.
    pub fn open(cache: &Path, spec: &FeatureSpec) -> Result<Self, Error> {
        Number::of(spec)?;
        let folder = cache.join(spec.folder());
        make_folder(&folder)?;
        let mut store = Self { folder, spec: spec.clone(), shards: Vec::new(), index: HashMap::new() };
        store.refresh()?;
        Ok(store)
    }

    /// Of shards that are open and of one recipe.
    pub(crate) fn of(folder: &Path, spec: FeatureSpec, shards: Vec<Shard>) -> Self {
        let index = index(&shards);
        Self { folder: folder.into(), spec, shards, index }
    }

    /// Takes up the shards that have come since, from this program or another.
    pub fn refresh(&mut self) -> Result<(), Error> {
        let known: HashSet<PathBuf> = self.shards.iter().map(|shard| shard.path().to_owned()).collect();
        for path in shard_paths(&self.folder)? {
            if known.contains(&path) {
                continue;
            }
            let shard = Shard::open(&path)?;
            if *shard.spec() != self.spec {
                return Err(Error::Recipe { path, found: shard.spec().folder(), wanted: self.spec.folder() });
            }
            self.shards.push(shard);
        }
        self.shards.sort_by(|a, b| a.path().cmp(b.path()));
        self.index = index(&self.shards);
        Ok(())
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The recipe.
    pub fn spec(&self) -> &FeatureSpec {
        &self.spec
    }

    /// Its shards, in the order of their names.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// Whether shards can be written here: to be asked before the work, not after it.
    pub fn check_writable(&self) -> Result<(), Error> {
        probe(&self.folder)
    }

    /// A writer of one new shard.
    pub fn writer(&self) -> Result<ShardWriter, Error> {
        ShardWriter::new(&self.folder, &self.spec)
    }

    /// What is known of a clip; `None` where it has never been tried.
    pub fn clip(&self, id: &ClipId) -> Option<&Clip> {
        self.index.get(id).map(|place| self.at(*place))
    }

    /// All clips that have been tried, in the order of their names.
    pub fn clips(&self) -> Vec<&Clip> {
        let mut clips: Vec<&Clip> = self.index.values().map(|place| self.at(*place)).collect();
        clips.sort_by(|a, b| a.id.cmp(&b.id));
        clips
    }

    /// The feature of a clip, without copying.
    pub fn feature(&self, id: &ClipId) -> Result<Feature<'_>, Error> {
        match self.index.get(id) {
            Some(place) if self.at(*place).is_done() => self.shards[place.shard].feature(id),
            _ => Err(Error::NoClip { place: self.folder.clone(), clip: id.clone() }),
        }
    }

    /// The shard that a clip is taken from.
    pub(crate) fn shard_of(&self, id: &ClipId) -> Option<&Shard> {
        self.index.get(id).map(|place| &self.shards[place.shard])
    }

    fn at(&self, place: Place) -> &Clip {
        &self.shards[place.shard].clips()[place.clip]
    }
}

fn index(shards: &[Shard]) -> HashMap<ClipId, Place> {
    let mut index: HashMap<ClipId, Place> = HashMap::new();
    for (shard, clips) in shards.iter().map(Shard::clips).enumerate() {
        for (clip, row) in clips.iter().enumerate() {
            let here = Place { shard, clip };
            let place = index.entry(row.id.clone()).or_insert(here);
            if row.rank() > shards[place.shard].clips()[place.clip].rank() {
                *place = here;
            }
        }
    }
    index
}

/// The shards of a folder, in the order of their names. Temporary files of writers are none.
pub(crate) fn shard_paths(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let io = |source| Error::Read { path: folder.into(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("part-") && name.ends_with(".safetensors") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
