//! Lists of clips that should be there.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use affekt_core::ClipId;
use serde::Deserialize;

use crate::Error;

#[derive(Deserialize)]
struct Row {
    id: String,
}

/// The clips that the file `path` names, each once, in its order: an id a line, or a JSON object a line with a member `id`
/// (a manifest of `extract`). Empty lines do not count.
pub fn read(path: &Path) -> Result<Vec<ClipId>, Error> {
    let io = |source| Error::Read { path: path.into(), source };
    let about = path.metadata().map_err(io)?;
    // Before it is opened: opening a pipe waits for somebody to write, and a device may never end.
    if !about.is_file() && !about.is_dir() {
        return Err(Error::NotFile { path: path.into() });
    }
    let bytes = fs::read(path).map_err(io)?;
    let (mut ids, mut known) = (Vec::new(), HashSet::new());
    // A byte order mark is Windows' way to say UTF-8.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let bad = |reason: String| Error::BadList { path: path.into(), line: index + 1, reason };
        let line = std::str::from_utf8(line).map_err(|_| bad("it is not UTF-8".to_owned()))?.trim();
        if line.is_empty() {
            continue;
        }
        let name = match line.starts_with('{') {
            true => serde_json::from_str::<Row>(line).map_err(|error| bad(error.to_string()))?.id,
            false => line.to_owned(),
        };
        let id = ClipId::new(name).map_err(|error| bad(error.to_string()))?;
        if known.insert(id.clone()) {
            ids.push(id);
        }
    }
    if ids.is_empty() {
        return Err(Error::EmptyList { path: path.into() });
    }
    Ok(ids)
}
