//! A share of the clips for one of several machines.

use std::collections::BTreeMap;

use super::{Error, Manifest, Row};

/// What a clip counts whose end is not known, where none of the others has one.
const UNKNOWN_S: f64 = 10.0;

impl Manifest {
    /// Share `index` of `count` (numbered from 0): the clips of whole recordings, each recording in exactly one share, so
    /// that every machine decodes it once. The shares' durations differ by at most that of the longest recording; each
    /// keeps the order of the manifest. Clips without an end count as the mean of the others.
    ///
    /// It depends on names and times alone, not on which files this machine has. Problems go with the first share.
    ///
    /// # Errors
    /// [`Error::Shard`] where `index` is not below `count`.
    pub fn shard(&self, index: usize, count: usize) -> Result<Self, Error> {
        if index >= count {
            return Err(Error::Shard { index, count });
        }
        let shares = self.shares(count);
        let rows = self.rows.iter().filter(|row| shares.get(recording(row)) == Some(&index));
        let problems = if index == 0 { self.problems.clone() } else { Vec::new() };
        Ok(Self { rows: rows.cloned().collect(), problems, found: Default::default() })
    }

    /// The share of each recording: the longest first, each to the share that has least so far.
    fn shares(&self, count: usize) -> BTreeMap<&std::path::Path, usize> {
        let mut loads = vec![0.0; count];
        let longest_first = self.recordings().into_iter().map(|(media, seconds)| {
            let mut least = 0;
            for share in 1..count {
                if loads[share] < loads[least] {
                    least = share;
                }
            }
            loads[least] += seconds;
            (media, least)
        });
        longest_first.collect()
    }

    /// Recordings with the seconds of their clips, in descending order; equals by name.
    fn recordings(&self) -> Vec<(&std::path::Path, f64)> {
        let known: Vec<f64> =
            self.rows.iter().filter_map(|row| row.span.duration()).map(|time| time.0).collect();
        let mean = if known.is_empty() { UNKNOWN_S } else { known.iter().sum::<f64>() / known.len() as f64 };
        let mut seconds: BTreeMap<&std::path::Path, f64> = BTreeMap::new();
        for row in &self.rows {
            *seconds.entry(recording(row)).or_default() += row.span.duration().map_or(mean, |time| time.0);
        }
        let mut recordings: Vec<_> = seconds.into_iter().collect();
        recordings.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        recordings
    }
}

fn recording(row: &Row) -> &std::path::Path {
    &row.media
}
