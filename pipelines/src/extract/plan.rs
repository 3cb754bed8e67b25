//! What the cache lacks, by recording: the work of a run, known before anything is decoded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use affekt_cache::Store;
use affekt_core::{ClipId, FeatureKind, FeatureSpec, Span};

use crate::batch::known::made_from;
use crate::batch::ledger::Scope;
use crate::batch::{Error, Known, Tally, Task};
use crate::dataset::Manifest;
use crate::recipe::Words;

/// What a clip counts whose end is not known, in seconds: it may be a whole recording, so it is begun early.
const UNKNOWN_S: f64 = 3_600.0;

/// The clips of one recording that lack something.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The media file.
    pub media: PathBuf,
    /// The times of all of its clips, in the order of the manifest: a pass goes over those that are through as well, so
    /// that a run that goes on gives the same numbers as one that was never interrupted.
    pub spans: Vec<Span>,
    /// The clips that lack something.
    pub tasks: Vec<Task>,
}

impl Recording {
    fn new(media: &Path) -> Self {
        Self { media: media.into(), spans: Vec::new(), tasks: Vec::new() }
    }

    /// Seconds of the clips that have to be decoded; those without an end count as `unknown`.
    fn seconds(&self, unknown: f64) -> f64 {
        let decoded = self.tasks.iter().filter(|task| task.needs_media());
        decoded.map(|task| task.span.duration().map_or(unknown, |time| time.0)).sum()
    }
}

/// The work of a run.
pub struct Plan {
    /// The features, each with its place in the cache.
    pub stores: Vec<Store>,
    /// The recordings with something to do, the longest first: a long one at the end would keep all but one worker idle.
    pub recordings: Vec<Recording>,
    /// What the cache holds already and is not tried again, by feature, in the order of `stores`.
    pub held: Vec<Tally>,
    /// Clips of the manifest.
    pub clips: usize,
    /// Clips that are not tried again though one of their features failed.
    pub failed_before: Vec<ClipId>,
}

impl Plan {
    /// Holds `manifest` against the cache at `cache`, where each of `specs` has its folder; they are made where they are
    /// missing. `words` says where those of the clips come from. Clips that failed are taken up again with `retry_failed`.
    ///
    /// # Errors
    /// Those of [`Store::open`] and [`Store::check_writable`]; [`Error::Moved`], [`Error::Reworded`].
    pub fn new(
        manifest: &Manifest,
        cache: &Path,
        specs: &[FeatureSpec],
        words: Words,
        retry_failed: bool,
    ) -> Result<Self, Error> {
        let stores = specs.iter().map(|spec| Store::open(cache, spec)).collect::<Result<Vec<_>, _>>()?;
        stores.iter().try_for_each(Store::check_writable)?;
        let mut held = vec![Tally::default(); stores.len()];
        let mut failed_before = Vec::new();
        let mut recordings: BTreeMap<&Path, Recording> = BTreeMap::new();
        for row in &manifest.rows {
            let mut lacks = Vec::new();
            let mut has_failed = false;
            let mut speech_cached = false;
            for (store, held) in stores.iter().zip(&mut held) {
                let (kind, known) = (store.spec().kind, Known::of(row, store, words)?);
                speech_cached |= kind == FeatureKind::Speech && known == Known::Done;
                if known.is_to_do(retry_failed, held) {
                    lacks.push(kind);
                } else {
                    has_failed |= known == Known::Failed;
                }
            }
            if has_failed {
                failed_before.push(row.id.clone());
            }
            let recording = recordings.entry(&row.media).or_insert_with(|| Recording::new(&row.media));
            if !lacks.is_empty() {
                let (index, text) = (recording.spans.len(), row.text.clone());
                let media = stores.iter().find_map(|store| made_from(store, &row.id));
                let (id, span) = (row.id.clone(), row.span);
                let recognises = lacks.contains(&FeatureKind::Text) && words.recognises(text.is_some());
                recording.tasks.push(Task { id, index, span, text, media, lacks, recognises, speech_cached });
            }
            recording.spans.push(row.span);
        }
        let recordings = longest_first(recordings);
        Ok(Self { stores, recordings, held, clips: manifest.rows.len(), failed_before })
    }

    /// Clips with something to do.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.recordings.iter().flat_map(|recording| &recording.tasks)
    }

    /// What the run is about.
    pub fn scope(&self) -> Scope {
        Scope { clips: self.clips, failed_before: self.failed_before.len() }
    }

    /// The place of `kind` in the cache, where it is a feature of the run.
    pub fn store(&self, kind: FeatureKind) -> Option<&Store> {
        self.stores.iter().find(|store| store.spec().kind == kind)
    }

    /// The features that some clip lacks, or that are needed for one.
    pub fn lacking(&self) -> Vec<FeatureKind> {
        let kinds = self.stores.iter().map(|store| store.spec().kind);
        let needed = |kind: &FeatureKind| {
            let hears = *kind == FeatureKind::Speech && self.tasks().any(Task::needs_voice);
            hears || self.tasks().any(|task| task.lacks(*kind))
        };
        kinds.filter(needed).collect()
    }
}

/// Equals by name, so that every run has the same order.
fn longest_first(recordings: BTreeMap<&Path, Recording>) -> Vec<Recording> {
    let mut recordings: Vec<Recording> =
        recordings.into_values().filter(|recording| !recording.tasks.is_empty()).collect();
    recordings.sort_by(|a, b| b.seconds(UNKNOWN_S).total_cmp(&a.seconds(UNKNOWN_S)));
    recordings
}
