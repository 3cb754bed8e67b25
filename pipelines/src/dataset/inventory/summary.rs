//! Clips, recordings and hours by split.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::Durations;
use crate::dataset::{Manifest, Problem, Row, Severity, Split};

/// Counts and hours of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// All clips.
    pub all: Part,
    /// Those of each split by its name, and as `none` those that are in no split. Splits without clips are left out.
    pub splits: BTreeMap<&'static str, Part>,
    /// Recordings whose headers were read.
    pub probed: usize,
    /// Problems that are errors.
    pub errors: usize,
    /// Problems that are warnings.
    pub warnings: usize,
    /// How many problems there are of each kind.
    pub kinds: BTreeMap<&'static str, usize>,
}

/// Counts and hours of a part of a dataset.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Part {
    /// Clips.
    pub clips: usize,
    /// Recordings that they are cut from.
    pub videos: usize,
    /// Clips with words.
    pub with_text: usize,
    /// Clips with a label.
    pub with_label: usize,
    /// Hours of the clips whose end is known, from their span or from the header of their recording.
    pub hours: f64,
}

impl Summary {
    pub(super) fn of(manifest: &Manifest, durations: &Durations, problems: &[Problem]) -> Self {
        let part = |split: Option<Split>| {
            let rows: Vec<&Row> = manifest.rows.iter().filter(|row| row.split == split).collect();
            let name = split.map_or("none", Split::name);
            (!rows.is_empty()).then(|| (name, Part::of(&rows, durations)))
        };
        let severe = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
        let mut kinds = BTreeMap::new();
        for problem in problems {
            *kinds.entry(problem.kind.name()).or_default() += 1;
        }
        Self {
            all: Part::of(&manifest.rows.iter().collect::<Vec<_>>(), durations),
            splits: Split::ALL.into_iter().map(Some).chain([None]).filter_map(part).collect(),
            probed: durations.values().filter(|duration| duration.is_ok()).count(),
            errors: severe(Severity::Error),
            warnings: severe(Severity::Warning),
            kinds,
        }
    }
}

impl Part {
    fn of(rows: &[&Row], durations: &Durations) -> Self {
        let seconds = |row: &&Row| {
            let known = || durations.get(&row.media)?.as_ref().ok()?.map(|whole| whole.0 - row.span.start.0);
            row.span.duration().map(|time| time.0).or_else(known).unwrap_or_default().max(0.0)
        };
        // The sum of no numbers would be -0.
        Self {
            clips: rows.len(),
            videos: rows.iter().map(|row| row.media.as_path()).collect::<BTreeSet<&Path>>().len(),
            with_text: rows.iter().filter(|row| row.text.is_some()).count(),
            with_label: rows.iter().filter(|row| row.label.is_some()).count(),
            hours: rows.iter().map(seconds).fold(0.0, |all, clip| all + clip) / 3600.0,
        }
    }
}
