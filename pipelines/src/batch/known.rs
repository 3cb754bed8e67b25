//! What the cache knows of a clip.

use affekt_cache::{Clip, Status, Store};
use affekt_core::{ClipId, Digest, FeatureKind, Span, TextSource};

use super::{Error, Tally};
use crate::dataset::Row;
use crate::recipe::Words;

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
    /// Of the clip of `row`, which has to be the same that the cache knows by this name; `words` says where those of its
    /// text come from.
    ///
    /// # Errors
    /// [`Error::Moved`], [`Error::Reworded`].
    pub fn of(row: &Row, store: &Store, words: Words) -> Result<Self, Error> {
        let recognises = words.recognises(row.text.is_some());
        let Some(clip) = store.clip(&row.id) else { return Ok(Self::New) };
        match &clip.status {
            Status::Failed { .. } => return Ok(Self::Failed),
            // Words that have come since; those that a recogniser did not find will not come.
            Status::Absent { .. }
                if store.spec().kind == FeatureKind::Text && row.text.is_some() && !recognises =>
            {
                return Ok(Self::New);
            }
            Status::Absent { .. } | Status::Done { .. } => {}
        }
        unmoved(row, clip, store)?;
        reworded(row, clip, store, recognises)?;
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

/// Words that were recognised, and are to be, are the same; all others are held against the dataset's.
fn reworded(row: &Row, clip: &Clip, store: &Store, recognises: bool) -> Result<(), Error> {
    let is_text = store.spec().kind == FeatureKind::Text && clip.is_done();
    let is_given = !(recognises && clip.facts.text_source == Some(TextSource::Asr));
    match &clip.facts.words {
        Some(cached)
            if is_text && is_given && row.text.as_deref().map(digest_of_words).as_ref() != Some(cached) =>
        {
            Err(Error::Reworded { clip: row.id.clone(), folder: store.folder().into() })
        }
        _ => Ok(()),
    }
}

/// What tells the words of a clip from others.
pub fn digest_of_words(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use affekt_cache::Facts;
    use affekt_core::FeatureSpec;

    use super::*;

    /// Clips of `text`, each with words, and where these came from.
    fn cached(clips: &[(&str, Option<&str>, TextSource)]) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let spec = FeatureSpec {
            kind: FeatureKind::Text,
            encoder: "llama".into(),
            weights: Digest::of(b""),
            layers: None,
            preprocessing: Vec::new(),
            width: 1,
            dtype: "f32".into(),
            row: "token".into(),
        };
        let mut store = Store::open(folder.path(), &spec).unwrap();
        let mut writer = store.writer().unwrap();
        for (id, text, source) in clips {
            let words = text.map(digest_of_words);
            let facts = Facts { words, text_source: Some(*source), ..Facts::default() };
            let id = ClipId::new(*id).unwrap();
            match text {
                Some(_) => writer.add(id, facts, &[1.0]).unwrap(),
                None => writer.add_absent(id, facts, "no words").unwrap(),
            }
        }
        writer.commit().unwrap();
        store.refresh().unwrap();
        (folder, store)
    }

    fn row(id: &str, text: Option<&str>) -> Row {
        Row {
            id: ClipId::new(id).unwrap(),
            video: "v".into(),
            media: "v.mp4".into(),
            span: Span::ALL,
            text: text.map(str::to_owned),
            label: None,
            split: None,
        }
    }

    #[test]
    fn words_of_a_transcript_may_come_but_not_change() {
        let (_folder, store) = cached(&[
            ("said", Some("yes"), TextSource::Transcript),
            ("silent", None, TextSource::Transcript),
        ]);
        let known = |id, text| Known::of(&row(id, text), &store, Words::Given);
        assert_eq!(known("said", Some("yes")).unwrap(), Known::Done);
        assert!(matches!(known("said", Some("no")), Err(Error::Reworded { .. })));
        assert!(matches!(known("said", None), Err(Error::Reworded { .. })));
        assert_eq!(known("silent", None).unwrap(), Known::Absent);
        assert_eq!(known("silent", Some("now")).unwrap(), Known::New);
        assert_eq!(known("new", Some("now")).unwrap(), Known::New);
    }

    #[test]
    fn recognised_words_are_held_against_no_transcript() {
        let (_folder, store) =
            cached(&[("heard", Some("yes"), TextSource::Asr), ("silent", None, TextSource::Asr)]);
        for text in [Some("yes"), Some("no"), None] {
            let known = |id| Known::of(&row(id, text), &store, Words::Recognised).unwrap();
            assert_eq!((known("heard"), known("silent")), (Known::Done, Known::Absent));
        }
    }

    /// The words of a clip do not depend on when its transcript has come.
    #[test]
    fn a_transcript_that_has_come_is_read_instead_of_recognised_words() {
        let (_folder, store) = cached(&[
            ("heard", Some("yes"), TextSource::Asr),
            ("silent", None, TextSource::Asr),
            ("said", Some("yes"), TextSource::Transcript),
        ]);
        let known = |id, text| Known::of(&row(id, text), &store, Words::Filled);
        assert_eq!(known("heard", None).unwrap(), Known::Done);
        assert!(matches!(known("heard", Some("no")), Err(Error::Reworded { .. })));
        assert_eq!(known("silent", None).unwrap(), Known::Absent);
        assert_eq!(known("silent", Some("now")).unwrap(), Known::New);
        assert_eq!(known("said", Some("yes")).unwrap(), Known::Done);
        assert!(matches!(known("said", None), Err(Error::Reworded { .. })));
    }
}
