//! What a run learns from, for its report.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use affekt_core::Digest;
use affekt_report::training::{Data, SplitFacts};

use super::{Corpus, Sample};

impl Corpus {
    /// The clips, their labels and recipes, and what was left out.
    pub fn facts(&self) -> Data {
        let splits = self.samples.iter().filter(|(_, samples)| !samples.is_empty());
        Data {
            labels: self.labels.display().to_string(),
            labels_digest: self.labels_digest.clone(),
            split_column: self.split_column.clone(),
            features: self.specs().into_iter().map(Into::into).collect(),
            splits: splits.map(|(split, samples)| (split.to_string(), facts(samples))).collect(),
            left_out: self.left_out.clone(),
        }
    }
}

/// The facts of at least one sample; `samples` are sorted by name.
fn facts(samples: &[Sample]) -> SplitFacts {
    let labels = samples.iter().map(|sample| sample.label);
    let count = samples.len() as f64;
    let mean = labels.clone().sum::<f64>() / count;
    let squares: f64 = labels.clone().map(|label| (label - mean).powi(2)).sum();
    let mut absent: BTreeMap<String, usize> = BTreeMap::new();
    for (kind, _) in samples.iter().flat_map(|sample| &sample.rows).filter(|(_, rows)| **rows == 0) {
        *absent.entry(kind.name().to_owned()).or_default() += 1;
    }
    let mut lines = String::new();
    for Sample { id, label, .. } in samples {
        writeln!(lines, "{id}\t{label}").expect("a text takes what it is given");
    }
    SplitFacts {
        clips: samples.len(),
        absent,
        label_mean: mean,
        label_deviation: if samples.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 },
        label_least: labels.clone().fold(f64::INFINITY, f64::min),
        label_greatest: labels.fold(f64::NEG_INFINITY, f64::max),
        digest: Digest::of(lines.as_bytes()),
    }
}
