//! The folders of raw MOSEI: `Videos/Full/Combined/ID.mp4` and `Transcript/Segmented/Combined/ID.txt`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::collect::{Collector, Draft, Place};
use super::read::{lines_of, unreadable};
use super::{Error, Kind, Manifest, Problem};
use crate::transcript::mosei::{MARK, Segment, segments};

const VIDEOS: &str = "Videos/Full/Combined";
const TRANSCRIPTS: &str = "Transcript/Segmented/Combined";

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
        let end = |row: &super::Row| row.span.end.map_or(f64::INFINITY, |end| end.0);
        let by_time = a.span.start.0.total_cmp(&b.span.start.0).then(end(a).total_cmp(&end(b)));
        a.video.cmp(&b.video).then(by_time).then_with(|| a.id.cmp(&b.id))
    });
    (manifest.found.media, manifest.found.transcripts) = (media, transcripts);
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
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>())
        .map_err(|error| unreadable(&path, &error))?;
    entries.sort();
    let mut files = BTreeMap::new();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match name.strip_suffix(extension).and_then(|stem| stem.strip_suffix('.')) {
            _ if name.starts_with('.') => {}
            Some(id) if !id.is_empty() && !entry.is_dir() => drop(files.insert(id.to_owned(), entry)),
            _ => problems.push(stray.in_file(entry, format!("it is not a file called ID.{extension}"))),
        }
    }
    Ok(files)
}

/// The clips of one transcript.
fn transcript(collector: &mut Collector, video: &str, media: &Path, path: &Path) {
    let text = match lines_of(path) {
        Ok(text) => text,
        Err(Error::Unreadable { reason, .. }) => {
            return collector.manifest.problems.push(Kind::UnreadableTranscript.in_file(path, reason));
        }
        Err(error) => {
            let problem = Kind::UnreadableTranscript.in_file(path, error.to_string());
            return collector.manifest.problems.push(problem);
        }
    };
    let segments = segments(&text);
    if segments.is_empty() {
        return collector.manifest.problems.push(Kind::EmptyText.in_file(path, "it has no lines"));
    }
    for segment in segments {
        match draft(video, media, segment) {
            Ok((line, draft)) => collector.add(Place { file: path, line }, draft),
            Err((line, kind, message)) => {
                let problem = Place { file: path, line }.problem(kind, message);
                collector.manifest.problems.push(problem);
            }
        }
    }
}

/// A line of the transcript of `video`, or what is wrong with it.
fn draft(
    video: &str,
    media: &Path,
    segment: Result<Segment, (usize, String)>,
) -> Result<(usize, Draft), (usize, Kind, String)> {
    let Segment { line, video: named, clip, cue } = segment.map_err(|(line, words)| {
        let (kind, message) = no_segment(&words);
        (line, kind, message)
    })?;
    if named != video {
        return Err((line, Kind::BadLine, format!("it is about {named:?}, in the transcript of {video:?}")));
    }
    let (start, end) = (Some(cue.start.0), Some(cue.end.0));
    let (id, text) = (format!("{video}_{clip}"), Some(cue.text));
    let (video, media) = (video.to_owned(), media.to_owned());
    Ok((line, Draft { id, video, media, start, end, text, label: None, split: None }))
}

/// Why a line is no clip.
fn no_segment(line: &str) -> (Kind, String) {
    let fields: Vec<&str> = line.split(MARK).collect();
    let is_number = |text: &str| text.trim().parse::<f64>().is_ok_and(f64::is_finite);
    let bad = [("start", 2), ("end", 3)].into_iter().find(|&(_, at)| fields.len() > 4 && !is_number(fields[at]));
    match bad {
        Some((name, at)) => (Kind::BadNumber, format!("the {name} {:?} is not a number", fields[at])),
        None => (Kind::BadLine, "it is not ID___CLIP___START___END___TEXT".into()),
    }
}
