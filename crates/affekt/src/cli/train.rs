//! Flags of `train`, and those that it shares with other commands over labelled clips.

use std::path::PathBuf;

use affekt_core::FeatureKind;
use clap::Args;

use affekt_cache::folders::kind;

/// Which clips, and where the work is done.
#[derive(Debug, Args)]
pub struct Labelled {
    /// Folder of the cache that holds the features.
    #[arg(long, value_name = "DIR")]
    pub cache: PathBuf,
    /// Table of labels (CSV or TSV): id, label, and a column that says to which split a clip belongs.
    #[arg(long, value_name = "FILE")]
    pub labels: PathBuf,
    /// The column that says to which split a clip belongs: train, valid or test [default: split].
    #[arg(long, value_name = "NAME")]
    pub split_column: Option<String>,
    /// Where the cache holds a feature by several recipes: which one, by the first digits of its digest.
    #[arg(long = "recipe", value_name = "FEATURE=DIGEST", value_parser = recipe)]
    pub recipes: Vec<(FeatureKind, String)>,
    /// Where the method runs: auto, cpu, cuda or cuda:INDEX.
    #[arg(long, default_value = "auto")]
    pub device: String,
}

/// Flags of `train`.
#[derive(Debug, Args)]
pub struct Train {
    /// The method; by default the one that the configuration names.
    #[arg(long, value_name = "NAME")]
    pub method: Option<String>,
    /// Which clips.
    #[command(flatten)]
    pub labelled: Labelled,
    /// The configuration: a TOML file, or one that comes with affekt: paper, release, no-llmg, no-mia-mkd, no-mia, no-mkd,
    /// no-rs, no-rnc, mosi, mosi-clean, replica.
    #[arg(long, value_name = "FILE|NAME", default_value = "paper")]
    pub config: String,
    /// A single setting that counts more than the configuration, such as training.epochs=3; may be given again.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub changes: Vec<String>,
    /// Seed of all randomness; the same as --set seed=S.
    #[arg(long, value_name = "S", conflicts_with = "seeds")]
    pub seed: Option<u64>,
    /// Train with the seeds 1 to N, each into RUN/seed-S, and compare them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: Option<u64>,
    /// Folder of the run. Running the same command again goes on where it ended.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Write event files for TensorBoard, too, into RUN/tensorboard.
    #[arg(long)]
    pub tensorboard: bool,
}

fn recipe(text: &str) -> Result<(FeatureKind, String), String> {
    let (feature, digest) = text.split_once('=').ok_or("write FEATURE=DIGEST, such as audio=1a2b3c4d")?;
    let known = kind(feature).ok_or_else(|| format!("there is no feature {feature:?}"))?;
    Ok((known, digest.to_owned()))
}
