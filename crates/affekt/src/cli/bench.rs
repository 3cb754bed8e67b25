//! Flags of `bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::extract::Making;

/// What `bench` measures.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Batch extraction: each stage alone, the whole, what limits it, and the hours that all of MOSEI would take.
    Extract(BenchExtract),
}

/// Flags of `bench extract`.
#[derive(Debug, Args)]
pub struct BenchExtract {
    /// Clips to measure on, as long as MOSEI's are; of one's own dataset, so many or a few more, of whole recordings.
    #[arg(long, value_name = "N", default_value_t = 28, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub clips: u32,
    /// Measure on this dataset instead of generated clips: mosei (its raw folders), or a manifest with a JSON object a line.
    #[arg(long, value_name = "mosei|FILE.jsonl")]
    pub dataset: Option<String>,
    /// Folder of the dataset; of a manifest's media, where they do not lie beside it.
    #[arg(long, value_name = "DIR", requires = "dataset")]
    pub root: Option<PathBuf>,
    /// Which features, and what makes them.
    #[command(flatten)]
    pub making: Making,
}
