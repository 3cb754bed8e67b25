//! What can be wrong with a feature store.

use std::io::ErrorKind as Io;
use std::path::PathBuf;

use affekt_core::{ClipId, ErrorKind, Explain};

/// Errors of this crate. Each names the file or the clip.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A cache that is not there.
    #[error("there is no cache folder {path}")]
    NoCache {
        /// Where it should be.
        path: PathBuf,
    },
    /// Something else where a folder is needed.
    #[error("{path} is no folder: a file, or a link to nothing, lies there")]
    NotFolder {
        /// Where it lies.
        path: PathBuf,
    },
    /// A pipe or a device where a file is needed.
    #[error("{path} is a pipe or a device, not a file")]
    NotFile {
        /// The pipe.
        path: PathBuf,
    },
    /// The system's word on a file that is read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The system's word on a file that is written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The system's word on a file that is removed.
    #[error("cannot remove {path}: {source}")]
    Remove {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file that is there, with other content than would be written.
    #[error("{path} is there already, with other content")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Bytes that are no shard: truncated, overwritten, or another kind of file.
    #[error("shard {path} is damaged: {reason}")]
    Damaged {
        /// The shard.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A shard of another version of the format.
    #[error("shard {path} has format version {found}, and this program reads version {wanted}")]
    Version {
        /// The shard.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        wanted: u32,
    },
    /// A shard made by another recipe than its folder's.
    #[error("shard {path} holds feature {found}, but lies in the folder of {wanted}")]
    Recipe {
        /// The shard.
        path: PathBuf,
        /// Folder name of the recipe in the shard.
        found: String,
        /// Folder name of the recipe asked for.
        wanted: String,
    },
    /// A recipe with numbers of a type that cannot be kept.
    #[error("features cannot be kept as {0:?}: only as f32, f16 or bf16")]
    UnknownNumber(String),
    /// A feature that may not be stored.
    #[error("the feature of clip {clip} cannot be stored: {reason}")]
    BadFeature {
        /// The clip.
        clip: ClipId,
        /// What is wrong.
        reason: String,
    },
    /// A clip that the store has not, or has without a feature.
    #[error("{place} has no feature of clip {clip}")]
    NoClip {
        /// Shard or folder.
        place: PathBuf,
        /// The clip.
        clip: ClipId,
    },
    /// A feature that the cache has not.
    #[error("cache {cache} holds no feature {wanted}")]
    NoFeature {
        /// The cache.
        cache: PathBuf,
        /// Its name, with the digits of its recipe where they were given.
        wanted: String,
    },
    /// A feature that the cache has by several recipes.
    #[error("cache {cache} holds feature {feature} by several recipes: {}", specs.join(", "))]
    Ambiguous {
        /// The cache.
        cache: PathBuf,
        /// Its name.
        feature: String,
        /// The first digits of the recipes.
        specs: Vec<String>,
    },
    /// A file that is no array of numbers as NumPy writes one.
    #[error("{path} cannot be taken: {reason}")]
    BadNpy {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A folder without arrays.
    #[error("{path} holds no .npy file")]
    NoNpy {
        /// The folder.
        path: PathBuf,
    },
    /// One array where a folder of them is needed.
    #[error("{path} is one file, and nothing says which clip each of its rows is of")]
    NoIndex {
        /// The file.
        path: PathBuf,
    },
    /// An index whose columns do not say which clip each row is of.
    #[error("{path}: the columns are {}; {reason}", listed(.found))]
    Columns {
        /// The index.
        path: PathBuf,
        /// The fields of its first line.
        found: Vec<String>,
        /// What is missing or double.
        reason: String,
    },
    /// A line of an index that cannot be used.
    #[error("{path}, line {line}: {reason}")]
    BadIndex {
        /// The index.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, with the value.
        reason: String,
    },
    /// An index of another array.
    #[error("the first axis of {array} has length {clips}, and {index} has {lines} lines below its header")]
    Mismatch {
        /// The array.
        array: PathBuf,
        /// Length of its first axis.
        clips: usize,
        /// The index.
        index: PathBuf,
        /// Lines that name a clip.
        lines: usize,
    },
    /// A list of clips that cannot be read.
    #[error("{path}, line {line}: {reason}")]
    BadList {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A list of clips without a clip.
    #[error("{path} names no clip")]
    EmptyList {
        /// The file.
        path: PathBuf,
    },
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { source, .. } if source.kind() == Io::NotFound => ErrorKind::NotFound,
            Self::NoCache { .. } | Self::NoClip { .. } | Self::NoFeature { .. } | Self::NoNpy { .. } => {
                ErrorKind::NotFound
            }
            Self::Read { .. } | Self::Damaged { .. } => ErrorKind::Unreadable,
            Self::Write { .. } | Self::Remove { .. } | Self::Exists { .. } => ErrorKind::Unwritable,
            Self::EmptyList { .. } => ErrorKind::Empty,
            Self::NotFolder { .. }
            | Self::Version { .. }
            | Self::Recipe { .. }
            | Self::UnknownNumber(_)
            | Self::NoIndex { .. }
            | Self::Ambiguous { .. } => ErrorKind::BadConfig,
            Self::NotFile { .. }
            | Self::BadFeature { .. }
            | Self::BadNpy { .. }
            | Self::Columns { .. }
            | Self::BadIndex { .. }
            | Self::Mismatch { .. }
            | Self::BadList { .. } => ErrorKind::BadInput,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoCache { .. } => "check the path; a cache is made by what fills it".into(),
            Self::NotFolder { .. } => "name another folder, or move away what lies there".into(),
            Self::NotFile { .. } => "write its text to a file, and name that; <(...) is a pipe, too".into(),
            Self::Read { .. } => "check the path and its permissions".into(),
            Self::Write { source, .. } => unwritten(source.kind()).into(),
            Self::Remove { .. } => "check the permissions of its folder".into(),
            Self::Exists { .. } => {
                "name another folder, or remove the file: nothing is ever overwritten".into()
            }
            Self::Damaged { .. } => "delete this shard and extract its clips again".into(),
            Self::Version { .. } => {
                "extract into a new cache folder, or use the version that wrote it".into()
            }
            Self::Recipe { .. } => "put the shard back into the folder that it was written to".into(),
            Self::NoClip { .. } => "extract this clip first".into(),
            Self::NoFeature { .. } => "`affekt cache ls` lists what it holds".into(),
            Self::Ambiguous { .. } => "choose one with --spec".into(),
            Self::BadNpy { .. } => {
                "save it again, for instance by numpy.save(file, array.astype(\"float32\"))".into()
            }
            Self::NoNpy { .. } => "name the folder in which the files lie, or the one above it".into(),
            Self::NoIndex { .. } => {
                "name the table that does with --index, or a folder with a file a clip".into()
            }
            Self::Columns { .. } => {
                "an index is a TSV or CSV whose first line names its columns; choose them with \
                                     --id-column, --row-column and --length-column"
                    .into()
            }
            Self::BadIndex { .. } => "mend the index; nothing was taken".into(),
            Self::Mismatch { .. } => {
                "an index has a line for each clip of its array: name the one that was written with it".into()
            }
            Self::BadList { .. } | Self::EmptyList { .. } => {
                "write an id a line, or a JSON object a line with a member `id`".into()
            }
            Self::UnknownNumber(_) | Self::BadFeature { .. } => return None,
        })
    }
}

/// Names of columns; of a first line that is none of names, the beginnings of its fields.
fn listed(found: &[String]) -> String {
    let short = |name: &String| match name.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &name[..end]),
        None => name.clone(),
    };
    found.iter().map(short).collect::<Vec<_>>().join(", ")
}

/// What to do about a file that cannot be written.
fn unwritten(kind: Io) -> &'static str {
    match kind {
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => {
            "make room on the disk and run again: what was committed stays, and the run goes on from there"
        }
        Io::PermissionDenied | Io::ReadOnlyFilesystem => {
            "choose a folder that can be written, or give this one the permission: what was committed stays"
        }
        _ => "choose a folder that can be written, on a disk with room",
    }
}
