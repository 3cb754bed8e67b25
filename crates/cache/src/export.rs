//! Features out of a store, a `.npy` file each.

use std::fs;
use std::path::Path;

use affekt_core::{ClipId, Event, Reporter};

use crate::commit::{commit, go_on, make_folder};
use crate::{Error, Status, Store, npy, verify};

/// What was exported.
#[derive(Debug, Default)]
pub struct Exported {
    /// Files that were written.
    pub written: usize,
    /// Files that were there already, with the same content.
    pub already: usize,
    /// Clips without a feature, and why; they have no file.
    pub without: Vec<(ClipId, String)>,
    /// Clips whose feature is not as it was written, and what is wrong with it; no file is written of them.
    pub damaged: Vec<(ClipId, Error)>,
}

/// Writes every feature of `store` to `folder/ID.npy`: `f32`, little-endian, C order, of shape (rows, width), or (width)
/// where there is one row. Each file is there whole or not at all; one that is there already is left alone when it has
/// the same content, and an error when it has other. Every feature is held against its digest first. Each clip is an
/// input for `reporter`.
pub fn export(store: &Store, folder: &Path, reporter: &dyn Reporter) -> Result<Exported, Error> {
    make_folder(folder)?;
    let mut exported = Exported::default();
    let clips = store.clips();
    for (index, clip) in clips.iter().enumerate() {
        let (rows, digest) = match &clip.status {
            Status::Done { rows, digest } => (*rows, digest),
            Status::Absent { reason } => {
                exported.without.push((clip.id.clone(), reason.clone()));
                continue;
            }
            Status::Failed { stage, reason } => {
                exported.without.push((clip.id.clone(), format!("failed at {stage}: {reason}")));
                continue;
            }
        };
        reporter.report(&Event::Input { name: clip.id.to_string(), index, count: clips.len() });
        let shard = store.shard_of(&clip.id).expect("the clips of a store are in its index");
        let feature = match verify::feature(shard, clip, rows, digest) {
            Ok(feature) => feature,
            Err(error) => {
                exported.damaged.push((clip.id.clone(), error));
                continue;
            }
        };
        let numbers = feature.number.decode(feature.bytes);
        let bytes = npy::encode(feature.rows, feature.width, numbers);
        match write(&folder.join(format!("{}.npy", clip.id)), &bytes)? {
            true => exported.written += 1,
            false => exported.already += 1,
        }
    }
    Ok(exported)
}

/// Whether `bytes` had to be written to `path`.
fn write(path: &Path, bytes: &[u8]) -> Result<bool, Error> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.len() != bytes.len() as u64 => Err(Error::Exists { path: path.into() }),
        Ok(_) => {
            let there = fs::read(path).map_err(|source| Error::Read { path: path.into(), source })?;
            if there == bytes { Ok(false) } else { Err(Error::Exists { path: path.into() }) }
        }
        Err(_) => commit(path, &[bytes], go_on).map(|()| true),
    }
}
