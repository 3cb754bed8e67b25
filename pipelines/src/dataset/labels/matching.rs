//! Which clip each label is for.

use std::collections::{BTreeMap, HashMap};

use crate::dataset::{Kind, Labels, Manifest};

/// Farthest that a label's start may lie from its clip's, in seconds.
const TOLERANCE_S: f64 = 0.1;

impl Manifest {
    /// Gives each clip its label and, where the table has splits, its split: by id, else by recording and start, the
    /// nearest first, each label to one clip. What is left on either side is a problem.
    pub fn label(&mut self, labels: &Labels) {
        let mut chosen = self.by_id(labels);
        self.by_start(labels, &mut chosen);
        self.problems.extend(labels.problems.iter().cloned());
        let mut used = vec![false; labels.rows.len()];
        for (row, chosen) in self.rows.iter_mut().zip(chosen) {
            let label = chosen.map(|at| &labels.rows[at]);
            match (chosen, label) {
                (Some(at), Some(label)) => {
                    used[at] = true;
                    row.label = label.label;
                }
                _ => {
                    let message = format!("{} has no label in {}", row.id, labels.path.display());
                    let missing = Kind::MissingLabel.in_file(&row.media, message).of_clip(row.id.as_str());
                    self.problems.push(missing);
                }
            }
            if labels.has_splits {
                row.split = label.and_then(|label| label.split);
            }
        }
        self.leftover(labels, &used);
    }

    fn by_id(&self, labels: &Labels) -> Vec<Option<usize>> {
        let named = labels.rows.iter().enumerate().filter_map(|(at, label)| Some((label.name()?, at)));
        let by_id: HashMap<String, usize> = named.collect();
        self.rows.iter().map(|row| by_id.get(row.id.as_str()).copied()).collect()
    }

    fn by_start(&self, labels: &Labels, chosen: &mut [Option<usize>]) {
        let mut free = vec![true; labels.rows.len()];
        chosen.iter().flatten().for_each(|&at| free[at] = false);
        let mut starts: HashMap<&str, Vec<(f64, usize)>> = HashMap::new();
        for (at, label) in labels.rows.iter().enumerate().filter(|&(at, _)| free[at]) {
            if let (Some(video), Some(start)) = (label.video.as_deref(), label.start) {
                starts.entry(video).or_default().push((start, at));
            }
        }
        let mut pairs = Vec::new();
        for (clip, row) in self.rows.iter().enumerate().filter(|&(clip, _)| chosen[clip].is_none()) {
            for &(start, at) in starts.get(row.video.as_str()).into_iter().flatten() {
                let distance = (start - row.span.start.0).abs();
                // Differences of decimals are off by a few units in the last place.
                if distance <= TOLERANCE_S + 1e-9 {
                    pairs.push((distance, clip, at));
                }
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        for (_, clip, at) in pairs {
            if chosen[clip].is_none() && free[at] {
                (chosen[clip], free[at]) = (Some(at), false);
            }
        }
    }

    /// Labels that no clip fits. Those of recordings that are not there at all are counted, for one problem each.
    fn leftover(&mut self, labels: &Labels, used: &[bool]) {
        let mut labelled: BTreeMap<String, usize> = BTreeMap::new();
        for (label, &used) in labels.rows.iter().zip(used) {
            let recording = label.recording();
            if let Some(video) = recording {
                *labelled.entry(video.to_owned()).or_default() += usize::from(!used);
            }
            let in_folders = !self.found.media.is_empty() || !self.found.transcripts.is_empty();
            // A recording without a transcript has no clips: it is told as a whole.
            let transcribed = |video: &str| self.found.transcripts.contains_key(video);
            let as_a_whole = in_folders && recording.is_some_and(|video| !transcribed(video));
            let name = label.name().or_else(|| label.video.clone());
            let dropped = name.as_ref().is_some_and(|name| self.found.dropped.contains(name));
            if used || as_a_whole || dropped {
                continue;
            }
            let whose = match (&label.id, &label.video, label.start) {
                (_, Some(video), Some(start)) => format!("{video} at {start} s"),
                _ => name.clone().unwrap_or_default(),
            };
            let message = format!("line {}: no clip fits the label of {whose}", label.line);
            let problem = Kind::ExtraLabel.in_file(&labels.path, message);
            self.problems.push(match name {
                Some(name) => problem.of_clip(name),
                None => problem,
            });
        }
        self.found.labelled = Some(labelled);
    }
}
