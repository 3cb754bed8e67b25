//! Which files make up a checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::{Error, read_config};

/// What a Hugging Face folder may hold, the best first: safetensors needs no pickle to be read.
const FORMS: [(&str, bool); 4] = [
    ("model.safetensors", false),
    ("model.safetensors.index.json", true),
    ("pytorch_model.bin", false),
    ("pytorch_model.bin.index.json", true),
];

/// The files of a checkpoint and, where an index lists them, the tensors that each must hold.
pub(crate) struct Files {
    /// Paths, sorted.
    pub paths: Vec<PathBuf>,
    /// The index and its map from tensor to shard.
    pub index: Option<(PathBuf, BTreeMap<String, PathBuf>)>,
}

/// Finds the files of the checkpoint at `path`: a folder, an index or a single file.
pub(crate) fn find(path: &Path) -> Result<Files, Error> {
    if path.is_dir() {
        let present = FORMS.iter().find(|(name, _)| path.join(name).exists());
        return match present {
            Some((name, false)) => Ok(Files { paths: vec![path.join(name)], index: None }),
            Some((name, true)) => shards(&path.join(name)),
            None => Err(Error::NoWeights {
                path: path.into(),
                wanted: "model.safetensors, pytorch_model.bin, their index for shards (*.index.json)",
            }),
        };
    }
    let is_index = path.to_str().is_some_and(|path| path.ends_with(".index.json"));
    if is_index { shards(path) } else { Ok(Files { paths: vec![path.into()], index: None }) }
}

#[derive(serde::Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

fn shards(index: &Path) -> Result<Files, Error> {
    let folder = index.parent().unwrap_or(Path::new(""));
    let mut map = BTreeMap::new();
    for (tensor, shard) in read_config::<Index>(index)?.weight_map {
        if !Path::new(&shard).components().all(|part| matches!(part, Component::Normal(_)))
            || shard.is_empty()
        {
            let reason = format!("shard {shard:?} of tensor `{tensor}` is not inside the folder");
            return Err(malformed(index, reason));
        }
        map.insert(tensor, folder.join(shard));
    }
    if map.is_empty() {
        return Err(malformed(index, "it lists no tensor".into()));
    }
    let paths: BTreeSet<&PathBuf> = map.values().collect();
    let paths: Vec<PathBuf> = paths.into_iter().cloned().collect();
    if let Some(absent) = paths.iter().find(|shard| !shard.exists()) {
        return Err(Error::NoShard { index: index.into(), shard: absent.clone() });
    }
    Ok(Files { paths, index: Some((index.into(), map)) })
}

impl Files {
    /// Compares what the shard `path` holds with what the index says.
    pub fn check<'t>(&self, path: &Path, held: impl Iterator<Item = &'t str>) -> Result<(), Error> {
        let Some((index, map)) = &self.index else { return Ok(()) };
        let held: BTreeSet<&str> = held.collect();
        let listed = map.iter().filter(|(_, shard)| shard.as_path() == path);
        let listed: BTreeSet<&str> = listed.map(|(tensor, _)| tensor.as_str()).collect();
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        if let Some(absent) = listed.difference(&held).next() {
            return Err(malformed(index, format!("tensor `{absent}` is not in {name}, where it should be")));
        }
        match held.difference(&listed).next() {
            Some(stray) => Err(malformed(index, format!("{name} has a tensor `{stray}` that is not listed"))),
            None => Ok(()),
        }
    }
}

fn malformed(index: &Path, reason: String) -> Error {
    Error::Malformed { file: index.display().to_string(), format: "index of shards", reason }
}
