//! Flags of `bench`.

use std::path::PathBuf;

use affekt_pipelines::bench::gpu::Stage;
use clap::{Args, Subcommand, ValueEnum};

use super::batch::{Store, bytes};
#[cfg(feature = "media")]
use super::extract::Making;
use super::simulate::Recipe;

/// What `bench` measures.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Text generation: many clips at once against one at a time, what limits it, and the hours that all of MOSEI would take.
    Simulate(BenchSimulate),
    /// A training step of SDUMC at its published size, and how near it is to what its arithmetic alone would take.
    Train(BenchTrain),
    /// Every network on a GPU: beside PyTorch on the same weights in the same run, and beside what the GPU can do at all.
    Gpu(BenchGpu),
    /// Batch extraction: each stage alone, the whole, what limits it, and the hours that all of MOSEI would take.
    #[cfg(feature = "media")]
    Extract(BenchExtract),
}

/// Flags of `bench simulate`.
#[derive(Debug, Args)]
pub struct BenchSimulate {
    /// Voices to measure on, as long as MOSEI's clips are.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub clips: u32,
    /// Measure on the speech in this cache instead of drawn voices, and on its transcripts.
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Which speech to take, where the cache keeps it in several types.
    #[arg(long, value_name = "TYPE", requires = "cache")]
    pub speech: Option<Store>,
    /// Bundle of networks: a name of `affekt models ls`, or the path of a bundle folder.
    #[arg(long, value_name = "BUNDLE", default_value = "tiny")]
    pub models: String,
    /// Where networks run: auto, cpu, cuda or cuda:INDEX.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// What differs from the bundle's recipe.
    #[command(flatten)]
    pub recipe: Recipe,
    /// How many clips at a time, one measurement each.
    #[arg(long, value_name = "CLIPS,..", value_delimiter = ',', default_values_t = [1, 4, 16], value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub in_flight: Vec<u16>,
    /// Most memory for the keys and values; it bounds how many are in flight.
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = bytes)]
    pub kv_memory: usize,
}

/// Flags of `bench train`.
#[derive(Debug, Args)]
pub struct BenchTrain {
    /// Clips of the batch, which is drawn.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(2..=4096))]
    pub clips: u16,
    /// Frames of audio, rows of text (and of simulated text), and frames of video of each clip.
    #[arg(long, value_name = "AUDIO,TEXT,VIDEO", default_value = "365,40,220", value_parser = frames)]
    pub frames: [u16; 3],
    /// Steps that are measured, after one that warms up.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub steps: u16,
    /// Where it runs: auto, cpu, cuda or cuda:INDEX.
    #[arg(long, default_value = "auto")]
    pub device: String,
}

/// Flags of `bench gpu`.
#[derive(Debug, Args)]
pub struct BenchGpu {
    /// Where networks run: auto, cpu, cuda or cuda:INDEX.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Only these stages, of wavlm, manet, llama, generate and train.
    #[arg(long, value_name = "STAGE,..", value_delimiter = ',')]
    pub only: Vec<Stage>,
    /// Sizes: published, or tiny to see on any machine that it works.
    #[arg(long, value_name = "SCALE", default_value = "published")]
    pub scale: Sizes,
    /// Python with PyTorch and transformers, to compare with [default: the one that AFFEKT_PYTHON names].
    #[arg(long, value_name = "PYTHON")]
    pub peer: Option<PathBuf>,
    /// The script that it runs.
    #[arg(long, value_name = "FILE", default_value = "tests/gpu/torch_peer.py")]
    pub script: PathBuf,
    /// Measured runs of each piece of work, after two that warm up; fewer where they take long.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    pub runs: u16,
    /// Write what --json prints to this file, whatever is printed.
    #[arg(long, value_name = "FILE.json")]
    pub save: Option<PathBuf>,
}

/// Sizes of `bench gpu`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Sizes {
    /// As published.
    Published,
    /// As small as can be: says nothing of speed.
    Tiny,
}

/// Flags of `bench extract`: it measures one device.
#[cfg(feature = "media")]
#[derive(Debug, Args)]
#[command(mut_arg("device", |arg| arg.help("Where networks run: auto, cpu, cuda or cuda:INDEX")))]
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

/// Three numbers from 1.
fn frames(text: &str) -> Result<[u16; 3], String> {
    let numbers: Option<Vec<u16>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    let numbers = numbers.and_then(|numbers| <[u16; 3]>::try_from(numbers).ok());
    numbers
        .filter(|numbers| numbers.iter().all(|&number| number > 0))
        .ok_or_else(|| "wanted are three numbers from 1, such as 365,40,220".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_three_numbers() {
        assert_eq!(frames("365,40, 220"), Ok([365, 40, 220]));
        for bad in ["365,40", "365,40,0", "1,2,3,4", "1,2,x", "", "1,2,70000"] {
            assert!(frames(bad).is_err(), "{bad}");
        }
    }
}
