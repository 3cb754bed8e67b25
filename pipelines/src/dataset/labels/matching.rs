//! Which clip each label is for.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::Label;
use crate::dataset::{Kind, Labels, Manifest, Problem, Row};

/// Farthest that a label's start may lie from its clip's, in seconds.
const TOLERANCE_S: f64 = 0.1;

impl Manifest {
    /// Gives each clip its label and, where the table has splits, its split: by id, else by recording and start, the
    /// nearest first (of equal starts, those of the nearest ends), each label to one clip. What is left on either side
    /// is a problem.
    pub fn label(&mut self, labels: &Labels) {
        let chosen = self.matches(labels);
        self.problems.extend(labels.problems.iter().cloned());
        let mut used = vec![false; labels.rows.len()];
        chosen.iter().flatten().for_each(|&at| used[at] = true);
        for (row, chosen) in self.rows.iter_mut().zip(chosen) {
            let label = chosen.map(|at| &labels.rows[at]);
            if let Some(label) = label {
                row.label = label.label;
            } else {
                let message = format!("{} has no label in {}", row.id, labels.path.display());
                let missing = Kind::MissingLabel.in_file(&row.media, message).of_clip(row.id.as_str());
                self.problems.push(missing);
            }
            if labels.has_splits {
                row.split = label.and_then(|label| label.split);
            }
        }
        self.leftover(labels, &used);
    }

    /// For each clip the place of its row in `labels`, where it has one.
    pub(crate) fn matches(&self, labels: &Labels) -> Vec<Option<usize>> {
        let mut chosen = self.by_id(labels);
        self.by_start(labels, &mut chosen);
        chosen
    }

    fn by_id(&self, labels: &Labels) -> Vec<Option<usize>> {
        let named = labels.rows.iter().enumerate().filter_map(|(at, label)| Some((label.name()?, at)));
        let by_id: HashMap<String, usize> = named.collect();
        self.rows.iter().map(|row| by_id.get(row.id.as_str()).copied()).collect()
    }

    fn by_start(&self, labels: &Labels, chosen: &mut [Option<usize>]) {
        let mut free = vec![true; labels.rows.len()];
        chosen.iter().flatten().for_each(|&at| free[at] = false);
        let mut timed: HashMap<&str, Vec<(usize, &Label)>> = HashMap::new();
        for (at, label) in labels.rows.iter().enumerate().filter(|&(at, _)| free[at]) {
            if let Some(video) = label.video.as_deref() {
                timed.entry(video).or_default().push((at, label));
            }
        }
        let mut pairs = Vec::new();
        for (clip, row) in self.rows.iter().enumerate().filter(|&(clip, _)| chosen[clip].is_none()) {
            let labels = timed.get(row.video.as_str()).into_iter().flatten();
            pairs.extend(labels.filter_map(|&(at, label)| Some((distance(row, label)?, clip, at))));
        }
        pairs.sort_by(|(a, clip, at), (b, other, elsewhere)| {
            let nearer = a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1));
            nearer.then((clip, at).cmp(&(other, elsewhere)))
        });
        for (_, clip, at) in pairs {
            if chosen[clip].is_none() && free[at] {
                (chosen[clip], free[at]) = (Some(at), false);
            }
        }
    }

    /// Labels that no clip fits. In a dataset in folders, those of recordings without clips are counted only: that
    /// media or transcript are absent or broken is told of the recording.
    fn leftover(&mut self, labels: &Labels, used: &[bool]) {
        let with_clips: HashSet<&str> = self.rows.iter().map(|row| row.video.as_str()).collect();
        let mut labelled: BTreeMap<String, usize> = BTreeMap::new();
        let mut extra = Vec::new();
        for (label, &used) in labels.rows.iter().zip(used) {
            let recording = label.recording();
            if let Some(video) = recording {
                *labelled.entry(video.to_owned()).or_default() += usize::from(!used);
            }
            let in_folders = self.found.folder.is_some();
            let as_a_whole = in_folders && recording.is_some_and(|video| !with_clips.contains(video));
            let dropped = label.name().is_some_and(|name| self.found.dropped.contains(&name));
            if !used && !as_a_whole && !dropped {
                extra.push(label.without_clip(&labels.path));
            }
        }
        self.problems.extend(extra);
        self.found.labelled = Some(labelled);
    }
}

impl Label {
    fn without_clip(&self, path: &Path) -> Problem {
        let whose = self.time().or_else(|| self.name()).unwrap_or_default();
        let message = format!("line {}: no clip fits the label of {whose}", self.line);
        let problem = Kind::ExtraLabel.in_file(path, message);
        match self.name() {
            Some(name) => problem.of_clip(name),
            None => problem,
        }
    }
}

/// How far apart the starts of a clip and a label of its recording are, and then their ends (0 where one is not known);
/// `None` beyond the tolerance.
fn distance(row: &Row, label: &Label) -> Option<(f64, f64)> {
    let starts = (label.start? - row.span.start.0).abs();
    let ends = label.end.zip(row.span.end).map_or(0.0, |(a, b)| (a - b.0).abs());
    // Differences of decimals are off by a few units in the last place.
    (starts <= TOLERANCE_S + 1e-9).then_some((starts, ends))
}
