//! The features of a cache, side by side.

use std::fs;
use std::path::{Path, PathBuf};

use affekt_core::{FeatureKind, FeatureSpec};

use crate::commit::is_temporary;
use crate::store::shard_paths;
use crate::{Error, Shard, Status, Store};

/// All features that a cache may hold.
pub const KINDS: [FeatureKind; 5] =
    [FeatureKind::Audio, FeatureKind::Speech, FeatureKind::Video, FeatureKind::Text, FeatureKind::Simulated];

/// The folder of one feature by one recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Where it lies.
    pub path: PathBuf,
    /// The feature.
    pub kind: FeatureKind,
    /// The first 8 digits of the recipe's digest.
    pub digest8: String,
}

/// All that opens in a folder, and what does not.
pub struct Contents {
    /// Its sound shards as a store; `None` where there is none.
    pub store: Option<Store>,
    /// Shards that are there, the damaged ones included.
    pub shards: usize,
    /// Bytes of those that open.
    pub bytes: u64,
    /// Temporary files of writers, at work or dead.
    pub temporary: Vec<PathBuf>,
    /// What is wrong with the others, each naming its shard.
    pub problems: Vec<Error>,
}

/// How many clips of a store came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// With a feature.
    pub done: usize,
    /// Without, by nature.
    pub absent: usize,
    /// Failed.
    pub failed: usize,
}

/// The feature called `name`.
pub fn kind(name: &str) -> Option<FeatureKind> {
    KINDS.into_iter().find(|kind| kind.name() == name)
}

/// The feature folders of `cache`, in the order of features, then digests. Whatever else lies there is not the store's.
pub fn folders(cache: &Path) -> Result<Vec<Folder>, Error> {
    let io = |source| Error::Read { path: cache.into(), source };
    let metadata = cache.metadata().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NoCache { path: cache.into() },
        _ => io(error),
    })?;
    if !metadata.is_dir() {
        return Err(Error::NotFolder { path: cache.into() });
    }
    let mut folders = Vec::new();
    for entry in fs::read_dir(cache).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if let Some(folder) = Folder::at(&path).filter(|folder| folder.path.is_dir()) {
            folders.push(folder);
        }
    }
    folders.sort_by(|a, b| (a.kind, &a.digest8).cmp(&(b.kind, &b.digest8)));
    Ok(folders)
}

/// The store of feature `kind` in `cache`, of the recipe whose digest begins with `digest` where that is given; of the only
/// one where it is not.
pub fn choose(cache: &Path, kind: FeatureKind, digest: Option<&str>) -> Result<Store, Error> {
    let mut found = folders(cache)?;
    found.retain(|folder| {
        folder.kind == kind && digest.is_none_or(|digest| folder.digest8.starts_with(digest))
    });
    let name = kind.name();
    let none = || {
        let wanted = digest.map_or(name.to_owned(), |digest| format!("{name}-{digest}"));
        Error::NoFeature { cache: cache.into(), wanted }
    };
    match found.as_slice() {
        [] => Err(none()),
        [folder] => folder.store()?.ok_or_else(none),
        several => {
            let specs = several.iter().map(|folder| folder.digest8.clone()).collect();
            Err(Error::Ambiguous { cache: cache.into(), feature: name.into(), specs })
        }
    }
}

impl Folder {
    /// What the name of `path` says: `<feature>-<8 hexadecimal digits>`.
    fn at(path: &Path) -> Option<Self> {
        let (name, digest8) = path.file_name()?.to_str()?.split_once('-')?;
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let sound = digest8.len() == 8 && digest8.bytes().all(digit);
        let kind = kind(name).filter(|_| sound)?;
        Some(Self { path: path.into(), kind, digest8: digest8.into() })
    }

    /// Its name.
    pub fn name(&self) -> String {
        format!("{}-{}", self.kind.name(), self.digest8)
    }

    /// Its store, every shard of which must be sound; `None` where it holds no shard.
    pub fn store(&self) -> Result<Option<Store>, Error> {
        let mut contents = self.contents()?;
        match contents.problems.is_empty() {
            true => Ok(contents.store),
            false => Err(contents.problems.swap_remove(0)),
        }
    }

    /// All that opens, and what does not.
    pub fn contents(&self) -> Result<Contents, Error> {
        let (mut sound, mut problems): (Vec<Shard>, _) = (Vec::new(), Vec::new());
        let paths = shard_paths(&self.path)?;
        for path in &paths {
            match self.shard(path) {
                Ok(shard) if sound.first().is_some_and(|first| first.spec() != shard.spec()) => {
                    problems.push(shard.damaged("its recipe is not that of its neighbours".to_owned()));
                }
                Ok(shard) => sound.push(shard),
                Err(error) => problems.push(error),
            }
        }
        let bytes = sound.iter().map(Shard::size).sum();
        let spec: Option<FeatureSpec> = sound.first().map(|shard| shard.spec().clone());
        let store = spec.map(|spec| Store::of(&self.path, spec, sound));
        Ok(Contents { store, shards: paths.len(), bytes, temporary: self.temporary()?, problems })
    }

    /// The shard at `path`, if its recipe is this folder's.
    pub(crate) fn shard(&self, path: &Path) -> Result<Shard, Error> {
        let shard = Shard::open(path)?;
        let (found, wanted) = (shard.spec().folder(), self.name());
        if found != wanted {
            return Err(Error::Recipe { path: path.into(), found, wanted });
        }
        Ok(shard)
    }

    fn temporary(&self) -> Result<Vec<PathBuf>, Error> {
        let io = |source| Error::Read { path: self.path.clone(), source };
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if is_temporary(&path.file_name().unwrap_or_default().to_string_lossy()) {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }
}

impl Store {
    /// How many clips came to what.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for clip in self.clips() {
            match clip.status {
                Status::Done { .. } => counts.done += 1,
                Status::Absent { .. } => counts.absent += 1,
                Status::Failed { .. } => counts.failed += 1,
            }
        }
        counts
    }
}
