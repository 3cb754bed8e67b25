//! Flags of `extract`.

use std::path::PathBuf;
use std::str::FromStr;

use affekt_core::FeatureKind;
use affekt_pipelines::isolate;
use candle_core::Device;
use clap::{Args, ValueEnum};

use super::{Dataset, Detector};

/// Clips that WavLM hears at once on a GPU, where nothing else is said.
const GPU_BATCH: usize = 16;

/// Flags of `extract`.
#[derive(Debug, Args)]
pub struct Extract {
    /// What to extract from.
    #[command(flatten)]
    pub dataset: Dataset,
    /// Folder of the cache; made where it is missing. Running the same command again goes on where it ended.
    #[arg(long, value_name = "DIR")]
    pub cache: PathBuf,
    /// Which features, and what makes them.
    #[command(flatten)]
    pub making: Making,
    /// Only this share of the recordings, balanced by duration: the first of four machines takes 0/4, the last 3/4.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Share>,
    /// End the run as soon as more than so many percent of its clips have failed.
    #[arg(long, value_name = "PCT", value_parser = percent)]
    pub max_failures: Option<f64>,
    /// Take up again the clips that failed in earlier runs.
    #[arg(long)]
    pub retry_failed: bool,
    /// Commit at least every so many clips: no more of them are lost with a crash.
    #[arg(long, value_name = "CLIPS", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    pub commit_every: u32,
    /// A recording whose decoder gives no sign of life for so long has failed.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub time_limit: u32,
}

/// What features are made, and by what: the flags that `extract` and `bench extract` share.
#[derive(Debug, Args)]
pub struct Making {
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
    /// How numbers are kept; part of each feature's recipe.
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

impl Making {
    /// The features by their kinds, as they are named.
    pub fn kinds(&self) -> Vec<FeatureKind> {
        self.features.iter().map(|feature| (*feature).into()).collect()
    }

    /// Processes that decode.
    pub fn workers(&self) -> usize {
        self.workers.map_or(isolate::Settings::default().workers, usize::from)
    }

    /// Clips that WavLM hears at once.
    pub fn batch(&self, device: &Device) -> usize {
        self.batch.map_or(if device.is_cpu() { 1 } else { GPU_BATCH }, usize::from)
    }
}

/// A feature by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Feature {
    /// WavLM hidden states, as the fusion model hears them.
    Audio,
    /// WavLM's last layer, as the projector hears it.
    Speech,
    /// MANet embeddings of the speaker's face.
    Video,
    /// LLM hidden states over the transcript.
    Text,
    /// LLM hidden states of text generated from the voice.
    Simulated,
}

impl From<Feature> for FeatureKind {
    fn from(feature: Feature) -> Self {
        match feature {
            Feature::Audio => Self::Audio,
            Feature::Speech => Self::Speech,
            Feature::Video => Self::Video,
            Feature::Text => Self::Text,
            Feature::Simulated => Self::Simulated,
        }
    }
}

/// Storage types.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Store {
    /// 32 bits: as computed.
    F32,
    /// 16 bits, 10 of mantissa: half the disk, three to four digits.
    F16,
    /// 16 bits, 7 of mantissa: two to three digits, the range of f32.
    Bf16,
}

impl Store {
    /// Its name in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }
}

/// One of several shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which, from 0.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl FromStr for Share {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, count)| Some(Self { index: index.parse().ok()?, count: count.parse().ok()? }));
        match numbers {
            Some(share) if share.index < share.count => Ok(share),
            Some(Self { count, .. }) => {
                Err(format!("the shards of {count} are numbered from 0: name I/{count} with I below {count}"))
            }
            None => Err("write I/N, such as 0/4 for the first of four".into()),
        }
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("give percent, 0 to 100".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_numbered_from_0() {
        assert_eq!("3/4".parse(), Ok(Share { index: 3, count: 4 }));
        for bad in ["4/4", "0/0", "1", "-1/2", "a/b", ""] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }

    #[test]
    fn percent_are_0_to_100() {
        assert_eq!((percent("5"), percent("12.5%")), (Ok(5.0), Ok(12.5)));
        assert!(percent("101").is_err() && percent("-1").is_err() && percent("nan").is_err());
    }
}
