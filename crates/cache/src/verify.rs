//! Every byte held against its header.

use std::path::Path;

use affekt_core::Digest;

use crate::store::shard_paths;
use crate::{Clip, Error, Shard, Status};

/// What was found in a folder.
#[derive(Debug, Default)]
pub struct Report {
    /// Shards that are there, the damaged ones included.
    pub shards: usize,
    /// Features that are as their header says.
    pub features: usize,
    /// Clips that failed when they were extracted.
    pub failures: usize,
    /// All that is wrong, each naming its shard.
    pub problems: Vec<Error>,
}

/// Reads every shard of the feature folder `folder` and checks version, checksums, shapes, and that every number is
/// finite. An error only where the folder itself cannot be read.
pub fn verify(folder: &Path) -> Result<Report, Error> {
    let mut report = Report::default();
    for path in shard_paths(folder)? {
        report.shards += 1;
        match Shard::open(&path) {
            Ok(shard) => check(&shard, &mut report),
            Err(error) => report.problems.push(error),
        }
    }
    Ok(report)
}

fn check(shard: &Shard, report: &mut Report) {
    for clip in shard.clips() {
        match &clip.status {
            Status::Failed { .. } => report.failures += 1,
            Status::Done { rows, digest } => match feature(shard, clip, *rows, digest) {
                Ok(()) => report.features += 1,
                Err(error) => report.problems.push(error),
            },
        }
    }
    for name in shard.tensor_names() {
        if !shard.clips().iter().any(|clip| clip.is_done() && clip.id.as_str() == name) {
            report.problems.push(shard.damaged(format!("its tensor {name} belongs to no clip")));
        }
    }
}

fn feature(shard: &Shard, clip: &Clip, rows: usize, digest: &Digest) -> Result<(), Error> {
    let feature = shard.feature(&clip.id)?;
    let id = &clip.id;
    if feature.rows != rows {
        return Err(shard.damaged(format!("the tensor of {id} has {} rows, not {rows}", feature.rows)));
    }
    if Digest::of(feature.bytes) != *digest {
        return Err(
            shard.damaged(format!("the tensor of {id} does not have the digest that its header names"))
        );
    }
    if feature.number.decode(feature.bytes).any(|number| !number.is_finite()) {
        return Err(shard.damaged(format!("the tensor of {id} holds a NaN or an infinity")));
    }
    if clip.face_mask.as_ref().is_some_and(|mask| mask.0.len() != rows) {
        return Err(shard.damaged(format!("the face mask of {id} has not {rows} flags")));
    }
    Ok(())
}
