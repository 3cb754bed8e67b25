//! What a cache can do without: superseded recipes, and what dead writers left.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use affekt_core::{FeatureSpec, Silent};

use crate::folders::{Contents, Folder, folders};
use crate::verify::verify;
use crate::{Error, Store};

/// A writer writes its file in one go. One that has not been written to for so long has no writer any more.
pub const STALE: Duration = Duration::from_secs(60 * 60);

/// Where commands leave their records in a cache, each written as `*.json.tmp` and renamed.
const RECORDS: &str = "runs";

/// What can go.
#[derive(Debug, Default)]
pub struct Waste {
    /// Folders whose recipe a newer one replaces.
    pub superseded: Vec<Superseded>,
    /// Temporary files of dead writers, of shards and of records, with their bytes.
    pub stale: Vec<(PathBuf, u64)>,
    /// Folders whose recipe a newer one would replace, with the reason for which they stay.
    pub kept: Vec<(Folder, String)>,
}

/// A folder that a newer one replaces.
#[derive(Debug)]
pub struct Superseded {
    /// The folder.
    pub folder: Folder,
    /// The one that replaces it.
    pub by: Folder,
    /// Its shards.
    pub shards: Vec<PathBuf>,
    /// Their bytes.
    pub bytes: u64,
}

/// Whether `new` is the same recipe as `old` with later versions of its steps: equal in everything but `preprocessing`,
/// whose steps are the same in the same order, but for numbers behind a last `-v`, none of which is lower, and one of
/// which is higher.
pub fn supersedes(new: &FeatureSpec, old: &FeatureSpec) -> bool {
    let same_otherwise = FeatureSpec { preprocessing: old.preprocessing.clone(), ..new.clone() } == *old;
    if !same_otherwise || new.preprocessing.len() != old.preprocessing.len() {
        return false;
    }
    let mut newer = false;
    for (new, old) in new.preprocessing.iter().zip(&old.preprocessing) {
        if new == old {
            continue;
        }
        match (versioned(new), versioned(old)) {
            (Some((new, later)), Some((old, earlier))) if new == old && later > earlier => newer = true,
            _ => return false,
        }
    }
    newer
}

/// `crop-box-112-v1` as `crop-box-112` and 1.
fn versioned(step: &str) -> Option<(&str, u64)> {
    let (name, version) = step.rsplit_once("-v")?;
    let digits = version.bytes().all(|byte| byte.is_ascii_digit());
    Some((name, version.parse().ok().filter(|_| digits)?))
}

/// Looks through `cache` and removes nothing. A superseded folder may go when every shard of it opens, every clip that is
/// done in it is done in the newer one, and the newer one passes [`verify`]; else it is kept.
pub fn waste(cache: &Path, now: SystemTime) -> Result<Waste, Error> {
    let mut waste = Waste::default();
    let mut found: Vec<(Folder, Contents)> = Vec::new();
    for folder in folders(cache)? {
        let contents = folder.contents()?;
        waste.stale.extend(contents.temporary.iter().filter_map(|path| stale(path, now)));
        found.push((folder, contents));
    }
    waste.stale.extend(records(&cache.join(RECORDS))?.iter().filter_map(|path| stale(path, now)));
    for (folder, contents) in &found {
        let Some(old) = &contents.store else { continue };
        // Of several newer ones, the newest.
        let newer = found.iter().filter_map(|(by, contents)| Some((by, contents, contents.store.as_ref()?)));
        let newer = newer.filter(|(_, _, new)| supersedes(new.spec(), old.spec()));
        let newest =
            newer.reduce(|best, next| if supersedes(next.2.spec(), best.2.spec()) { next } else { best });
        let Some((by, new_contents, new)) = newest else { continue };
        match reason_to_keep(contents, old, by, new_contents, new)? {
            Some(reason) => waste.kept.push((folder.clone(), reason)),
            None => {
                let shards = old.shards().iter().map(|shard| shard.path().to_owned()).collect();
                let bytes = contents.bytes;
                waste.superseded.push(Superseded { folder: folder.clone(), by: by.clone(), shards, bytes });
            }
        }
    }
    Ok(waste)
}

fn reason_to_keep(
    old_contents: &Contents,
    old: &Store,
    by: &Folder,
    new_contents: &Contents,
    new: &Store,
) -> Result<Option<String>, Error> {
    let name = by.name();
    if !old_contents.problems.is_empty() {
        return Ok(Some("it has damaged shards".to_owned()));
    }
    let done = old.clips().into_iter().filter(|clip| clip.is_done());
    let lacking = done.filter(|clip| !new.clip(&clip.id).is_some_and(|clip| clip.is_done())).count();
    if lacking > 0 {
        return Ok(Some(format!("the newer {name} lacks {lacking} of its clips")));
    }
    let sound = new_contents.problems.is_empty() && verify(by, &[], &Silent)?.problems.is_empty();
    Ok((!sound).then(|| format!("the newer {name} is damaged")))
}

/// The temporary files among the records of runs.
fn records(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let io = |source| Error::Read { path: folder.into(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.file_name().unwrap_or_default().to_string_lossy().ends_with(".json.tmp") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn stale(path: &Path, now: SystemTime) -> Option<(PathBuf, u64)> {
    // Not through links: only what a writer has made.
    let metadata = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    let age = now.duration_since(metadata.modified().ok()?).ok()?;
    (age > STALE).then(|| (path.to_owned(), metadata.len()))
}

impl Waste {
    /// Bytes that removing it frees.
    pub fn bytes(&self) -> u64 {
        let superseded = self.superseded.iter().map(|superseded| superseded.bytes);
        superseded.chain(self.stale.iter().map(|(_, bytes)| *bytes)).sum()
    }

    /// Removes the shards of superseded folders, the stale temporary files, and superseded folders that are empty then;
    /// nothing else. What has gone meanwhile is as good as removed.
    pub fn remove(&self) -> Result<(), Error> {
        let shards = self.superseded.iter().flat_map(|superseded| &superseded.shards);
        for path in shards.chain(self.stale.iter().map(|(path, _)| path)) {
            match fs::remove_file(path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::Remove { path: path.clone(), source });
                }
                _ => {}
            }
        }
        for Superseded { folder, .. } in &self.superseded {
            match fs::remove_dir(&folder.path) {
                // Somebody else's files: they stay, and so does the folder.
                Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {}
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::Remove { path: folder.path.clone(), source });
                }
                _ => {}
            }
        }
        Ok(())
    }
}
