//! Every byte held against its header, and the clips against a list of those that should be there.

use std::collections::HashSet;

use affekt_core::{ClipId, Digest, Event, Reporter};

use crate::folders::Folder;
use crate::store::shard_paths;
use crate::{Clip, Error, Feature, Shard, Status};

/// What was found in a feature folder.
#[derive(Debug, Default)]
pub struct Report {
    /// Shards that are there, the damaged ones included.
    pub shards: usize,
    /// Features that are as their header says.
    pub features: usize,
    /// Rows of clips that have no such feature.
    pub absent: usize,
    /// Rows of clips that failed when they were extracted.
    pub failures: usize,
    /// All that is wrong, each naming its shard.
    pub problems: Vec<Error>,
    /// Clips of the list of which nothing is known, in its order.
    pub missing: Vec<ClipId>,
    /// Clips of the list that have failed and not been done since, in its order.
    pub failed: Vec<ClipId>,
}

/// Reads every shard of `folder` and checks version, checksums, shapes, and that every number is finite; then looks for
/// the clips of `wanted`, each of which must be done or absent for a reason. Each shard is an input for
/// `reporter`. An error only where the folder itself cannot be read.
pub fn verify(folder: &Folder, wanted: &[ClipId], reporter: &dyn Reporter) -> Result<Report, Error> {
    let mut report = Report::default();
    let (mut settled, mut failed) = (HashSet::new(), HashSet::new());
    let paths = shard_paths(&folder.path)?;
    for (index, path) in paths.iter().enumerate() {
        let name = format!("{}, shard", folder.name());
        reporter.report(&Event::Input { name, index, count: paths.len() });
        report.shards += 1;
        match folder.shard(path) {
            Ok(shard) => check(&shard, &mut report, &mut settled, &mut failed),
            Err(error) => report.problems.push(error),
        }
    }
    for id in wanted.iter().filter(|id| !settled.contains(*id)) {
        let list = if failed.contains(id) { &mut report.failed } else { &mut report.missing };
        list.push(id.clone());
    }
    Ok(report)
}

fn check(shard: &Shard, report: &mut Report, settled: &mut HashSet<ClipId>, failed: &mut HashSet<ClipId>) {
    let mut named = HashSet::new();
    for clip in shard.clips() {
        if !named.insert(&clip.id) {
            report.problems.push(shard.damaged(format!("it has two rows of clip {}", clip.id)));
        }
        match &clip.status {
            Status::Failed { .. } => {
                report.failures += 1;
                failed.insert(clip.id.clone());
            }
            Status::Absent { .. } => {
                report.absent += 1;
                settled.insert(clip.id.clone());
            }
            Status::Done { rows, digest } => match feature(shard, clip, *rows, digest) {
                Ok(_) => {
                    report.features += 1;
                    settled.insert(clip.id.clone());
                }
                Err(error) => report.problems.push(error),
            },
        }
    }
    let owners: HashSet<&str> =
        shard.clips().iter().filter(|clip| clip.is_done()).map(|clip| clip.id.as_str()).collect();
    let mut strays: Vec<&str> = shard.tensor_names().filter(|name| !owners.contains(name)).collect();
    strays.sort_unstable();
    for name in strays {
        report.problems.push(shard.damaged(format!("its tensor {name} belongs to no clip")));
    }
}

/// The feature of `clip`, held against what the header of `shard` says of it.
pub(crate) fn feature<'s>(
    shard: &'s Shard,
    clip: &Clip,
    rows: usize,
    digest: &Digest,
) -> Result<Feature<'s>, Error> {
    let id = &clip.id;
    let feature = shard.feature(id).map_err(|error| match error {
        Error::NoClip { .. } => shard.damaged(format!("it lacks the tensor of {id}")),
        error => error,
    })?;
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
    if clip.facts.face_mask.as_ref().is_some_and(|mask| mask.0.len() != rows) {
        return Err(shard.damaged(format!("the face mask of {id} has not {rows} flags")));
    }
    Ok(feature)
}
