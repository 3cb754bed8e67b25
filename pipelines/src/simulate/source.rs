//! The cached speech that text is simulated from, and the clips that have it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use affekt_cache::{Status, Store, folders};
use affekt_core::{ClipId, Digest, FeatureKind, Span, TextSource};
use affekt_weights::Bundle;

use crate::batch::Error;
use crate::dataset::Row;
use crate::recipe::{Recipes, specs};

/// How speech may be kept, the most exact first.
const TYPES: [&str; 3] = ["f32", "bf16", "f16"];

/// The speech in `cache` that `recipes` make, kept as `store` where that is given; `None` where there is none.
///
/// # Errors
/// [`Error::SeveralSpeeches`] where nothing is said and it is kept in several types; those of the bundle and the cache.
pub fn speech(
    bundle: &Bundle,
    recipes: &Recipes,
    cache: &Path,
    store: Option<&str>,
) -> Result<Option<Store>, Error> {
    let mut found = Vec::new();
    for number in TYPES.into_iter().filter(|number| store.is_none_or(|store| store == *number)) {
        let spec = specs(bundle, recipes, &[FeatureKind::Speech], &[], number)?.swap_remove(0);
        // Opening a store makes its folder.
        if cache.join(spec.folder()).is_dir() {
            let store = Store::open(cache, &spec)?;
            if !store.clips().is_empty() {
                found.push(store);
            }
        }
    }
    if found.len() > 1 {
        let types = found.iter().map(|store| store.spec().dtype.clone()).collect();
        return Err(Error::SeveralSpeeches { cache: cache.into(), types });
    }
    Ok(found.pop())
}

/// The clips of a cache whose dataset nobody has named: those with a row in `speech`. Transcripts are those that were read
/// for its `text`.
///
/// # Errors
/// Those of the cache.
pub fn clips(cache: &Path, speech: &Store) -> Result<Vec<Row>, Error> {
    let words = transcripts(cache)?;
    let clips = speech.clips();
    let names = recordings(clips.iter().map(|clip| (&clip.id, clip.facts.media.as_ref())));
    let row = |clip: &&affekt_cache::Clip| Row {
        id: clip.id.clone(),
        video: names.get(&clip.id).cloned().unwrap_or_default(),
        media: PathBuf::new(),
        span: clip.facts.span.unwrap_or(Span::ALL),
        text: words.get(&clip.id).cloned(),
        label: None,
        split: None,
    };
    Ok(clips.iter().map(row).collect())
}

/// The clips of share `index` of `count`: by name alone, so that all machines agree whatever each has in its cache.
pub fn share(mut rows: Vec<Row>, index: usize, count: usize) -> Vec<Row> {
    let hash = |id: &ClipId| {
        let digest = Digest::of(id.as_str().as_bytes());
        u64::from_str_radix(&digest.as_str()[..15], 16).expect("a digest is hexadecimal")
    };
    rows.retain(|row| hash(&row.id) % count as u64 == index as u64);
    rows
}

/// What was said, by the `text` of any recipe; recognised words are no transcript.
fn transcripts(cache: &Path) -> Result<BTreeMap<ClipId, String>, Error> {
    let mut words = BTreeMap::new();
    for folder in folders(cache)?.iter().filter(|folder| folder.kind == FeatureKind::Text) {
        // Damaged shards of a feature that only error rates need keep nobody from his work; `cache verify` tells them.
        let Some(store) = folder.contents()?.store else { continue };
        for clip in store.clips() {
            let given = clip.facts.text_source != Some(TextSource::Asr);
            if let (Status::Done { .. }, Some(text), true) = (&clip.status, &clip.facts.transcript, given) {
                words.insert(clip.id.clone(), text.clone());
            }
        }
    }
    Ok(words)
}

/// What to call the recording of each clip: what the names of its clips have in common before their last `_`, as in
/// MOSEI's `ID_CLIP`; else the digest of the file.
fn recordings<'c>(clips: impl Iterator<Item = (&'c ClipId, Option<&'c Digest>)>) -> BTreeMap<ClipId, String> {
    let mut by_media: BTreeMap<&str, Vec<&ClipId>> = BTreeMap::new();
    for (id, media) in clips {
        by_media.entry(media.map_or(id.as_str(), Digest::as_str)).or_default().push(id);
    }
    let prefix = |id: &ClipId| id.as_str().rsplit_once('_').map(|(recording, _)| recording.to_owned());
    let common = |ids: &[&ClipId]| {
        let first = prefix(ids[0])?;
        ids.iter().all(|id| prefix(id).as_ref() == Some(&first)).then_some(first)
    };
    let called: Vec<(Option<String>, &str, Vec<&ClipId>)> =
        by_media.into_iter().map(|(media, ids)| (common(&ids), media, ids)).collect();
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for name in called.iter().filter_map(|(name, ..)| name.as_deref()) {
        *uses.entry(name).or_default() += 1;
    }
    let mut names = BTreeMap::new();
    for (name, media, ids) in &called {
        // Files that would be called the same keep their digests.
        let name = name.clone().filter(|name| uses[name.as_str()] == 1);
        let name = name.unwrap_or_else(|| media.chars().take(12).collect());
        names.extend(ids.iter().map(|id| ((*id).clone(), name.clone())));
    }
    names
}
