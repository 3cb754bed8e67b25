//! What the cache lacks, by recording: the work of a run, known before anything is decoded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use affekt_cache::{Clip, Status, Store};
use affekt_core::{ClipId, Digest, FeatureKind, FeatureSpec, Span};

use super::Error;
use crate::dataset::{Manifest, Row};

/// What a clip counts whose end is not known, in seconds: it may be a whole recording, so it is begun early.
const UNKNOWN_S: f64 = 3_600.0;

/// A clip, and which of its features the cache lacks.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name.
    pub id: ClipId,
    /// Which of [`Recording::spans`] is its time.
    pub index: usize,
    /// Its time in the recording.
    pub span: Span,
    /// What is said in it.
    pub text: Option<String>,
    /// The recording that features of it in the cache were made from.
    pub media: Option<Digest>,
    /// The features to make.
    pub lacks: Vec<FeatureKind>,
}

impl Task {
    /// Whether anything has to be decoded for it.
    pub fn needs_media(&self) -> bool {
        self.needs_sound() || self.needs_faces()
    }

    /// Whether its sound is needed.
    pub fn needs_sound(&self) -> bool {
        self.lacks.iter().any(|kind| is_heard(*kind))
    }

    /// Whether its faces are needed.
    pub fn needs_faces(&self) -> bool {
        self.lacks.contains(&FeatureKind::Video)
    }
}

/// Whether the feature `kind` is made from the sound.
pub fn is_heard(kind: FeatureKind) -> bool {
    matches!(kind, FeatureKind::Audio | FeatureKind::Speech | FeatureKind::Simulated)
}

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

/// Clips by what came of one feature of theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The feature is there.
    pub done: usize,
    /// They have no such feature.
    pub absent: usize,
    /// It failed.
    pub failed: usize,
}

impl Tally {
    /// All of them.
    pub fn clips(&self) -> usize {
        self.done + self.absent + self.failed
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
    /// missing. Clips that failed are taken up again with `retry_failed`.
    ///
    /// # Errors
    /// Those of [`Store::open`] and [`Store::check_writable`]; [`Error::Moved`], [`Error::Reworded`].
    pub fn new(
        manifest: &Manifest,
        cache: &Path,
        specs: &[FeatureSpec],
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
            for (store, held) in stores.iter().zip(&mut held) {
                match Standing::of(row, store)? {
                    Standing::New => lacks.push(store.spec().kind),
                    Standing::Failed if retry_failed => lacks.push(store.spec().kind),
                    Standing::Failed => {
                        held.failed += 1;
                        has_failed = true;
                    }
                    Standing::Done => held.done += 1,
                    Standing::Absent => held.absent += 1,
                }
            }
            if has_failed {
                failed_before.push(row.id.clone());
            }
            let recording = recordings.entry(&row.media).or_insert_with(|| Recording::new(&row.media));
            if !lacks.is_empty() {
                let (index, text) = (recording.spans.len(), row.text.clone());
                let media = stores.iter().find_map(|store| made_from(store, &row.id));
                recording.tasks.push(Task { id: row.id.clone(), index, span: row.span, text, media, lacks });
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

    /// The features that some clip lacks.
    pub fn lacking(&self) -> Vec<FeatureKind> {
        let kinds = self.stores.iter().map(|store| store.spec().kind);
        kinds.filter(|kind| self.tasks().any(|task| task.lacks.contains(kind))).collect()
    }
}

/// Equals by name, so that every run has the same order.
fn longest_first(recordings: BTreeMap<&Path, Recording>) -> Vec<Recording> {
    let mut recordings: Vec<Recording> =
        recordings.into_values().filter(|recording| !recording.tasks.is_empty()).collect();
    recordings.sort_by(|a, b| b.seconds(UNKNOWN_S).total_cmp(&a.seconds(UNKNOWN_S)));
    recordings
}

/// What the cache knows of one feature of a clip.
enum Standing {
    New,
    Done,
    Absent,
    Failed,
}

impl Standing {
    /// Of the clip of `row`, which has to be the same that the cache knows by this name.
    fn of(row: &Row, store: &Store) -> Result<Self, Error> {
        let Some(clip) = store.clip(&row.id) else { return Ok(Self::New) };
        match &clip.status {
            Status::Failed { .. } => return Ok(Self::Failed),
            // Words that have come since.
            Status::Absent { .. } if store.spec().kind == FeatureKind::Text && row.text.is_some() => {
                return Ok(Self::New);
            }
            Status::Absent { .. } | Status::Done { .. } => {}
        }
        unmoved(row, clip, store)?;
        reworded(row, clip, store)?;
        Ok(if clip.is_done() { Self::Done } else { Self::Absent })
    }
}

/// The recording that a feature was made from.
fn made_from(store: &Store, id: &ClipId) -> Option<Digest> {
    store.clip(id).filter(|clip| clip.is_done())?.facts.media.clone()
}

/// A tensor cut elsewhere under the same name would be taken for this clip's.
fn unmoved(row: &Row, clip: &Clip, store: &Store) -> Result<(), Error> {
    match clip.facts.span.filter(|_| store.spec().kind != FeatureKind::Text) {
        Some(cached) if !are_same(cached, row.span) => Err(Error::Moved {
            clip: row.id.clone(),
            folder: store.folder().into(),
            cached,
            wanted: row.span,
        }),
        _ => Ok(()),
    }
}

/// Equal but for the last digit, which the way through decimals may cost.
fn are_same(a: Span, b: Span) -> bool {
    let end = |span: Span| span.end.map_or(f64::MAX, |end| end.0);
    (a.start.0 - b.start.0).abs() < 1e-6 && (end(a) - end(b)).abs() < 1e-6
}

fn reworded(row: &Row, clip: &Clip, store: &Store) -> Result<(), Error> {
    let is_text = store.spec().kind == FeatureKind::Text && clip.is_done();
    match &clip.facts.words {
        Some(cached) if is_text && row.text.as_deref().map(digest_of_words).as_ref() != Some(cached) => {
            Err(Error::Reworded { clip: row.id.clone(), folder: store.folder().into() })
        }
        _ => Ok(()),
    }
}

/// What tells the words of a clip from others.
pub fn digest_of_words(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}
