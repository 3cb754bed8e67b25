//! Media, transcripts and labels held against each other, before any work.
//!
//! | module | holds |
//! |---|---|
//! | `standing` | what is missing, and what is there without need |
//! | `times` | clips against the durations of their recordings and against each other |
//! | [`summary`] | [`Summary`]: clips, recordings and hours by split |

pub(super) mod standing;
pub mod summary;
mod times;

use std::collections::BTreeMap;
use std::path::PathBuf;

use affekt_core::Seconds;
use serde::Serialize;

use super::{Kind, Manifest, Problem, Severity};
pub use summary::Summary;

/// What the headers of media files say: a duration, none, or why they cannot be read.
pub type Durations = BTreeMap<PathBuf, Result<Option<Seconds>, String>>;

/// Largest and smallest valence of the scale.
const SCALE: f64 = 3.0;

/// What a dataset has, and what is off.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inventory {
    /// Counts and hours.
    pub summary: Summary,
    /// Everything that is off, by kind, then by file and clip.
    pub problems: Vec<Problem>,
}

impl Inventory {
    /// How many problems are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }

    /// The problems by kind, in their order.
    pub fn by_kind(&self) -> impl Iterator<Item = &[Problem]> {
        self.problems.chunk_by(|a, b| a.kind == b.kind)
    }
}

/// Holds media, transcripts and labels against each other; `durations` as far as media were opened.
pub fn take(manifest: &Manifest, durations: &Durations) -> Inventory {
    let mut problems = manifest.problems.clone();
    if manifest.rows.is_empty() {
        let (kind, message) = (Kind::NoClips, "the dataset has no clips".into());
        problems.push(Problem { kind, severity: kind.severity(), clip: None, file: None, message });
    }
    standing::compare(manifest, &mut problems);
    times::compare(manifest, durations, &mut problems);
    labels(manifest, &mut problems);
    problems.sort_by(|a, b| (a.kind, &a.file, &a.clip).cmp(&(b.kind, &b.file, &b.clip)));
    Inventory { summary: Summary::of(manifest, durations, &problems), problems }
}

/// Labels off the scale, and recordings without a split where others have one.
fn labels(manifest: &Manifest, problems: &mut Vec<Problem>) {
    for row in &manifest.rows {
        if let Some(label) = row.label.filter(|label| label.abs() > SCALE) {
            let message = format!("the label {label:?} of {} is outside [-3, 3]", row.id);
            problems.push(Kind::LabelRange.in_file(&row.media, message).of_clip(row.id.as_str()));
        }
    }
    if manifest.rows.iter().all(|row| row.split.is_none()) {
        return;
    }
    let mut without: BTreeMap<&PathBuf, usize> = BTreeMap::new();
    for row in manifest.rows.iter().filter(|row| row.split.is_none()) {
        *without.entry(&row.media).or_default() += 1;
    }
    for (media, clips) in without {
        let message = format!("no split, for {} of it", standing::clips(clips));
        problems.push(Kind::NoSplit.in_file(media, message));
    }
}
