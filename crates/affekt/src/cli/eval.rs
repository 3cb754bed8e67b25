//! Flags of `eval`, `ablate` and `report`.

use std::path::PathBuf;

use affekt_pipelines::dataset::Split;
use affekt_pipelines::train::data::Incomplete;
use clap::{Args, ValueEnum};

use super::{Labelled, Reading};

/// Flags of `eval`.
#[derive(Debug, Args)]
pub struct Eval {
    /// What to judge: the folder of a run of `affekt train`, its checkpoint, or released weights (.pt). Features of other
    /// recipes than those of its training are refused.
    #[arg(long, value_name = "RUN|FILE")]
    pub run: PathBuf,
    /// How released weights are read.
    #[command(flatten)]
    pub reading: Reading,
    /// Which clips.
    #[command(flatten)]
    pub labelled: Labelled,
    /// Splits to judge: train, valid, test, or several of them with commas between.
    #[arg(long, value_name = "NAMES", default_value = "test", value_delimiter = ',', value_parser = split)]
    pub split: Vec<Split>,
    /// What happens to clips that lack a feature because it failed or was never made [default: as in training].
    #[arg(long, value_name = "RULE")]
    pub incomplete: Option<Lacking>,
    /// Write metrics.json, metrics.csv, predictions.csv and the page report.html into this folder.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// What happens to clips that lack a feature.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Lacking {
    /// Nothing is judged.
    Refuse,
    /// They are left out, and reported.
    LeaveOut,
}

impl From<Lacking> for Incomplete {
    fn from(lacking: Lacking) -> Self {
        match lacking {
            Lacking::Refuse => Self::Refuse,
            Lacking::LeaveOut => Self::LeaveOut,
        }
    }
}

/// Flags of `ablate`.
#[derive(Debug, Args)]
pub struct Ablate {
    /// Which clips.
    #[command(flatten)]
    pub labelled: Labelled,
    /// Folder of all runs: DIR/CONFIG/seed-S each. Running the same command again goes on where it ended.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Train each configuration with the seeds 1 to N.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: u64,
    /// Configurations (names or TOML files); the full model, paper, is the one that the others are held against, else the
    /// first.
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "paper,no-llmg,no-mia-mkd,no-mia,no-mkd,no-rs,no-rnc"
    )]
    pub configs: Vec<String>,
    /// A single setting that counts more than those of all configurations, such as training.epochs=3; may be given again.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub changes: Vec<String>,
}

/// Flags of `report`.
#[derive(Debug, Args)]
pub struct Report {
    /// Folders of runs, or folders that hold such folders (also one level deeper). Runs that differ in nothing but their seed
    /// are one row; the others are held against the first.
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Write the table of runs as a page to look at; one file, no network.
    #[arg(long, value_name = "FILE.html")]
    pub out: Option<PathBuf>,
}

fn split(name: &str) -> Result<Split, String> {
    Split::named(name).ok_or_else(|| "there are train, valid and test".to_owned())
}
