//! Why clips cannot be learnt from.

use std::path::PathBuf;

use affekt_core::{ClipId, ErrorKind, Explain, FeatureKind};

use crate::dataset::{self, Split};

/// Most clips that a message names.
const NAMED: usize = 3;

/// Errors of the data path. All but [`Self::NotFinite`], [`Self::Mismatch`], [`Self::Loader`] and [`Self::Tensor`] come
/// before the first batch.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of the table of labels.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// Of the cache.
    #[error(transparent)]
    Cache(#[from] affekt_cache::Error),
    /// A feature that the cache does not hold.
    #[error("cache {} holds no feature {wanted}; it holds {}", cache.display(), either(held, "none"))]
    NoFeature {
        /// The cache.
        cache: PathBuf,
        /// The feature.
        kind: FeatureKind,
        /// The feature, with the digits of its recipe where they were given.
        wanted: String,
        /// The features that it does hold: `audio-0123abcd`.
        held: Vec<String>,
    },
    /// A feature that the cache holds by several recipes, none of which was chosen.
    #[error("cache {} holds feature {} by several recipes: {}", cache.display(), kind.name(), recipes.join("; "))]
    Recipes {
        /// The cache.
        cache: PathBuf,
        /// The feature.
        kind: FeatureKind,
        /// Each with the first digits of its digest first.
        recipes: Vec<String>,
    },
    /// A table without a column of splits.
    #[error("{} does not say which clips are to learn from: it has no column split", labels.display())]
    NoSplits {
        /// The table.
        labels: PathBuf,
        /// Columns that may say so.
        candidates: Vec<String>,
    },
    /// A table that is about other clips than the cache.
    #[error(
        "{} and cache {} have no clip in common: a label is for {label}, {}",
        labels.display(), cache.display(),
        clip.as_ref().map_or("and the cache is empty".to_owned(), |clip| format!("and a clip is called {clip}"))
    )]
    Strangers {
        /// The table.
        labels: PathBuf,
        /// The cache.
        cache: PathBuf,
        /// What the first label is for.
        label: String,
        /// The first clip of the cache.
        clip: Option<ClipId>,
    },
    /// A split that is asked for, without a clip.
    #[error("{} has no clip in split {split} (column {column}): {}", labels.display(), standing(found, *left_out))]
    EmptySplit {
        /// The split.
        split: Split,
        /// The table.
        labels: PathBuf,
        /// Its column of splits.
        column: String,
        /// The splits that have clips, with their number.
        found: Vec<(Split, usize)>,
        /// Clips of the split that a rule left out.
        left_out: usize,
    },
    /// Nothing to learn from but one clip.
    #[error("{} has one sample only in split train: {clip}", labels.display())]
    OneSample {
        /// The clip.
        clip: ClipId,
        /// The table.
        labels: PathBuf,
    },
    /// Clips that lack a feature, though nothing says that it is absent by nature.
    #[error("{} of {} lack a feature: {}", clips(missing.len()), labels.display(), named(missing))]
    Incomplete {
        /// The cache.
        cache: PathBuf,
        /// The table that names the clips.
        labels: PathBuf,
        /// The features that were asked for.
        kinds: Vec<FeatureKind>,
        /// All such clips.
        missing: Vec<Missing>,
    },
    /// A feature with a NaN or an infinity in it.
    #[error("clip {clip}: row {row} of its {} feature in {} holds a NaN or an infinity", kind.name(), folder.display())]
    NotFinite {
        /// The clip.
        clip: ClipId,
        /// The feature.
        kind: FeatureKind,
        /// The row, from 0.
        row: usize,
        /// The feature's folder.
        folder: PathBuf,
    },
    /// A feature whose numbers are not those that its shard promises.
    #[error("clip {clip}: its {} feature in {} has {found} rows, and the shard tells of {told}", kind.name(), folder.display())]
    Mismatch {
        /// The clip.
        clip: ClipId,
        /// The feature.
        kind: FeatureKind,
        /// Rows that there are.
        found: usize,
        /// Rows by the header.
        told: usize,
        /// The feature's folder.
        folder: PathBuf,
    },
    /// A fault of the thread that makes batches.
    #[error("the thread that makes batches has failed: {0}")]
    Loader(String),
    /// The tensor library's word.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// A clip that lacks a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its name; where only recording and time are known, those.
    pub clip: String,
    /// Its split.
    pub split: Split,
    /// Which features, and why: `audio failed in decode: no stream`.
    pub reason: String,
}

fn clips(count: usize) -> String {
    if count == 1 { "1 clip".to_owned() } else { format!("{count} clips") }
}

fn either(names: &[String], otherwise: &str) -> String {
    if names.is_empty() { otherwise.to_owned() } else { names.join(", ") }
}

fn named(missing: &[Missing]) -> String {
    let first = missing.iter().take(NAMED).map(|Missing { clip, reason, .. }| format!("{clip} ({reason})"));
    let mut told = first.collect::<Vec<_>>().join(", ");
    if missing.len() > NAMED {
        told += &format!(" and {} more", missing.len() - NAMED);
    }
    told
}

fn standing(found: &[(Split, usize)], left_out: usize) -> String {
    let splits: Vec<String> =
        found.iter().map(|(split, count)| format!("{} in {split}", clips(*count))).collect();
    let out = if left_out > 0 {
        format!("; {} of it left out by the rules", clips(left_out))
    } else {
        String::new()
    };
    format!("there are {}{out}", either(&splits, "no clips at all"))
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Dataset(error) => error.kind(),
            Self::Cache(error) => error.kind(),
            Self::NoFeature { .. } => ErrorKind::NotFound,
            Self::Recipes { .. } | Self::NoSplits { .. } => ErrorKind::BadConfig,
            Self::Strangers { .. }
            | Self::EmptySplit { .. }
            | Self::OneSample { .. }
            | Self::Incomplete { .. } => ErrorKind::BadDataset,
            Self::NotFinite { .. } => ErrorKind::BadInput,
            Self::Mismatch { .. } => ErrorKind::Unreadable,
            Self::Loader(_) | Self::Tensor(_) => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Dataset(error) => return error.hint(),
            Self::Cache(error) => return error.hint(),
            Self::NoFeature { cache, kind, .. } => {
                let without = match kind {
                    FeatureKind::Simulated => "; or take a configuration that does without it, such as no-llmg",
                    _ => "",
                };
                format!(
                    "`affekt extract --features {} --cache {}` makes it from media, and `affekt cache import` takes arrays \
                     of another program{without}",
                    kind.name(), cache.display()
                )
            }
            Self::Recipes { kind, recipes, .. } => {
                let digest = recipes.first().and_then(|recipe| recipe.split(' ').next()).unwrap_or("DIGEST");
                format!("choose one, such as --recipe {}={digest}", kind.name())
            }
            Self::NoSplits { candidates, .. } if candidates.is_empty() => {
                "give it a column split with train, valid or test for each clip".into()
            }
            Self::NoSplits { candidates, .. } => {
                format!("name the column with --split-column: {}", candidates.join(", "))
            }
            Self::Strangers { .. } => {
                "name the table of the dataset that the cache was made from; a label is found by id, by video and clip, or \
                 by video and start"
                    .into()
            }
            Self::EmptySplit { left_out: 1.., .. } => {
                "widen data.longest, or make the features that are missing".into()
            }
            Self::EmptySplit { .. } => {
                "name another column with --split-column, or leave the split out of data.splits; without valid, \
                 selection.keep = \"last\" keeps the last epoch".into()
            }
            Self::OneSample { .. } => "nothing can be learnt from one clip: give at least two".into(),
            Self::Incomplete { cache, kinds, .. } => {
                let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                format!(
                    "`affekt extract --features {} --cache {} --retry-failed` makes what is missing; with data.incomplete = \
                     \"leave-out\" such clips are left out and reported",
                    kinds.join(","), cache.display()
                )
            }
            Self::NotFinite { .. } | Self::Mismatch { .. } => {
                "`affekt cache verify` finds damaged shards: delete the shard and extract its clips again".into()
            }
            Self::Loader(_) | Self::Tensor(_) => return None,
        })
    }
}
