//! Why a dataset cannot be taken up at all.

use std::path::PathBuf;

use affekt_core::{ErrorKind, Explain};

use super::Problem;

/// Errors that stand before any work. What is wrong with single clips is a [`Problem`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither a known dataset nor a manifest.
    #[error("{name:?} is not a dataset that is known")]
    UnknownDataset {
        /// What was given.
        name: String,
    },
    /// A dataset in folders, without its folder.
    #[error("dataset {dataset:?} needs the folder that it lies in")]
    NoRoot {
        /// Its name.
        dataset: String,
    },
    /// Folders that are not laid out as the dataset's.
    #[error("{}: is not laid out as {dataset:?}: {} is missing", root.display(), missing.display())]
    Layout {
        /// The dataset.
        dataset: String,
        /// The folder that was given.
        root: PathBuf,
        /// The folder that should be in it, relative to it.
        missing: PathBuf,
    },
    /// A file or folder that cannot be read, or is no text.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// What the system says, or where the text is broken.
        reason: String,
        /// Whether nothing has this name.
        absent: bool,
    },
    /// A table whose columns do not say which clip a row is for, or have no label.
    #[error("{}: the columns are {found}; {reason}", path.display(), found = found.join(", "))]
    Columns {
        /// The table.
        path: PathBuf,
        /// Its columns.
        found: Vec<String>,
        /// What is missing or double.
        reason: String,
    },
    /// Rows that cannot be understood.
    #[error("{first}{whose}{more}", whose = whose(first), more = more(*.others))]
    Malformed {
        /// The first of them.
        first: Box<Problem>,
        /// How many more there are.
        others: usize,
    },
    /// A share that there is not.
    #[error("shard {index}/{count}: the shards of {count} are numbered from 0")]
    Shard {
        /// Its number, from 0.
        index: usize,
        /// How many shards there are.
        count: usize,
    },
}

/// The clip, where the message does not name it.
fn whose(problem: &Problem) -> String {
    let unnamed = problem.clip.as_ref().filter(|clip| !problem.message.contains(clip.as_str()));
    unnamed.map(|clip| format!(" (clip {clip})")).unwrap_or_default()
}

fn more(others: usize) -> String {
    match others {
        0 => String::new(),
        others => format!(" (and {others} more)"),
    }
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownDataset { .. } | Self::NoRoot { .. } | Self::Shard { .. } => ErrorKind::BadConfig,
            Self::Unreadable { absent: true, .. } => ErrorKind::NotFound,
            Self::Unreadable { absent: false, .. } => ErrorKind::Unreadable,
            Self::Layout { .. } | Self::Columns { .. } | Self::Malformed { .. } => ErrorKind::BadDataset,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownDataset { .. } => "give mosei, or a manifest called FILE.jsonl".into(),
            Self::NoRoot { .. } => "name it with --root".into(),
            Self::Layout { dataset, .. } => format!(
                "{dataset} has Videos/Full/Combined/ID.mp4 and Transcript/Segmented/Combined/ID.txt; name the folder \
                 above them, or describe other folders in a JSONL manifest"
            ),
            Self::Unreadable { absent: true, .. } => {
                "check the spelling; a relative name counts from the current folder".into()
            }
            Self::Unreadable { .. } => "mend the file, or allow reading it".into(),
            Self::Columns { .. } => {
                "a table of labels has the columns id, or video and clip, or video and start; \
                 and label; and split, where the dataset has no official one"
                    .into()
            }
            Self::Malformed { .. } => "mend the file; `affekt inventory` lists every such line".into(),
            Self::Shard { count: 0, .. } => "there is at least one shard: 0/1".into(),
            Self::Shard { count, .. } => format!("use 0/{count} to {}/{count}", count - 1),
        })
    }
}
