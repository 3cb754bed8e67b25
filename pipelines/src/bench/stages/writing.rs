//! Features to shards.

use std::collections::BTreeSet;

use affekt_cache::{Facts, Store};
use affekt_core::Stage;

use super::{Made, Means, Measured};
use crate::bench::clock::Spent;
use crate::bench::{Clips, Error};

/// Writes what was made, one shard a feature.
pub fn measure(clips: &Clips, means: &Means<'_>, made: &[Made]) -> Result<Measured, Error> {
    let ((), spent) = Spent::on(|| {
        for spec in means.specs {
            let mut writer = Store::open(means.cache, spec)?.writer()?;
            for Made { clip, numbers, .. } in made.iter().filter(|made| made.kind == spec.kind) {
                writer.add(clip.clone(), Facts::default(), numbers)?;
            }
            writer.commit()?;
        }
        Ok(())
    })?;
    let written: BTreeSet<_> = made.iter().map(|made| &made.clip).collect();
    let seconds = written.len() as f64 * clips.seconds() / clips.rows.len() as f64;
    let clips = written.len();
    Ok(Measured { stage: Stage::Write, workers: 1, in_flow: true, clips, seconds, video_seconds: 0.0, spent })
}
