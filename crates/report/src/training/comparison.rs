//! The table of runs: runs that differ in nothing but their seed are one row, with mean and deviation; each row is held
//! against the first by a test in pairs of one seed each.
//!
//! | module | holds |
//! |---|---|
//! | `group` | which runs are one row, and what is doubtful about comparing them |
//! | `data` | JSON and CSV |
//! | `text` | a table for a terminal |
//! | `page` | one self-contained HTML page |

mod data;
mod group;
mod page;
mod text;

use serde::Serialize;

use super::Training;
use crate::metrics::{Gap, Metric, Paired, Spread, paired_defined};

/// Several runs, judged on one split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The split: `test` where a run has results of it.
    pub split: String,
    /// What runs are judged by, in the order of reports.
    pub flows: Vec<String>,
    /// The rows, in the order of their first runs.
    pub rows: Vec<Row>,
    /// What is doubtful about the comparison.
    pub warnings: Vec<String>,
}

/// Runs that differ in nothing but their seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Name of their configuration.
    pub name: String,
    /// Their method.
    pub method: String,
    /// The rule by which their parameters were chosen.
    pub rule: String,
    /// The runs, each as it was named, with its seed.
    pub runs: Vec<Member>,
    /// Settings that differ from those of the first row: `settings.mia = off`.
    pub differs: Vec<String>,
    /// What they reach, a flow each, as far as they have it.
    pub results: Vec<Reached>,
    /// The gaps between the first flow and each other one.
    pub gaps: Vec<Gaps>,
    /// Tests against the first row; empty for that one itself.
    pub against_first: Vec<Against>,
    /// What was published for this row.
    pub published: Vec<Published>,
    /// Validation MAE by epoch, a run each: by flow.
    #[serde(skip)]
    curves: Vec<Curves>,
}

/// A run of a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Member {
    /// As it was named.
    pub run: String,
    /// Its seed.
    pub seed: u64,
    /// The epoch whose parameters were kept.
    pub epoch: usize,
}

/// What a row reaches in one flow.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reached {
    /// The flow.
    pub flow: String,
    /// Samples of the metrics that use all.
    pub samples: usize,
    /// Samples of the metrics named `non0`.
    pub non0_samples: usize,
    /// Every metric, in the order of [`Metric::ALL`].
    pub metrics: Vec<Measured>,
}

/// A metric over the seeds of a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Which one.
    pub metric: Metric,
    /// Mean and sample standard deviation.
    #[serde(flatten)]
    pub spread: Spread,
    /// The value of each run, in the order of [`Row::runs`]; `None` where it is undefined.
    pub values: Vec<Option<f64>>,
}

/// The gap between the first flow and another one, over the seeds of a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gaps {
    /// The other flow.
    pub flow: String,
    /// Of the mean absolute error.
    pub mae: Spread,
    /// Of the accuracy of negative against non-negative.
    pub acc2_has0: Spread,
    /// Of the accuracy of negative against positive.
    pub acc2_non0: Spread,
}

/// A metric of a row held against that of the first row, on the seeds that both have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Against {
    /// The flow.
    pub flow: String,
    /// The metric.
    pub metric: Metric,
    /// Differences are this row less the first.
    #[serde(flatten)]
    pub paired: Paired,
}

/// A published result of a row, for reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Published {
    /// The flow.
    pub flow: String,
    /// Mean absolute error.
    pub mae: Option<f64>,
    /// Accuracy of two classes, 0 to 1; papers seldom say of which two.
    pub acc2: Option<f64>,
    /// Where it stands: `Table I`.
    pub source: String,
}

/// Validation MAE by epoch.
#[derive(Clone, Debug, PartialEq)]
struct Curves {
    /// In the order of [`Comparison::flows`], a value an epoch.
    flows: Vec<Vec<Option<f64>>>,
}

impl Comparison {
    /// Compares `runs`, each with the name it goes by, such as its folder.
    pub fn of(runs: &[(String, Training)]) -> Self {
        group::compare(runs)
    }

    /// Puts what was published beside the row `name`; nothing where there is no such row.
    #[must_use]
    pub fn with_published(mut self, name: &str, published: Vec<Published>) -> Self {
        if let Some(row) = self.rows.iter_mut().find(|row| row.name == name) {
            row.published = published;
        }
        self
    }
}

impl Row {
    /// What the row reaches in `flow`.
    pub fn result(&self, flow: &str) -> Option<&Reached> {
        self.results.iter().find(|result| result.flow == flow)
    }

    /// The test of `metric` in `flow` against the first row.
    pub fn against(&self, flow: &str, metric: Metric) -> Option<&Paired> {
        let found = self.against_first.iter().find(|one| one.flow == flow && one.metric == metric);
        found.map(|one| &one.paired)
    }

    fn published(&self, flow: &str) -> Option<&Published> {
        self.published.iter().find(|published| published.flow == flow)
    }
}

impl Reached {
    /// A metric over the seeds.
    pub fn measured(&self, metric: Metric) -> Option<&Measured> {
        self.metrics.iter().find(|measured| measured.metric == metric)
    }
}

/// Results and gaps of the runs of a row.
fn results(split: &str, flows: &[String], members: &[&Training]) -> (Vec<Reached>, Vec<Gaps>) {
    let metrics = |flow: &str| -> Vec<_> {
        members.iter().map(|run| run.outcome(split, flow).map(|outcome| &outcome.metrics)).collect()
    };
    let results = flows.iter().filter_map(|flow| {
        let found = metrics(flow);
        let first = found.iter().flatten().next()?;
        let measured = |metric: Metric| {
            let values: Vec<Option<f64>> = found.iter().map(|of| of.and_then(|of| metric.of(of))).collect();
            Measured { metric, spread: Spread::of_defined(values.iter().copied()), values }
        };
        let (samples, non0_samples) = (first.samples, first.non0_samples);
        Some(Reached { flow: flow.clone(), samples, non0_samples, metrics: Metric::ALL.map(measured).into() })
    });
    let complete = flows.first().map(|flow| metrics(flow)).unwrap_or_default();
    let gaps = flows.iter().skip(1).filter_map(|flow| {
        let pairs = complete.iter().zip(metrics(flow));
        let gaps: Vec<Gap> =
            pairs.filter_map(|(first, other)| Some(Gap::between((*first)?, other?))).collect();
        let spread = |of: fn(&Gap) -> Option<f64>| Spread::of_defined(gaps.iter().map(of));
        (!gaps.is_empty()).then(|| Gaps {
            flow: flow.clone(),
            mae: spread(|gap| Some(gap.mae)),
            acc2_has0: spread(|gap| Some(gap.acc2_has0)),
            acc2_non0: spread(|gap| gap.acc2_non0),
        })
    });
    (results.collect(), gaps.collect())
}

/// Tests of `row` against `first`, on the seeds that both have.
fn against(row: &Row, first: &Row) -> Vec<Against> {
    let seeds: Vec<(usize, usize)> = row
        .runs
        .iter()
        .enumerate()
        .filter_map(|(at, run)| Some((at, first.runs.iter().position(|other| other.seed == run.seed)?)))
        .collect();
    let mut found = Vec::new();
    for result in &row.results {
        let Some(other) = first.result(&result.flow) else { continue };
        for (a, b) in result.metrics.iter().zip(&other.metrics) {
            let (a_values, b_values): (Vec<_>, Vec<_>) =
                seeds.iter().map(|(of_a, of_b)| (a.values[*of_a], b.values[*of_b])).unzip();
            if let Ok(paired) = paired_defined(&a_values, &b_values) {
                found.push(Against { flow: result.flow.clone(), metric: a.metric, paired });
            }
        }
    }
    found
}
