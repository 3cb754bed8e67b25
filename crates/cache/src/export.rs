//! Features out of a store, a `.npy` file each.

use std::fs;
use std::path::Path;

use affekt_core::{ClipId, Event, Reporter};

use crate::commit::{commit, go_on, make_folder};
use crate::{Error, Status, Store, npy};

/// What was exported.
#[derive(Debug, Default)]
pub struct Exported {
    /// Files that were written.
    pub written: usize,
    /// Files that were there already, with the same content.
    pub already: usize,
    /// Clips without a feature, and why; they have no file.
    pub without: Vec<(ClipId, String)>,
}

/// Writes every feature of `store` to `folder/ID.npy`: `f32`, little-endian, C order, of shape (rows, width), or (width)
/// where there is one row. Each file is there whole or not at all; one that is there already is left alone when it has
/// the same content, and an error when it has other. Each clip is an input for `reporter`.
pub fn export(store: &Store, folder: &Path, reporter: &dyn Reporter) -> Result<Exported, Error> {
    make_folder(folder)?;
    let mut exported = Exported::default();
    let clips = store.clips();
    for (index, clip) in clips.iter().enumerate() {
        let without = match &clip.status {
            Status::Done { .. } => None,
            Status::Absent { reason } => Some(reason.clone()),
            Status::Failed { stage, reason } => Some(format!("failed at {stage}: {reason}")),
        };
        if let Some(reason) = without {
            exported.without.push((clip.id.clone(), reason));
            continue;
        }
        reporter.report(&Event::Input { name: clip.id.to_string(), index, count: clips.len() });
        let feature = store.feature(&clip.id)?;
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
