//! The metrics by name: every list, table and page prints all of them, fully named.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::Metrics;

/// One of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Mean absolute error.
    Mae,
    /// Pearson's correlation.
    Corr,
    /// Accuracy of 7 classes.
    Acc7,
    /// Accuracy of 5 classes.
    Acc5,
    /// Accuracy of negative against non-negative.
    #[serde(rename = "acc2_has0")]
    Acc2Has0,
    /// Weighted F1 of negative against non-negative.
    #[serde(rename = "f1_has0")]
    F1Has0,
    /// Accuracy of negative against positive.
    #[serde(rename = "acc2_non0")]
    Acc2Non0,
    /// Weighted F1 of negative against positive.
    #[serde(rename = "f1_non0")]
    F1Non0,
}

impl Metric {
    /// All metrics, in the order in which they are printed.
    pub const ALL: [Self; 8] = [
        Self::Mae,
        Self::Corr,
        Self::Acc7,
        Self::Acc5,
        Self::Acc2Has0,
        Self::F1Has0,
        Self::Acc2Non0,
        Self::F1Non0,
    ];

    /// The name in JSON and CSV.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mae => "mae",
            Self::Corr => "corr",
            Self::Acc7 => "acc7",
            Self::Acc5 => "acc5",
            Self::Acc2Has0 => "acc2_has0",
            Self::F1Has0 => "f1_has0",
            Self::Acc2Non0 => "acc2_non0",
            Self::F1Non0 => "f1_non0",
        }
    }

    /// The full name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Mae => "MAE (mean absolute error)",
            Self::Corr => "Corr (Pearson)",
            Self::Acc7 => "Acc-7 (7 classes, -3 to 3)",
            Self::Acc5 => "Acc-5 (5 classes, -2 to 2)",
            Self::Acc2Has0 => "Acc-2 (negative/non-negative, has0)",
            Self::F1Has0 => "F1 (weighted, negative/non-negative, has0)",
            Self::Acc2Non0 => "Acc-2 (negative/positive, non0)",
            Self::F1Non0 => "F1 (weighted, negative/positive, non0)",
        }
    }

    /// Why it is undefined where it is; `None` of a metric that is always defined.
    pub const fn undefined(self) -> Option<&'static str> {
        match self {
            Self::Corr => Some("the predictions or the labels are constant"),
            Self::Acc2Non0 | Self::F1Non0 => Some("every label is 0"),
            _ => None,
        }
    }

    /// Whether the better of two is the larger one.
    pub const fn higher_is_better(self) -> bool {
        !matches!(self, Self::Mae)
    }

    /// Its value; `None` where it is undefined.
    pub const fn of(self, metrics: &Metrics) -> Option<f64> {
        match self {
            Self::Mae => Some(metrics.mae),
            Self::Corr => metrics.corr,
            Self::Acc7 => Some(metrics.acc7),
            Self::Acc5 => Some(metrics.acc5),
            Self::Acc2Has0 => Some(metrics.acc2_has0),
            Self::F1Has0 => Some(metrics.f1_has0),
            Self::Acc2Non0 => metrics.acc2_non0,
            Self::F1Non0 => metrics.f1_non0,
        }
    }

    /// How many samples it used.
    pub const fn samples(self, metrics: &Metrics) -> usize {
        match self {
            Self::Acc2Non0 | Self::F1Non0 => metrics.non0_samples,
            _ => metrics.samples,
        }
    }

    /// A value of it as it is printed: MAE and correlation with four decimals, the others in percent with two.
    pub fn shown(self, value: f64) -> String {
        match self {
            // The sum turns the -0 of small negative values into 0.
            Self::Mae | Self::Corr => format!("{:.4}", (1e4 * value).round() / 1e4 + 0.0),
            _ => format!("{:.2}%", 100.0 * value),
        }
    }
}

/// One metric with all that is printed of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Which one it is.
    #[serde(skip)]
    pub metric: Metric,
    /// Its name in JSON and CSV.
    pub name: &'static str,
    /// Its full name for people.
    pub title: &'static str,
    /// `None` where it is undefined.
    pub value: Option<f64>,
    /// How many samples it used.
    pub samples: usize,
}

impl Entry {
    /// The value as it is printed, or `undefined` with the reason.
    pub fn text(&self) -> String {
        let undefined = || format!("undefined: {}", self.metric.undefined().unwrap_or("no value"));
        self.value.map_or_else(undefined, |value| self.metric.shown(value))
    }
}

impl Metrics {
    /// The names of all metrics, in the order of [`Metrics::entries`]: the heads of a CSV file.
    pub const NAMES: [&str; 8] = {
        let mut names = [""; 8];
        let mut at = 0;
        while at < names.len() {
            names[at] = Metric::ALL[at].name();
            at += 1;
        }
        names
    };

    /// All metrics with their names, values and samples.
    pub fn entries(&self) -> [Entry; 8] {
        Metric::ALL.map(|metric| Entry {
            metric,
            name: metric.name(),
            title: metric.title(),
            value: metric.of(self),
            samples: metric.samples(self),
        })
    }

    /// All metrics, a line each, ending in a line break.
    pub fn summary(&self) -> String {
        let entries = self.entries();
        let width = entries.iter().map(|entry| entry.title.len()).max().unwrap_or_default();
        let mut out = String::new();
        for entry in entries {
            let (text, samples) = (entry.text(), entry.samples);
            let noun = if samples == 1 { "sample" } else { "samples" };
            // Writing to a String cannot fail.
            let _ = writeln!(out, "  {:width$}  {text:>8}  {samples} {noun}", entry.title);
        }
        out
    }
}
