//! From labels and stores to samples: which clip has what, and which are left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use affekt_cache::{Status, Store};
use affekt_core::{ClipId, FeatureKind, Span};
use affekt_report::training::LeftOut;

use super::error::Missing;
use super::{Error, Incomplete, Rules, Sample};
use crate::dataset::labels::Label;
use crate::dataset::{Labels, Manifest, Row, Severity, Split};

/// The clips of a table of labels, by what becomes of them.
#[derive(Debug, Default)]
pub struct Sorted {
    /// Those that can be used, by name.
    pub samples: BTreeMap<Split, Vec<Sample>>,
    /// Those that a rule leaves out, by split and name.
    pub left_out: Vec<LeftOut>,
    /// What is doubtful.
    pub warnings: Vec<String>,
}

/// What becomes of a clip.
enum Fate<'c> {
    /// Its rows by feature; 0 where one is absent.
    Used(&'c ClipId, BTreeMap<FeatureKind, usize>),
    /// A rule leaves it out.
    LeftOut(String),
    /// It lacks features that it should have.
    Lacking(String),
}

/// Sorts the clips that `labels` put into a split. `cache` is where the `stores` lie.
pub fn sort(
    cache: &Path,
    stores: &[(FeatureKind, Store)],
    labels: &Labels,
    rules: &Rules,
) -> Result<Sorted, Error> {
    let clips = clips(stores);
    let found = matched(&clips, labels);
    if let (true, Some(first)) = (found.iter().all(Option::is_none), labels.rows.first()) {
        let (labels, cache, label) = (labels.path.clone(), cache.into(), name(first));
        return Err(Error::Strangers { labels, cache, label, clip: clips.into_keys().next().cloned() });
    }
    let warnings = warnings(labels, clips.len(), &found, stores, rules);
    let (mut samples, mut left_out, mut missing) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (row, id) in labels.rows.iter().zip(found) {
        let (Some(split), Some(label)) = (row.split, row.label) else { continue };
        if !rules.splits.is_empty() && !rules.splits.contains(&split) {
            continue;
        }
        let clip = id.map_or_else(|| name(row), ToString::to_string);
        match fate(stores, id, split, rules) {
            Fate::Used(id, rows) => {
                let samples: &mut Vec<Sample> = samples.entry(split).or_default();
                samples.push(Sample { id: id.clone(), label, numbers: numbers(stores, &rows), rows });
            }
            Fate::LeftOut(reason) => left_out.push(LeftOut { clip, split: split.to_string(), reason }),
            Fate::Lacking(reason) => missing.push(Missing { clip, split, reason }),
        }
    }
    missing.sort_by(|a, b| (a.split, &a.clip).cmp(&(b.split, &b.clip)));
    if rules.incomplete == Incomplete::Refuse && !missing.is_empty() {
        let kinds = stores.iter().map(|(kind, _)| *kind).collect();
        return Err(Error::Incomplete { cache: cache.into(), labels: labels.path.clone(), kinds, missing });
    }
    left_out.extend(missing.into_iter().map(Missing::left_out));
    left_out.sort_by(|a, b| (&a.split, &a.clip).cmp(&(&b.split, &b.clip)));
    // The order of lines and shards must not decide what a run learns.
    samples.values_mut().for_each(|samples| samples.sort_by(|a, b| a.id.cmp(&b.id)));
    Ok(Sorted { samples, left_out, warnings })
}

/// All clips of the stores, with their time in the recording where it is known.
fn clips(stores: &[(FeatureKind, Store)]) -> BTreeMap<&ClipId, Option<Span>> {
    let mut clips: BTreeMap<&ClipId, Option<Span>> = BTreeMap::new();
    for clip in stores.iter().flat_map(|(_, store)| store.clips()) {
        let span = clips.entry(&clip.id).or_default();
        *span = span.or(clip.facts.span);
    }
    clips
}

/// For each row of `labels` the clip that it is for, where the cache has one.
fn matched<'c>(clips: &BTreeMap<&'c ClipId, Option<Span>>, labels: &Labels) -> Vec<Option<&'c ClipId>> {
    let row = |(id, span): (&&ClipId, &Option<Span>)| {
        // Without a time in it, a clip is of no recording that a label could name.
        let recording = id.as_str().rsplit_once('_').filter(|_| span.is_some());
        Row {
            id: (*id).clone(),
            video: recording.map_or("", |(video, _)| video).to_owned(),
            media: PathBuf::new(),
            span: span.unwrap_or(Span::ALL),
            text: None,
            label: None,
            split: None,
        }
    };
    let places = Manifest::of(clips.iter().map(row).collect()).matches(labels);
    let mut found = vec![None; labels.rows.len()];
    for (id, place) in clips.keys().zip(places) {
        if let Some(place) = place {
            found[place] = Some(*id);
        }
    }
    found
}

/// What a label is for, where the cache has no such clip.
fn name(label: &Label) -> String {
    label.name().or_else(|| label.time()).unwrap_or_else(|| format!("line {}", label.line))
}

fn fate<'c>(
    stores: &[(FeatureKind, Store)],
    id: Option<&'c ClipId>,
    split: Split,
    rules: &Rules,
) -> Fate<'c> {
    let Some(id) = id else { return Fate::Lacking("it is not in the cache".into()) };
    let (mut rows, mut lacking) = (BTreeMap::new(), Vec::new());
    for (kind, store) in stores {
        let kind = *kind;
        match store.clip(id).map(|clip| &clip.status) {
            Some(Status::Done { rows: count, .. }) => _ = rows.insert(kind, *count),
            Some(Status::Absent { .. }) => _ = rows.insert(kind, 0),
            Some(Status::Failed { stage, reason }) => {
                lacking.push(format!("{} failed in {stage}: {reason}", kind.name()));
            }
            None => lacking.push(format!("{} is not in the cache", kind.name())),
        }
    }
    if !lacking.is_empty() {
        return Fate::Lacking(lacking.join(", "));
    }
    if rows.values().all(|count| *count == 0) {
        return Fate::LeftOut("all of its features are absent: there is nothing to judge".into());
    }
    match rules.too_long(&rows).filter(|_| split == Split::Train) {
        Some(reason) => Fate::LeftOut(reason),
        None => Fate::Used(id, rows),
    }
}

impl Rules {
    /// Which feature is longer than it may be.
    fn too_long(&self, rows: &BTreeMap<FeatureKind, usize>) -> Option<String> {
        let (kind, count, limit) = rows.iter().find_map(|(kind, count)| {
            let limit = self.longest.get(kind)?;
            (count > limit).then_some((kind.name(), count, limit))
        })?;
        Some(format!("{kind} has {count} rows, data.longest.{kind} is {limit}"))
    }
}

impl Missing {
    fn left_out(self) -> LeftOut {
        let reason = format!("lacks a feature: {}", self.reason);
        LeftOut { clip: self.clip, split: self.split.to_string(), reason }
    }
}

fn numbers(stores: &[(FeatureKind, Store)], rows: &BTreeMap<FeatureKind, usize>) -> usize {
    stores.iter().map(|(kind, store)| rows[kind] * store.spec().width).sum()
}

fn warnings(
    labels: &Labels,
    clips: usize,
    found: &[Option<&ClipId>],
    stores: &[(FeatureKind, Store)],
    rules: &Rules,
) -> Vec<String> {
    let table = labels.path.display();
    let doubtful = labels.problems.iter().filter(|problem| problem.severity == Severity::Warning);
    let mut told: Vec<String> = doubtful.map(ToString::to_string).collect();
    let unused = labels.rows.iter().filter(|row| row.split.is_none()).count();
    if unused > 0 {
        told.push(format!("{table}: clips in none of the splits: {unused}"));
    }
    let unlabelled = clips - found.iter().flatten().count();
    if unlabelled > 0 {
        told.push(format!("{table}: clips of the cache without a label: {unlabelled}"));
    }
    for kind in rules.longest.keys().filter(|kind| stores.iter().all(|(other, _)| other != *kind)) {
        told.push(format!(
            "data.longest.{0} says nothing here: the method takes no {0} features",
            kind.name()
        ));
    }
    told
}
