//! Checked lines to rows.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use affekt_core::{ClipId, Span};

use super::{Kind, Manifest, Problem, Row, Split};

/// Latest time that a clip may name, in seconds: 11 days. A recording is not that long, but milliseconds look like it.
const LATEST_S: f64 = 1e6;

/// Why `time`, called `name`, is none of a recording.
pub fn too_late(name: &str, time: f64) -> Option<String> {
    (time.abs() > LATEST_S)
        .then(|| format!("the {name} {time:?} is beyond {LATEST_S} s (11 days): times are in seconds"))
}

/// A line as it was read: its fields have their types, and nothing else is known of them.
pub struct Draft {
    pub id: String,
    pub video: String,
    pub media: PathBuf,
    pub start: Option<f64>,
    pub end: Option<f64>,
    pub text: Option<String>,
    pub label: Option<f64>,
    pub split: Option<Split>,
}

/// A line of a file.
#[derive(Clone, Copy)]
pub struct Place<'p> {
    pub file: &'p Path,
    pub line: usize,
}

impl Place<'_> {
    /// A problem at this place.
    pub fn problem(&self, kind: Kind, message: impl std::fmt::Display) -> Problem {
        kind.in_file(self.file, format!("line {}: {message}", self.line))
    }
}

/// A manifest in the making.
#[derive(Default)]
pub struct Collector {
    pub manifest: Manifest,
    /// Where each id was first.
    seen: HashMap<ClipId, (PathBuf, usize)>,
}

impl Collector {
    /// Takes a line as a row, or as the problem that keeps it from being one. Blank words are a problem of a row.
    pub fn add(&mut self, place: Place, draft: Draft) {
        let name = draft.id.clone();
        match self.checked(place, draft) {
            Ok(row) => self.manifest.rows.push(row),
            Err(problem) => {
                // The first clip of that name is still there.
                if problem.kind != Kind::DuplicateId {
                    self.manifest.found.dropped.insert(name.clone());
                }
                self.manifest.problems.push(problem.of_clip(name));
            }
        }
    }

    fn checked(&mut self, place: Place, draft: Draft) -> Result<Row, Problem> {
        let Draft { id, video, media, start, end, text, label, split } = draft;
        let id = ClipId::new(id).map_err(|error| place.problem(Kind::BadId, error))?;
        let times = [("start", start), ("end", end)];
        if let Some(reason) = times.into_iter().find_map(|(name, time)| too_late(name, time?)) {
            return Err(place.problem(Kind::BadNumber, reason));
        }
        let span = Span::new(start, end).map_err(|error| place.problem(Kind::BadSpan, error))?;
        if let Some((file, line)) = self.seen.get(&id) {
            let first = format!("{id} is also the clip of line {line} of {}", file.display());
            return Err(place.problem(Kind::DuplicateId, first));
        }
        self.seen.insert(id.clone(), (place.file.into(), place.line));
        let blank = text.as_ref().is_some_and(|text| text.trim().is_empty());
        if blank {
            let empty = place.problem(Kind::EmptyText, format!("{id} has no words"));
            self.manifest.problems.push(empty.of_clip(id.as_str()));
        }
        let text = text.filter(|_| !blank);
        Ok(Row { id, video, media, span, text, label, split })
    }
}
