//! What is missing, and what is there without need.

use std::collections::BTreeMap;
use std::path::Path;

use crate::dataset::{Kind, Manifest, Problem};

/// Recordings whose clips are known and whose media is not there.
pub fn compare(manifest: &Manifest, problems: &mut Vec<Problem>) {
    let mut needed: BTreeMap<&Path, (&str, usize)> = BTreeMap::new();
    for row in &manifest.rows {
        needed.entry(&row.media).or_insert((&row.video, 0)).1 += 1;
    }
    for (media, (video, count)) in needed {
        if !media.is_file() {
            problems.push(absent(manifest, media, video, count));
        }
    }
}

/// Recordings of which no clip is known, since their transcript is absent; no file need be opened for it.
pub fn without_clips(manifest: &Manifest) -> Vec<Problem> {
    let found = &manifest.found;
    let media = found.media.iter().filter(|(video, _)| !found.transcripts.contains_key(*video));
    let without = media.map(|(video, media)| without_transcript(manifest, video, media));
    without.chain(labelled_only(manifest)).collect()
}

/// A recording whose clips are known and whose media is not there.
fn absent(manifest: &Manifest, media: &Path, video: &str, count: usize) -> Problem {
    let Some(transcript) = manifest.found.transcripts.get(video).filter(|_| is_unlabelled(manifest, video))
    else {
        let why = if media.exists() { "it is not a file" } else { "there is no such file" };
        return Kind::MissingMedia.in_file(media, format!("{why}, for {}", clips(count)));
    };
    let message = format!("neither media nor labels know its {}", clips(count));
    Kind::ExtraTranscript.in_file(transcript, message)
}

fn without_transcript(manifest: &Manifest, video: &str, media: &Path) -> Problem {
    if is_unlabelled(manifest, video) {
        return Kind::ExtraMedia.in_file(media, "neither transcripts nor labels know it");
    }
    let labelled = manifest.found.labelled.as_ref().and_then(|labelled| labelled.get(video));
    let message = match labelled {
        Some(count) => format!("it has no transcript, for {}", labels(*count)),
        None => "it has no transcript".into(),
    };
    Kind::MissingTranscript.in_file(media, message)
}

/// Whether there are labels, and none for this recording.
fn is_unlabelled(manifest: &Manifest, video: &str) -> bool {
    manifest.found.labelled.as_ref().is_some_and(|labelled| !labelled.contains_key(video))
}

/// Recordings of a dataset in folders that only the labels know.
fn labelled_only(manifest: &Manifest) -> Vec<Problem> {
    let found = &manifest.found;
    let (Some(folder), Some(labelled)) = (&found.folder, &found.labelled) else { return Vec::new() };
    let known = |video: &String| found.media.contains_key(video) || found.transcripts.contains_key(video);
    let unknown = labelled.iter().filter(|(video, _)| !known(video));
    let problem = |(video, count): (&String, &usize)| {
        let message = format!("neither it nor its transcript is there, for {}", labels(*count));
        Kind::MissingMedia.in_file(folder.join(format!("{video}.mp4")), message)
    };
    unknown.map(problem).collect()
}

pub fn clips(count: usize) -> String {
    if count == 1 { "1 clip".into() } else { format!("{count} clips") }
}

fn labels(count: usize) -> String {
    if count == 1 { "1 label".into() } else { format!("{count} labels") }
}
