//! Flags of `bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Detector;
use super::extract::{Feature, Store};

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
    /// Features to make; simulated brings speech with it.
    #[arg(
        long,
        value_name = "FEATURE,..",
        value_delimiter = ',',
        default_value = "audio,speech,video,text,simulated"
    )]
    pub features: Vec<Feature>,
    /// Bundle of networks: a name of `affekt models ls`, or the path of a bundle folder.
    #[arg(long, value_name = "BUNDLE", default_value = "tiny")]
    pub models: String,
    /// Where networks run: auto, cpu, cuda or cuda:INDEX.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// How numbers are kept.
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    pub store: Store,
    /// Processes that decode and find faces [default: one a core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub workers: Option<u16>,
    /// Clips of similar length that WavLM hears at once [default: 1 on a CPU, 16 on a GPU].
    #[arg(long, value_name = "CLIPS", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub batch: Option<u16>,
    /// Which detector.
    #[command(flatten)]
    pub detector: Detector,
}
