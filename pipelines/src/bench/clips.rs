//! The clips that are measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::Error;
use crate::dataset::{Manifest, Row};

/// Clips of whole recordings that are there.
#[derive(Clone, Debug)]
pub struct Clips {
    /// By recording.
    pub rows: Vec<Row>,
    /// The recordings, each with its clips as places in `rows`; the longest first, as `extract` takes them up.
    pub recordings: Vec<(PathBuf, Vec<usize>)>,
    /// How long each recording is, in seconds, by its header or else by its last clip.
    pub durations: Vec<f64>,
}

impl Clips {
    /// The first recordings of `manifest` that have `most` clips together, or all of them; `duration` tells how long a
    /// recording is, where its header does.
    ///
    /// # Errors
    /// [`Error::Nothing`] where none of its recordings is there.
    pub fn of(
        manifest: &Manifest,
        most: usize,
        mut duration: impl FnMut(&Path) -> Option<f64>,
    ) -> Result<Self, Error> {
        let mut known: BTreeMap<&Path, Vec<&Row>> = BTreeMap::new();
        for row in &manifest.rows {
            known.entry(&row.media).or_default().push(row);
        }
        let (mut rows, mut recordings) = (Vec::new(), Vec::new());
        for (media, of_recording) in known.into_iter().filter(|(media, _)| media.is_file()) {
            if rows.len() >= most {
                break;
            }
            let whole = duration(media);
            let start = rows.len();
            rows.extend(of_recording.into_iter().cloned());
            let last =
                rows[start..].iter().filter_map(|row| row.span.end).map(|end| end.0).fold(0.0, f64::max);
            recordings.push((
                media.to_owned(),
                (start..rows.len()).collect::<Vec<_>>(),
                whole.unwrap_or(last),
            ));
        }
        if rows.is_empty() {
            return Err(Error::Nothing { reason: "no recording of the dataset is there".into() });
        }
        recordings.sort_by(|a, b| b.2.total_cmp(&a.2));
        let durations = recordings.iter().map(|(_, _, duration)| *duration).collect();
        let recordings = recordings.into_iter().map(|(media, clips, _)| (media, clips)).collect();
        Ok(Self { rows, recordings, durations })
    }

    /// A third of the recordings, every third of them, with their clips.
    pub(super) fn third(&self) -> Self {
        let (mut rows, mut recordings) = (Vec::new(), Vec::new());
        for (media, of_recording) in self.recordings.iter().step_by(3) {
            let start = rows.len();
            rows.extend(of_recording.iter().map(|row| self.rows[*row].clone()));
            recordings.push((media.clone(), (start..rows.len()).collect()));
        }
        Self { rows, recordings, durations: self.durations.iter().copied().step_by(3).collect() }
    }

    /// Length of all clips in seconds; one without an end reaches to that of its recording.
    pub fn seconds(&self) -> f64 {
        let of = |((_, clips), whole): (&(PathBuf, Vec<usize>), &f64)| -> f64 {
            let spans = clips.iter().map(|clip| self.rows[*clip].span);
            spans.map(|span| (span.end.map_or(*whole, |end| end.0) - span.start.0).max(0.0)).sum()
        };
        self.recordings.iter().zip(&self.durations).map(of).sum()
    }

    /// Length of all recordings in seconds.
    pub fn video_seconds(&self) -> f64 {
        self.durations.iter().sum()
    }

    /// Writes them as a manifest for `extract`.
    ///
    /// # Errors
    /// [`Error::Write`]; [`Error::Nothing`] where the name of a recording is no text.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let failed = |error: std::io::Error| Error::Write { path: path.into(), reason: error.to_string() };
        let mut lines = String::new();
        for row in &self.rows {
            let media = std::path::absolute(&row.media).map_err(failed)?;
            let media = media.to_str().ok_or_else(|| Error::Nothing {
                reason: format!("the name of {} is not UTF-8, which a manifest must be", row.media.display()),
            })?;
            let (start, end) = (row.span.start.0, row.span.end.map(|end| end.0));
            let line = json!({ "id": row.id, "media": media, "start": start, "end": end, "text": row.text });
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
        fs::write(path, lines).map_err(failed)
    }
}
