//! What each part of a method is worth: Table I of the paper, row by row, as runs of several seeds.

use std::path::Path;

use affekt_report::training::comparison::Published;
use affekt_report::training::file::{self, Error};
use affekt_report::training::{Comparison, Made, Training};
use serde::Serialize;

/// A row of the paper's table: a configuration that comes with affekt, and what the paper says that it reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Name of the configuration.
    pub config: &'static str,
    /// MAE and accuracy in percent of each flow, on CMU-MOSEI. The paper does not say which accuracy of two classes it is.
    pub published: [(&'static str, f64, f64); 2],
}

/// The full model, which the others are held against, then the others in the paper's order.
pub const TABLE: [Row; 7] = [
    row("paper", (0.506, 87.64), (0.550, 84.28)),
    row("no-llmg", (0.522, 86.57), (0.584, 82.47)),
    row("no-mia-mkd", (0.521, 87.45), (0.572, 83.81)),
    row("no-mia", (0.515, 86.95), (0.560, 83.73)),
    row("no-mkd", (0.513, 87.72), (0.563, 83.90)),
    row("no-rs", (0.510, 87.53), (0.552, 83.84)),
    row("no-rnc", (0.508, 87.25), (0.550, 84.25)),
];

/// Where the published figures stand.
const SOURCE: &str = "Table I, CMU-MOSEI";

const fn row(config: &'static str, with_text: (f64, f64), without: (f64, f64)) -> Row {
    let complete = ("complete", with_text.0, with_text.1);
    Row { config, published: [complete, ("text-missing", without.0, without.1)] }
}

/// A run that failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failed {
    /// Its configuration.
    pub config: String,
    /// Its seed.
    pub seed: u64,
    /// Why.
    pub reason: String,
}

/// What came of the runs: a comparison whose first row the others are held against, and the runs that are not in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ablation {
    /// The table.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// Runs that failed.
    pub failed: Vec<Failed>,
}

impl Ablation {
    /// Of `runs`, each with the name it goes by, the reference first. Rows of which runs failed are marked.
    pub fn of(runs: &[(String, Training)], failed: Vec<Failed>) -> Self {
        let mut comparison = Comparison::of(runs);
        for row in &TABLE {
            comparison = comparison.with_published(row.config, row.published());
        }
        for row in &mut comparison.rows {
            let count = failed.iter().filter(|failed| failed.config == row.name).count();
            if count > 0 {
                row.name = format!("{} ({count} failed)", row.name);
            }
        }
        for Failed { config, seed, reason } in &failed {
            comparison.warnings.push(format!("{config}: the run with seed {seed} failed: {reason}"));
        }
        Self { comparison, failed }
    }

    /// The table for people, at most `width` columns wide where that can be, ending in a line break.
    pub fn to_text(&self, width: usize) -> String {
        let table = self.comparison.to_text(width);
        let published = self.comparison.rows.iter().any(|row| !row.published.is_empty());
        let note = if published {
            format!("published: {SOURCE}, which does not say which Acc-2 it is\n")
        } else {
            String::new()
        };
        table + &note
    }

    /// Writes `ablation.csv`, `ablation.html` and `ablation.json` into `folder`.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn save(&self, folder: &Path, made: &Made) -> Result<(), Error> {
        let write = |name: &str, text: &str| file::write(&folder.join(name), text);
        write("ablation.csv", &self.comparison.to_csv())?;
        write("ablation.html", &self.comparison.to_html(made))?;
        write("ablation.json", &self.to_json())
    }

    /// The text of `ablation.json`, ending in a line break.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a comparison is plain data") + "\n"
    }
}

impl Row {
    fn published(&self) -> Vec<Published> {
        let published = self.published.iter().map(|(flow, mae, acc2)| Published {
            flow: (*flow).to_owned(),
            mae: Some(*mae),
            acc2: Some(acc2 / 100.0),
            source: SOURCE.to_owned(),
        });
        published.collect()
    }
}

/// The configurations in the order of a table: the full model first, wherever it was named; each once.
pub fn in_order(configs: &[String]) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    let full = |config: &&String| *config == TABLE[0].config;
    for config in configs.iter().filter(full).chain(configs.iter().filter(|config| !full(config))) {
        if !order.contains(config) {
            order.push(config.clone());
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::{Config, presets};

    #[test]
    fn every_row_is_a_preset_that_tells_the_same_figures() {
        for row in &TABLE {
            Config::read(row.config, &[]).unwrap();
            let text = presets::text(row.config).unwrap();
            for (_, mae, acc2) in row.published {
                assert!(
                    text.contains(&format!("{mae:.3}")) && text.contains(&format!("{acc2:.2}")),
                    "{}",
                    row.config
                );
            }
        }
    }

    #[test]
    fn the_full_model_comes_first_and_each_once() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            in_order(&names(&["no-rs", "paper", "no-rs", "mine.toml"])),
            names(&["paper", "no-rs", "mine.toml"])
        );
        assert_eq!(in_order(&names(&["no-rs", "no-mia"])), names(&["no-rs", "no-mia"]));
    }
}
