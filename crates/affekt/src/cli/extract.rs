//! Flags of `extract`.

use std::path::PathBuf;

use affekt_core::FeatureKind;
use affekt_pipelines::device;
use affekt_pipelines::recipe::Words;
use candle_core::Device;
use clap::{Args, ValueEnum};

use super::batch::{Generating, Share, Store, percent};
use super::{Dataset, Detector};

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
    /// Where words come from: the dataset, a recogniser for all clips, or one for those without a transcript. Each is a recipe
    /// of its own: one cache holds all of them.
    #[arg(long, value_name = "WORDS", default_value = "dataset")]
    pub transcript: Transcripts,
    /// Language of recognised words, by its code, such as en; found out for each clip by default.
    #[arg(long, value_name = "CODE")]
    pub language: Option<String>,
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
    /// What decodes the picture: cpu, or the decoder of an NVIDIA card, nvdec or nvdec:INDEX, through FFmpeg.
    #[arg(long, value_name = "DECODER", default_value = "cpu")]
    pub decode: affekt_media::Decoder,
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
    /// Where networks run: auto (every card, else the CPU), cpu, cuda (the first card), cuda:INDEX, several as cuda:0,1, or
    /// cuda:all.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// How numbers are kept; part of each feature's recipe.
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    pub store: Store,
    /// Processes that decode and find faces [default: one a core; a card has a core for itself].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub workers: Option<u16>,
    /// Clips of similar length that WavLM hears at once [default: 1 on a CPU; on a card as many as its memory holds, up to
    /// 32].
    #[arg(long, value_name = "CLIPS", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub batch: Option<u16>,
    /// How text is simulated.
    #[command(flatten)]
    pub generating: Generating,
    /// Which detector.
    #[command(flatten)]
    pub detector: Detector,
}

impl Making {
    /// The features by their kinds, with those that others are made from.
    pub fn kinds(&self) -> Vec<FeatureKind> {
        let mut kinds: Vec<FeatureKind> = self.features.iter().map(|feature| (*feature).into()).collect();
        if kinds.contains(&FeatureKind::Simulated) && !kinds.contains(&FeatureKind::Speech) {
            kinds.push(FeatureKind::Speech);
        }
        kinds
    }

    /// Processes that decode beside `devices`.
    pub fn workers(&self, devices: &[Device]) -> usize {
        self.workers.map_or_else(|| device::decoders(devices), usize::from)
    }

    /// Clips that WavLM hears at once, where that is said.
    pub fn batch(&self) -> Option<usize> {
        self.batch.map(usize::from)
    }
}

/// Where words come from.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Transcripts {
    /// The dataset.
    Dataset,
    /// Recognised by Whisper, all of them.
    Auto,
    /// The dataset; recognised by Whisper where it has none.
    Fill,
}

impl Transcripts {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Auto => "auto",
            Self::Fill => "fill",
        }
    }
}

impl From<Transcripts> for Words {
    fn from(transcripts: Transcripts) -> Self {
        match transcripts {
            Transcripts::Dataset => Self::Given,
            Transcripts::Auto => Self::Recognised,
            Transcripts::Fill => Self::Filled,
        }
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
