//! What the cache lacks of simulated text.

use std::path::Path;

use affekt_cache::{Clip, Status, Store};
use affekt_core::{ClipId, FeatureKind, FeatureSpec, Stage};

use crate::batch::ledger::Scope;
use crate::batch::{Error, Known, Tally, Task};
use crate::dataset::Row;
use crate::recipe::Words;

/// The work of a run.
pub struct Plan {
    /// What text is simulated from.
    pub speech: Store,
    /// Where it goes: one.
    pub stores: Vec<Store>,
    /// The clips that lack it, those with the most speech first: what is long at the end would run alone.
    pub tasks: Vec<Task>,
    /// What the cache holds already and is not tried again.
    pub held: Tally,
    /// All clips.
    pub clips: usize,
    /// Clips that are not tried again though they failed.
    pub failed_before: Vec<ClipId>,
    /// Clips whose text is there, and was held against other words than those of the dataset.
    pub reworded: usize,
}

impl Plan {
    /// Holds the clips of `rows`, each of which has a row in `speech`, against the cache at `cache`, where `spec` has its
    /// folder. Clips that failed are taken up again with `retry_failed`, and where their speech has come since.
    ///
    /// # Errors
    /// Those of [`Store::open`] and [`Store::check_writable`]; [`Error::Moved`], [`Error::Unheard`].
    pub fn new(
        rows: &[Row],
        speech: Store,
        cache: &Path,
        spec: &FeatureSpec,
        retry_failed: bool,
    ) -> Result<Self, Error> {
        let unheard = rows.iter().filter(|row| speech.clip(&row.id).is_none());
        if let (Some(first), count) = (unheard.clone().next(), unheard.count()) {
            let (first, folder) = (first.id.clone(), speech.folder().into());
            return Err(Error::Unheard { first, count, folder });
        }
        let store = Store::open(cache, spec)?;
        store.check_writable()?;
        let mut held = Tally::default();
        let mut failed_before = Vec::new();
        let mut reworded = 0;
        let mut tasks = Vec::new();
        for row in rows {
            Known::of(row, &speech, Words::Given)?;
            let known = Known::of(row, &store, Words::Given)?;
            let again = retry_failed || has_come_since(speech.clip(&row.id), store.clip(&row.id));
            let cached = store.clip(&row.id).filter(|_| known == Known::Done);
            let words = cached.and_then(|clip| clip.facts.transcript.as_ref());
            reworded += usize::from(words.is_some() && row.text.is_some() && words != row.text.as_ref());
            // Nothing is generated again for words that have come since: the text is only held against them.
            let unjudged = cached.is_some() && words.is_none() && row.text.is_some();
            if unjudged || known.is_to_do(again, &mut held) {
                tasks.push(Task {
                    id: row.id.clone(),
                    index: 0,
                    span: row.span,
                    text: row.text.clone(),
                    media: None,
                    lacks: vec![FeatureKind::Simulated],
                    recognises: false,
                    speech_cached: true,
                });
            } else if known == Known::Failed {
                failed_before.push(row.id.clone());
            }
        }
        // By name where equal, so that every run has the same order.
        tasks.sort_by(|a, b| {
            length(&speech, &b.id).cmp(&length(&speech, &a.id)).then_with(|| a.id.cmp(&b.id))
        });
        Ok(Self { speech, stores: vec![store], tasks, held, clips: rows.len(), failed_before, reworded })
    }

    /// What the run is about.
    pub fn scope(&self) -> Scope {
        Scope { clips: self.clips, failed_before: self.failed_before.len() }
    }
}

/// Rows of speech.
fn length(speech: &Store, id: &ClipId) -> usize {
    match speech.clip(id).map(|clip| &clip.status) {
        Some(Status::Done { rows, .. }) => *rows,
        _ => 0,
    }
}

/// Whether a clip failed for want of the speech that is there now.
fn has_come_since(speech: Option<&Clip>, simulated: Option<&Clip>) -> bool {
    let own = [Stage::Simulate.name(), Stage::Write.name()];
    match simulated.map(|clip| &clip.status) {
        Some(Status::Failed { stage, .. }) => {
            speech.is_some_and(Clip::is_done) && !own.contains(&stage.as_str())
        }
        _ => false,
    }
}
