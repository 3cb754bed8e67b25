//! Tables of labels: CSV or TSV with a header row.
//!
//! | module | holds |
//! |---|---|
//! | `columns` | which column says what |
//! | `splits` | how parts of a dataset are called, and which columns may tell of them |
//! | `trainable` | [`Labels::trainable`]: what a table needs to be trained on |
//! | `matching` | which clip each row is for |
//!
//! A row says which clip it is for by `id`, by `video` and `clip`, or by `video` and `start`; then its `label` and, where
//! there is one, its `split`. Names that known tables use in their place are understood: `file` or `video_id` for `video`,
//! `clip_id`, `mode` for `split`, and `label7` (the label rounded to a whole number) where there is no `label`. A table
//! with several splits of the same clips has a column for each: the reader names one.

mod columns;
mod matching;
mod splits;
mod trainable;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use affekt_core::ClipId;

use super::collect::{Place, too_late};
use super::read::lines_of;
use super::{Error, Kind, Problem, Split};
use columns::{Columns, unquoted};
use splits::{Candidates, split_of};

/// A table of labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// The file.
    pub path: PathBuf,
    /// Its rows, in its order, but for those that name no clip, or one that another has named.
    pub rows: Vec<Label>,
    /// Whether it has a column of splits.
    pub has_splits: bool,
    /// Columns that could be named as that of the splits, in their order: with `split` in their name, or with nothing but
    /// names of splits below it.
    pub split_columns: Vec<String>,
    /// What is wrong in it.
    pub problems: Vec<Problem>,
}

/// A row: which clip it is for, and what it says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Label {
    /// Its line in the file, from 1.
    pub line: usize,
    /// Id of the clip.
    pub id: Option<String>,
    /// Name of the recording.
    pub video: Option<String>,
    /// Number of the clip.
    pub clip: Option<String>,
    /// Where the clip starts, in seconds; finite.
    pub start: Option<f64>,
    /// Where it ends, in seconds; finite. Tells segments of equal starts apart.
    pub end: Option<f64>,
    /// Valence; finite.
    pub label: Option<f64>,
    /// Part of the dataset; `None` where it is in none, or in one that is not known (a [`Kind::BadSplit`]).
    pub split: Option<Split>,
}

impl Labels {
    /// Reads a table in UTF-8. Splits are those of the column `split` or `mode`, where there is one.
    ///
    /// # Errors
    /// [`Error::Unreadable`], naming line and byte where it is not UTF-8; [`Error::Columns`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::read_with(path, None)
    }

    /// [`Labels::read`], with the splits of the column `split` where one is named, in any letter case.
    ///
    /// # Errors
    /// Those of [`Labels::read`]; [`Error::Columns`] with all columns, where none has this name.
    pub fn read_with(path: &Path, split: Option<&str>) -> Result<Self, Error> {
        Self::parse(&lines_of(path)?, path, split)
    }

    /// Reads the content of the file `path`.
    pub(super) fn parse(text: &str, path: &Path, split: Option<&str>) -> Result<Self, Error> {
        let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        if header.is_empty() {
            return Err(Error::Unreadable { path: path.into(), reason: "it is empty".into(), absent: false });
        }
        if header.trim_start().starts_with('{') {
            let reason = "it is a manifest with a JSON object a line, not a table: write id, label and split as CSV or TSV";
            return Err(Error::Unreadable { path: path.into(), reason: reason.into(), absent: false });
        }
        let tabs = header.contains('\t');
        // Tables with tabs quote nothing: a text there may begin with a quote.
        let (delimiter, quoting) = if tabs { (b'\t', false) } else { (b',', true) };
        let mut table = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .quoting(quoting)
            .flexible(true)
            .from_reader(text.as_bytes());
        let found: Vec<String> = match table.headers() {
            Ok(header) => header.iter().map(|name| unquoted(name).to_owned()).collect(),
            Err(error) => {
                let reason = format!("line 1: {error}");
                return Err(Error::Unreadable { path: path.into(), reason, absent: false });
            }
        };
        let columns = Columns::of(path, &found, split)?;
        let candidates = Candidates::of(&found);
        let mut reading = Reading {
            path,
            columns: &columns,
            candidates,
            rows: Vec::new(),
            problems: Vec::new(),
            seen: HashMap::new(),
        };
        if columns.rounded {
            let message = "it has no column `label`; the whole numbers of `label7` stand in for it";
            reading.problems.push(Kind::RoundedLabels.in_file(path, message));
        }
        for record in table.records() {
            reading.record(record, found.len());
        }
        let Reading { rows, problems, candidates, .. } = reading;
        let (path, has_splits, split_columns) = (path.into(), columns.split.is_some(), candidates.names());
        Ok(Self { path, rows, has_splits, split_columns, problems })
    }
}

/// A table while it is read.
struct Reading<'t> {
    path: &'t Path,
    columns: &'t Columns,
    candidates: Candidates<'t>,
    rows: Vec<Label>,
    problems: Vec<Problem>,
    /// The line that has named each clip.
    seen: HashMap<String, usize>,
}

impl Reading<'_> {
    fn record(&mut self, record: csv::Result<csv::StringRecord>, width: usize) {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, |position| position.line() as usize);
                let problem = Place { file: self.path, line }.problem(Kind::BadLine, error);
                return self.problems.push(problem);
            }
        };
        let line = record.position().map_or(0, |position| position.line() as usize);
        let place = Place { file: self.path, line };
        if record.len() != width {
            let message = format!("it has {} fields, the header has {width}", record.len());
            return self.problems.push(place.problem(Kind::BadLine, message));
        }
        self.candidates.look_at(&record);
        let label = self.label(place, &record);
        match self.named(place, &label) {
            Ok(()) => self.rows.push(label),
            Err(problem) => self.problems.push(problem),
        }
    }

    /// The fields with their types. Those that do not have theirs are problems, and absent.
    fn label(&mut self, place: Place, record: &csv::StringRecord) -> Label {
        let columns = self.columns;
        let text = |column: Option<usize>| {
            let field = unquoted(record.get(column?)?);
            (!field.is_empty()).then(|| field.to_owned())
        };
        let (id, video, clip) = (text(columns.id), text(columns.video), text(columns.clip));
        let clip_name = named(id.as_deref(), video.as_deref(), clip.as_deref());
        let problem = |kind: Kind, message: String| {
            let problem = place.problem(kind, message);
            match &clip_name {
                Some(name) => problem.of_clip(name.as_str()),
                None => problem,
            }
        };
        let mut number = |name: &str, field: Option<String>| {
            let field = field?;
            let number = field.parse().ok().filter(|number: &f64| number.is_finite());
            if number.is_none() {
                self.problems.push(problem(Kind::BadNumber, format!("the {name} {field:?} is not a number")));
            }
            number
        };
        let times = [("start", columns.start), ("end", columns.end)];
        let [start, end] = times.map(|(name, column)| number(name, text(column)));
        let valence = text(Some(columns.label));
        let label = number("label", valence.clone());
        let [start, end] = [("start", start), ("end", end)].map(|(name, time)| {
            let late = too_late(name, time?);
            self.problems.extend(late.iter().map(|reason| problem(Kind::BadNumber, reason.clone())));
            time.filter(|_| late.is_none())
        });
        if valence.is_none() {
            self.problems.push(problem(Kind::MissingLabel, "it has no label".into()));
        }
        let split = text(columns.split).and_then(|name| {
            let split = split_of(&name);
            if split.is_err() {
                let message = format!("the split {name:?} is not train, valid or test");
                self.problems.push(problem(Kind::BadSplit, message));
            }
            split.unwrap_or_default()
        });
        Label { line: place.line, id, video, clip, start, end, label, split }
    }

    /// Whether the row names a clip, and is the first to do so.
    fn named(&mut self, place: Place, label: &Label) -> Result<(), Problem> {
        let Some(name) = label.name().or_else(|| label.time()) else {
            return Err(place.problem(Kind::BadLine, "it does not say which clip it is for"));
        };
        if let Some(Err(error)) = label.name().map(ClipId::new) {
            return Err(place.problem(Kind::BadId, error).of_clip(name));
        }
        if let Some(first) = self.seen.get(&name) {
            let message = format!("{name} has a label in line {first}");
            return Err(place.problem(Kind::DuplicateId, message).of_clip(name));
        }
        self.seen.insert(name, place.line);
        Ok(())
    }
}

impl Label {
    /// Id of the clip, where the row gives it or its parts.
    pub fn name(&self) -> Option<String> {
        named(self.id.as_deref(), self.video.as_deref(), self.clip.as_deref())
    }

    /// Recording and time, where the row gives them.
    pub(crate) fn time(&self) -> Option<String> {
        let to = self.end.map(|end| format!(" to {end}")).unwrap_or_default();
        Some(format!("{} from {}{to} s", self.video.as_ref()?, self.start?))
    }

    /// Name of the recording, where the row gives it or an id that begins with it.
    fn recording(&self) -> Option<&str> {
        let of_id = || Some(self.id.as_deref()?.rsplit_once('_')?.0);
        self.video.as_deref().or_else(of_id)
    }
}

fn named(id: Option<&str>, video: Option<&str>, clip: Option<&str>) -> Option<String> {
    id.map(str::to_owned).or_else(|| Some(format!("{}_{}", video?, clip?)))
}
