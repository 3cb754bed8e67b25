//! Names with `*`, `?`, `[` to the files that they stand for.
//!
//! As in a shell: a part of the pattern matches a name in one folder, case counts, and what is hidden is matched only by
//! a part that starts with a dot. `**` stands for any number of folders, itself none; it follows no links, so that there
//! are no loops. Of the files that match, those that end as media are taken: transcripts lie beside recordings, and
//! `clips/*` means the recordings. Where no match has such an ending, as with `*.dat`, every file is taken. Folders that
//! match are searched like named ones.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::{InputError, Kinds, walk};

const AS_SHELLS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// A part of a pattern between two separators.
enum Part<'a> {
    /// A name without choice, `..` or the root.
    Name(&'a Path),
    /// A choice of names.
    Choice(Pattern),
    /// `**`: any number of folders.
    Folders,
}

/// What a pattern found so far.
#[derive(Default)]
struct Found {
    paths: Vec<PathBuf>,
    errors: Vec<InputError>,
}

/// The inputs that `pattern` stands for: never none, for then it is an error.
pub(super) fn expand(pattern: &str, kinds: Kinds) -> Vec<Result<PathBuf, InputError>> {
    let parts = match parts(pattern) {
        Ok(parts) => parts,
        Err(error) => {
            return vec![Err(InputError::BadPattern { pattern: pattern.into(), reason: error.to_string() })];
        }
    };
    let mut found = Found::default();
    follow(Path::new(""), &parts, &mut found);
    if found.paths.is_empty() && found.errors.is_empty() {
        return vec![Err(InputError::NoMatch { pattern: pattern.into() })];
    }
    found.paths.sort_by(|a, b| walk::in_order(a, b));
    let some_are_media = found.paths.iter().any(|path| !path.is_dir() && kinds.include(path));
    let mut inputs: Vec<_> = found.errors.into_iter().map(Err).collect();
    for path in found.paths {
        if path.is_dir() {
            // A folder without media fails nobody: it was not named.
            let is_use = |entry: &Result<_, _>| !matches!(entry, Err(InputError::NothingInside { .. }));
            inputs.extend(walk::folder(&path, kinds).into_iter().filter(is_use));
        } else if !some_are_media || kinds.include(&path) {
            inputs.push(Ok(path));
        }
    }
    if inputs.is_empty() {
        inputs.push(Err(InputError::NothingInside { path: pattern.into(), kinds }));
    }
    inputs
}

fn parts(pattern: &str) -> Result<Vec<Part<'_>>, glob::PatternError> {
    let mut parts = Vec::new();
    for component in Path::new(pattern).components() {
        let name = Path::new(component.as_os_str());
        let text = name.to_str().filter(|_| matches!(component, Component::Normal(_)));
        parts.push(match text {
            Some("**") if matches!(parts.last(), Some(Part::Folders)) => continue,
            Some("**") => Part::Folders,
            Some(text) if text.contains(['*', '?', '[']) => Part::Choice(Pattern::new(text)?),
            _ => Part::Name(name),
        });
    }
    Ok(parts)
}

/// Finds what `parts` lead to from `folder`.
fn follow(folder: &Path, parts: &[Part<'_>], found: &mut Found) {
    let Some((part, rest)) = parts.split_first() else {
        if folder.symlink_metadata().is_ok() {
            found.paths.push(folder.into());
        }
        return;
    };
    let entries = match part {
        Part::Name(name) => return follow(&folder.join(name), rest, found),
        // The search of a matching folder goes through those below.
        Part::Folders if rest.is_empty() && or_here(folder).is_dir() => {
            return found.paths.push(or_here(folder));
        }
        Part::Folders | Part::Choice(_) => match walk::entries(folder) {
            Ok(entries) => entries,
            Err(error) => return found.errors.extend(Some(error).filter(is_of_a_folder)),
        },
    };
    if matches!(part, Part::Folders) {
        follow(folder, rest, found);
    }
    for path in entries {
        match part {
            Part::Choice(pattern) if matches(pattern, &path) => follow(&path, rest, found),
            Part::Folders if walk::is_own_folder(&path) && !walk::is_hidden(&path) => {
                follow(&path, parts, found);
            }
            _ => {}
        }
    }
}

/// What leads through a file, or nowhere, is no error of a folder: nothing matches there.
fn is_of_a_folder(error: &InputError) -> bool {
    let InputError::Unreadable { source, .. } = error else { return true };
    !matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn matches(pattern: &Pattern, path: &Path) -> bool {
    path.file_name().is_some_and(|name| pattern.matches_with(&name.to_string_lossy(), AS_SHELLS))
}

/// The current folder has a name, too.
fn or_here(folder: &Path) -> PathBuf {
    if folder.as_os_str().is_empty() { ".".into() } else { folder.into() }
}
