//! Manifests: a JSON object a line, `{"id", "media", "start", "end", "text", "label", "split"}`, all but id and media
//! optional.

use std::path::Path;

use serde::Deserialize;

use super::collect::{Collector, Draft, Place};
use super::read::lines_of;
use super::{Error, Kind, Manifest, Split};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    media: String,
    start: Option<f64>,
    end: Option<f64>,
    text: Option<String>,
    label: Option<f64>,
    split: Option<String>,
}

/// Reads the manifest at `path`; its media are relative to `root` or, without one, to its own folder.
pub fn read(path: &Path, root: Option<&Path>) -> Result<Manifest, Error> {
    let text = lines_of(path)?;
    let root = root.or(path.parent()).unwrap_or(Path::new(""));
    if !root.as_os_str().is_empty() && !root.is_dir() {
        let reason = "there is no such folder".into();
        return Err(Error::Unreadable { path: root.into(), reason, absent: true });
    }
    Ok(manifest(&text, path, root))
}

/// The manifest that `text` is, the content of the file `path`.
pub fn manifest(text: &str, path: &Path, root: &Path) -> Manifest {
    let mut collector = Collector::default();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (at, line) in lines {
        let place = Place { file: path, line: at + 1 };
        match serde_json::from_str(line) {
            Ok(line) => add(&mut collector, place, root, line),
            Err(error) => {
                collector.manifest.problems.push(broken(place, line, &error));
            }
        }
    }
    collector.manifest
}

fn add(collector: &mut Collector, place: Place, root: &Path, line: Line) {
    let Line { id, media, start, end, text, label, split } = line;
    let split = split.filter(|split| !split.is_empty());
    let known = split.as_deref().and_then(Split::named);
    if let (Some(name), None) = (&split, known) {
        let message = format!("the split {name:?} is not train, valid or test");
        collector.manifest.problems.push(place.problem(Kind::BadSplit, message).of_clip(id.as_str()));
    }
    let media = root.join(media);
    let video = media.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    collector.add(place, Draft { id, video, media, start, end, text, label, split: known });
}

/// A line that is not what it should be. Python writes numbers that are none as words that JSON does not have.
fn broken(place: Place, line: &str, error: &serde_json::Error) -> super::Problem {
    // The line of a single line is always 1, and only confuses.
    let reason = error.to_string().replace("at line 1 ", "at ");
    let rest = line.as_bytes().get(error.column().saturating_sub(1)..).unwrap_or_default();
    let word = ["NaN", "Infinity"].into_iter().find(|word| rest.starts_with(word.as_bytes()));
    match word {
        Some(word) => place.problem(Kind::BadNumber, format!("{word} is not a number ({reason})")),
        None => place.problem(Kind::BadLine, reason),
    }
}
