//! What the cache knows of a clip.

use affekt_cache::{Clip, Status, Store};
use affekt_core::{ClipId, Digest, FeatureKind, Span, TextSource};

use super::{Error, Tally};
use crate::dataset::Row;

/// What the cache knows of one feature of a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    New,
    /// The feature is there.
    Done,
    /// There is none.
    Absent,
    /// It failed.
    Failed,
}

impl Known {
    /// Of the clip of `row`, which has to be the same that the cache knows by this name.
    ///
    /// # Errors
    /// [`Error::Moved`], [`Error::Reworded`].
    pub fn of(row: &Row, store: &Store) -> Result<Self, Error> {
        let Some(clip) = store.clip(&row.id) else { return Ok(Self::New) };
        match &clip.status {
            Status::Failed { .. } => return Ok(Self::Failed),
            // Words that have come since; those that a recogniser did not find will not come.
            Status::Absent { .. }
                if store.spec().kind == FeatureKind::Text
                    && row.text.is_some()
                    && clip.facts.text_source != Some(TextSource::Asr) =>
            {
                return Ok(Self::New);
            }
            Status::Absent { .. } | Status::Done { .. } => {}
        }
        unmoved(row, clip, store)?;
        reworded(row, clip, store)?;
        Ok(if clip.is_done() { Self::Done } else { Self::Absent })
    }

    /// Whether there is work for a run that takes up failed clips again with `retry_failed`; else the clip counts in `held`.
    pub fn is_to_do(self, retry_failed: bool, held: &mut Tally) -> bool {
        match self {
            Self::New => return true,
            Self::Failed if retry_failed => return true,
            Self::Failed => held.failed += 1,
            Self::Done => held.done += 1,
            Self::Absent => held.absent += 1,
        }
        false
    }
}

/// The recording that a feature was made from.
pub fn made_from(store: &Store, id: &ClipId) -> Option<Digest> {
    store.clip(id).filter(|clip| clip.is_done())?.facts.media.clone()
}

/// A tensor cut elsewhere under the same name would be taken for this clip's.
pub fn unmoved(row: &Row, clip: &Clip, store: &Store) -> Result<(), Error> {
    match clip.facts.span {
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
    let was_given = clip.facts.text_source != Some(TextSource::Asr);
    let is_text = store.spec().kind == FeatureKind::Text && clip.is_done() && was_given;
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
