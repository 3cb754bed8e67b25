//! The recordings that the arguments of a command stand for: files, folders and patterns; and transcripts beside them.
//!
//! | module | holds |
//! |---|---|
//! | `kinds` | [`Kinds`]: which endings a folder is searched for |
//! | `walk` | folders, read in natural order |
//! | `pattern` | names with `*`, `?`, `[` to the files that they stand for |
//!
//! A file stays as it was named, even twice. What a folder or a pattern brings is left out where the same file (links
//! followed) was named, or brought before: `predict a.mp4 .` judges `a.mp4` once.

mod kinds;
mod pattern;
mod walk;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use affekt_core::{ErrorKind, Explain};

pub use kinds::Kinds;

/// Endings of transcripts, the first that is there first: words with times before words without.
const TRANSCRIPTS: [&str; 3] = ["srt", "vtt", "txt"];

/// What the arguments stand for.
#[derive(Debug)]
pub struct Inputs {
    /// In the order of the arguments: the inputs, and what cannot be one.
    pub entries: Vec<Result<PathBuf, InputError>>,
    /// Whether more than one was given, or a folder or a pattern, which may bring any number.
    pub several: bool,
}

/// Why an argument brings nothing, or not everything.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A folder, or folders that match a pattern, without anything to use.
    #[error("{}: is a folder without any {}", path.display(), kinds.what())]
    NothingInside {
        /// The argument.
        path: PathBuf,
        /// What was looked for.
        kinds: Kinds,
    },
    /// A folder that the system refuses to read.
    #[error("{}: the folder cannot be read: {source}", path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A pattern that nothing matches.
    #[error("{pattern}: no such file, and nothing matches it as a pattern")]
    NoMatch {
        /// The argument.
        pattern: String,
    },
    /// A name that no file has, and that is no pattern either.
    #[error("{pattern}: no such file, and not a pattern: {reason}")]
    BadPattern {
        /// The argument.
        pattern: String,
        /// Where it goes wrong.
        reason: String,
    },
}

impl InputError {
    /// The argument, or the folder inside it, that the error is about.
    pub fn input(&self) -> String {
        match self {
            Self::NothingInside { path, .. } | Self::Unreadable { path, .. } => path.display().to_string(),
            Self::NoMatch { pattern } | Self::BadPattern { pattern, .. } => pattern.clone(),
        }
    }
}

impl Explain for InputError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NothingInside { .. } => ErrorKind::IsFolder,
            Self::Unreadable { .. } => ErrorKind::Unreadable,
            Self::NoMatch { .. } => ErrorKind::NotFound,
            Self::BadPattern { .. } => ErrorKind::BadConfig,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NothingInside { kinds, .. } => format!(
                "name the files themselves, or another folder: inside folders, endings count: {}",
                kinds.endings().collect::<Vec<_>>().join(" ")
            ),
            Self::Unreadable { .. } => "allow reading it (`ls -ld` shows the permissions)".into(),
            Self::NoMatch { .. } => {
                "check the spelling; `*` stays inside one folder, `**/` goes through all below".into()
            }
            Self::BadPattern { .. } => {
                "check the spelling; in a pattern, `[` opens a choice of letters, and `[[]` is the letter itself"
                    .into()
            }
        })
    }
}

/// What `arguments` stand for.
///
/// A folder stands for the files in it and in the folders below that end as `kinds` has it, in natural order; what is
/// hidden is skipped, and links to folders are not followed. A name that no file has and that holds `*`, `?` or `[` is a
/// pattern, as in a shell, with `**` for any number of folders; see [`pattern`]. Everything else is a file, there or not.
pub fn expand(arguments: &[PathBuf], kinds: Kinds) -> Inputs {
    let arguments: Vec<Argument<'_>> = arguments.iter().map(Argument::of).collect();
    let named = arguments.iter().filter_map(|argument| match argument {
        Argument::File(path) => Some(identity(path)),
        _ => None,
    });
    let mut seen: HashSet<PathBuf> = named.collect();
    let several = !matches!(arguments[..], [Argument::File(_)]);
    let mut entries = Vec::new();
    for argument in &arguments {
        let brought = match argument {
            Argument::File(path) => {
                entries.push(Ok((*path).clone()));
                continue;
            }
            Argument::Folder(path) => walk::folder(path, kinds),
            Argument::Pattern(text) => pattern::expand(text, kinds),
        };
        let is_new =
            |entry: &Result<PathBuf, _>| entry.as_ref().map_or(true, |path| seen.insert(identity(path)));
        entries.extend(brought.into_iter().filter(is_new));
    }
    Inputs { entries, several }
}

/// How an argument is meant.
enum Argument<'a> {
    File(&'a PathBuf),
    Folder(&'a Path),
    Pattern(&'a str),
}

impl<'a> Argument<'a> {
    fn of(path: &'a PathBuf) -> Self {
        if path.is_dir() {
            return Self::Folder(path);
        }
        let text = path.to_str().filter(|text| text.contains(['*', '?', '[']));
        match text.filter(|_| path.symlink_metadata().is_err()) {
            Some(text) => Self::Pattern(text),
            None => Self::File(path),
        }
    }
}

/// The same for two names of one file.
/// Whether both names stand for one file, links followed.
pub fn are_same(one: &Path, other: &Path) -> bool {
    identity(one) == identity(other)
}

fn identity(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The transcript of `media` in `folder`: the file of the same stem that ends in `srt`, else `vtt`, else `txt`, in any
/// case. MOSEI's `Transcript/Segmented/Combined` is such a folder.
///
/// # Errors
/// [`InputError::Unreadable`] where `folder` cannot be read.
pub fn sidecar(folder: &Path, media: &Path) -> Result<Option<PathBuf>, InputError> {
    let found = walk::entries(folder)?.into_iter().filter(|path| path.file_stem() == media.file_stem());
    let ranked = found.filter_map(|path| {
        let rank = TRANSCRIPTS.iter().position(|ending| ends_in(&path, ending))?;
        path.is_file().then_some((rank, path))
    });
    Ok(ranked.min_by_key(|(rank, _)| *rank).map(|(_, path)| path))
}

fn ends_in(path: &Path, ending: &str) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|own| own.eq_ignore_ascii_case(ending))
}

#[cfg(test)]
mod tests;
