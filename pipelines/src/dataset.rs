//! The clips of a dataset: what they are called, where they are cut from, what is said in them, how they are labelled.
//!
//! | module | holds |
//! |---|---|
//! | [`error`] | [`Error`]: why a dataset cannot be taken up at all |
//! | [`problem`] | [`Problem`]: what is wrong with single clips or files |
//! | `read` | from the name of a dataset to its [`Manifest`] |
//! | `collect` | checked lines to rows: ids, spans, words |
//! | `mosei` | the folders of raw MOSEI |
//! | `jsonl` | manifests, a JSON object a line |
//! | [`labels`] | [`Labels`]: tables of labels, and which clip each of their rows is for |
//! | [`folds`] | [`Folds`]: the official splits by name |
//! | `shard` | [`Manifest::shard`]: a share of the clips for one of several machines |
//! | [`inventory`] | [`inventory::take`]: media, transcripts and labels held against each other |
//! | `probe` | headers of all media files, read in parallel (feature `media`) |

mod collect;
pub mod error;
pub mod folds;
pub mod inventory;
mod jsonl;
pub mod labels;
pub(crate) mod mosei;
#[cfg(feature = "media")]
mod probe;
pub mod problem;
mod read;
mod shard;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use affekt_core::{ClipId, Seconds, Span};
use serde::{Deserialize, Serialize};

pub use error::Error;
pub use folds::Folds;
pub use labels::Labels;
#[cfg(feature = "media")]
pub use probe::{Prober, durations};
pub use problem::{Kind, Problem, Severity};

/// Part of a dataset that a clip belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To learn from.
    Train,
    /// To choose by.
    Valid,
    /// To report on.
    Test,
}

impl Split {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];

    /// Lower-case name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }

    /// The split that a file calls `name`: `train`, `valid` (`val`, `dev`, `validation`) or `test`.
    pub fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "train" => Some(Self::Train),
            "valid" | "val" | "dev" | "validation" => Some(Self::Valid),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One clip of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its name, unlike all others of the dataset.
    pub id: ClipId,
    /// Name of the recording that it is cut from: the media file's, without its extension.
    pub video: String,
    /// Where the recording is, or should be.
    pub media: PathBuf,
    /// Its time in the recording.
    pub span: Span,
    /// What is said; `None` where nothing is known of it, never blank.
    pub text: Option<String>,
    /// Valence; finite.
    pub label: Option<f64>,
    /// Part of the dataset.
    pub split: Option<Split>,
}

/// The clips of a dataset in an order that is always the same, and what was wrong with those that are left out.
///
/// MOSEI's are ordered by video, start, end and id; those of a JSONL file as they stand in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// The clips that can be worked on, each with an id of its own.
    pub rows: Vec<Row>,
    /// What was wrong in the files that they were read from.
    pub problems: Vec<Problem>,
    found: Found,
}

/// Which recordings the folders and tables know, usable or not; [`inventory`] holds them against each other.
#[derive(Clone, Debug, Default, PartialEq)]
struct Found {
    /// Folder of the media of a dataset in folders.
    folder: Option<PathBuf>,
    /// Media files of a dataset in folders, by recording.
    media: BTreeMap<String, PathBuf>,
    /// Transcripts of a dataset in folders, by recording.
    transcripts: BTreeMap<String, PathBuf>,
    /// Ids of clips that are left out.
    dropped: BTreeSet<String>,
    /// Recordings that the table of labels names, and how many labels of each no clip fits.
    labelled: Option<BTreeMap<String, usize>>,
}

/// Where the clips of a dataset come from, as the command line names it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'p> {
    /// `mosei`, or the path of a JSONL manifest.
    pub dataset: &'p str,
    /// Folder of the media: MOSEI's root; for a manifest, what its relative paths count from (by default its own folder).
    pub root: Option<&'p Path>,
    /// Table of labels.
    pub labels: Option<&'p Path>,
}

impl Manifest {
    /// Of clips that are known already, each with an id of its own.
    pub fn of(rows: Vec<Row>) -> Self {
        Self { rows, ..Self::default() }
    }

    /// Refuses a manifest of which single rows or transcripts could not be understood.
    ///
    /// # Errors
    /// [`Error::Malformed`], naming the first of them.
    pub fn sound(self) -> Result<Self, Error> {
        let mut malformed = self.problems.iter().filter(|problem| problem.kind.is_malformed());
        match malformed.next() {
            Some(first) => {
                Err(Error::Malformed { first: Box::new(first.clone()), others: malformed.count() })
            }
            None => Ok(self),
        }
    }

    /// Time of all clips whose end is known.
    pub fn duration(&self) -> Seconds {
        let durations = self.rows.iter().filter_map(|row| row.span.duration());
        // The sum of no numbers would be -0.
        Seconds(durations.fold(0.0, |all, duration| all + duration.0))
    }
}
