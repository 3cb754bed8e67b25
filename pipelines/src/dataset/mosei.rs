//! The folders of raw MOSEI: `Videos/Full/Combined/ID.mp4` and `Transcript/Segmented/Combined/ID.txt`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::collect::{Collector, Draft, Place};
use super::read::{lines_of, unreadable};
use super::{Error, Found, Kind, Manifest, Problem, Row};
use crate::transcript::mosei::{MARK, Segment, segments};

/// Where the recordings are.
pub const VIDEOS: &str = "Videos/Full/Combined";
/// Where their transcripts are.
pub const TRANSCRIPTS: &str = "Transcript/Segmented/Combined";

/// Reads the transcripts under `root`, whose lines are the clips.
pub fn read(root: &Path) -> Result<Manifest, Error> {
    let mut collector = Collector::default();
    let problems = &mut collector.manifest.problems;
    let media = files(root, VIDEOS, "mp4", Kind::ExtraMedia, problems)?;
    let transcripts = files(root, TRANSCRIPTS, "txt", Kind::ExtraTranscript, problems)?;
    for (video, path) in &transcripts {
        transcript(&mut collector, video, &root.join(VIDEOS).join(format!("{video}.mp4")), path);
    }
    let mut manifest = collector.manifest;
    // Lines of a transcript are not in the order of their times.
    manifest.rows.sort_by(|a, b| {
        let end = |row: &Row| row.span.end.map_or(f64::INFINITY, |end| end.0);
        let by_time = a.span.start.0.total_cmp(&b.span.start.0).then(end(a).total_cmp(&end(b)));
        a.video.cmp(&b.video).then(by_time).then_with(|| a.id.cmp(&b.id))
    });
    let folder = Some(root.join(VIDEOS));
    manifest.found = Found { folder, media, transcripts, ..manifest.found };
    Ok(manifest)
}

/// The files of a folder that are called `ID.extension`, by id. Others are problems of kind `stray`; hidden ones, which
/// file managers leave behind, are none.
fn files(
    root: &Path,
    folder: &str,
    extension: &str,
    stray: Kind,
    problems: &mut Vec<Problem>,
) -> Result<BTreeMap<String, PathBuf>, Error> {
    let path = root.join(folder);
    if !path.is_dir() {
        let (dataset, root) = ("mosei".into(), root.into());
        return Err(Error::Layout { dataset, root, missing: folder.into() });
    }
    let mut entries = fs::read_dir(&path)
        .and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
        })
        .map_err(|error| unreadable(&path, &error))?;
    entries.sort();
    let mut files = BTreeMap::new();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match name.strip_suffix(extension).and_then(|stem| stem.strip_suffix('.')) {
            _ if name.starts_with('.') => {}
            // A transcript that is no file is an unreadable one: its recording shall not be lost.
            Some(id) if !id.is_empty() && (entry.is_file() || stray == Kind::ExtraTranscript) => {
                files.insert(id.to_owned(), entry);
            }
            _ => problems.push(stray.in_file(entry, format!("it is not a file called ID.{extension}"))),
        }
    }
    Ok(files)
}

/// The clips of one transcript.
fn transcript(collector: &mut Collector, video: &str, media: &Path, path: &Path) {
    let reason = match lines_of(path) {
        Ok(text) => return clips(collector, video, media, path, &text),
        Err(Error::Unreadable { reason, .. }) => reason,
        Err(error) => error.to_string(),
    };
    collector.manifest.problems.push(Kind::UnreadableTranscript.in_file(path, reason));
}

/// The clips of a transcript whose lines are `text`.
fn clips(collector: &mut Collector, video: &str, media: &Path, path: &Path, text: &str) {
    let segments = segments(text);
    if segments.is_empty() {
        return collector.manifest.problems.push(Kind::EmptyText.in_file(path, "it has no lines"));
    }
    for segment in segments {
        match segment {
            Ok(segment) if segment.video == video => {
                let place = Place { file: path, line: segment.line };
                collector.add(place, draft(segment, media));
            }
            Ok(Segment { line, video: named, .. }) => {
                let message = format!("it is about {named:?}, in the transcript of {video:?}");
                let problem = Place { file: path, line }.problem(Kind::BadLine, message);
                collector.manifest.problems.push(problem);
            }
            Err((line, words)) => no_segment(collector, Place { file: path, line }, &words),
        }
    }
}

fn draft(segment: Segment, media: &Path) -> Draft {
    let Segment { video, clip, cue, .. } = segment;
    let (id, media) = (format!("{video}_{clip}"), media.to_owned());
    let (start, end) = (Some(cue.start.0), Some(cue.end.0));
    Draft { id, video, media, start, end, text: Some(cue.text), label: None, split: None }
}

/// Takes down why a line is no clip.
fn no_segment(collector: &mut Collector, place: Place, line: &str) {
    let fields: Vec<&str> = line.split(MARK).map(str::trim).collect();
    let is_number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    let times = [("start", 2), ("end", 3)];
    let bad = times.into_iter().find(|&(_, at)| fields.len() > 4 && !is_number(fields[at]));
    let problem = match bad {
        Some((name, at)) => {
            let id = format!("{}_{}", fields[0], fields[1]);
            let message = format!("the {name} {:?} is not a number", fields[at]);
            collector.manifest.found.dropped.insert(id.clone());
            place.problem(Kind::BadNumber, message).of_clip(id)
        }
        None => place.problem(Kind::BadLine, "it is not ID___CLIP___START___END___TEXT"),
    };
    collector.manifest.problems.push(problem);
}

/// The clips of a single transcript, for tests of what its lines may be.
#[cfg(test)]
pub fn manifest(video: &str, media: &Path, path: &Path, text: &str) -> Manifest {
    let mut collector = Collector::default();
    clips(&mut collector, video, media, path, text);
    collector.manifest
}
