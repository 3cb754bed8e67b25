//! What a trained method says of each clip of a split, for tables and plots.

use serde::{Deserialize, Serialize};

/// One split as a method sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// `valid`, `test`.
    pub split: String,
    /// The flows, in the order of [`Verdict::valence`].
    pub flows: Vec<String>,
    /// Every clip.
    pub clips: Vec<Verdict>,
    /// Euclidean distances between what two flows read their valence from, of a sample of clips sorted by label; `None` for a
    /// method with a single flow.
    pub similarity: Option<Similarity>,
    /// Of what the valence was made, on average.
    pub attention: Vec<Attention>,
}

/// What was said of one clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Its name.
    pub clip: String,
    /// Its label.
    pub label: f64,
    /// Predicted valence, a flow each.
    pub valence: Vec<f64>,
}

/// Figure 2 of the paper: how far the representation of clip i in the one flow is from that of clip j in the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Similarity {
    /// Flow of the rows.
    pub rows: String,
    /// Flow of the columns.
    pub columns: String,
    /// Labels of the clips, ascending.
    pub labels: Vec<f64>,
    /// Row by row: `distances[i * n + j]` is between clip i in `rows` and clip j in `columns`.
    pub distances: Vec<f64>,
}

/// Mean shares of one flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    /// The flow.
    pub flow: String,
    /// What is shared: `modality`, `view`.
    pub of: String,
    /// The parts with their mean share over all clips and its standard deviation; the means sum up to 1.
    pub parts: Vec<(String, f64, f64)>,
}
