//! The command line: one definition feeds parsing, help, man page and completions.

mod batch;
mod bench;
mod cache;
mod check;
mod eval;
#[cfg(feature = "media")]
mod extract;
mod reading;
mod simulate;
mod train;
#[cfg(feature = "media")]
mod transcribe;

use std::path::PathBuf;

use candle_core::DType;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use batch::{Share, Store};
#[cfg(feature = "media")]
pub use bench::BenchExtract;
pub use bench::{Bench, BenchGpu, BenchSimulate, BenchTrain, Sizes};
pub use cache::{Cache, Choice, Import};
pub use check::Check;
pub use eval::{Ablate, Eval, Report};
#[cfg(feature = "media")]
pub use extract::Extract;
pub use reading::Reading;
pub use simulate::Simulate;
pub use train::{Labelled, Train};
#[cfg(feature = "media")]
pub use transcribe::{Format, Transcribe};

/// Sentiment valence (-3 to +3) from a raw video of a person speaking, with their words or without them.
#[derive(Debug, Parser)]
#[command(name = "affekt", version, propagate_version = true)]
pub struct Cli {
    /// What everything shares.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Print data as JSON on stdout, one object a line for several inputs.
    #[arg(long, global = true)]
    pub json: bool,
    /// Show no progress, only results and errors.
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print every event of the run on stderr, as a line each.
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// Show no progress bar, even on a terminal.
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Let products of f32 on a card round their factors to TF32: faster, and in the third digit different; AFFEKT_TF32=1
    /// says the same.
    #[arg(long, global = true)]
    pub tf32: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Valence of each video, with text (where there is any) and without.
    #[cfg(feature = "media")]
    Predict(Predict),
    /// Features of all clips of a dataset into a cache; running it again goes on where it ended.
    #[cfg(feature = "media")]
    Extract(Extract),
    /// The words of each recording, recognised by the bundle's Whisper.
    #[cfg(feature = "media")]
    Transcribe(Transcribe),
    /// Text simulated from cached speech, anew; running it again goes on where it ended.
    Simulate(Simulate),
    /// A method learns from cached features; running it again goes on where it ended.
    Train(Train),
    /// Trained parameters judged on labelled clips.
    Eval(Eval),
    /// Every row of the paper's table of ablations, over several seeds; running it again goes on where it ended.
    Ablate(Ablate),
    /// Several runs held against each other, as a table and as a page.
    Report(Report),
    /// Faces of a video or a picture: detections, tracks and crops, to look at.
    #[cfg(feature = "media")]
    Faces(Faces),
    /// One network on tensors: for parity and speed.
    Run(Run),
    /// Bundles of networks: what they consist of, and how their files come.
    #[command(subcommand)]
    Models(Models),
    /// Media, transcripts and labels of a dataset held against each other, before any work.
    Inventory(Inventory),
    /// The feature store: what it holds, checked, exported, imported, tidied up.
    #[command(subcommand)]
    Cache(Cache),
    /// What this machine can do, and what this program was built with.
    Doctor(Doctor),
    /// Every network on a device against its reference tensors: whether affekt computes there what it computes here.
    Check(Check),
    /// How fast each stage runs on this machine, and the whole.
    #[command(subcommand)]
    Bench(Bench),
    /// Shell completions, on stdout.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// The man page (roff), on stdout.
    Man,
}

impl Command {
    /// Whether the method's own networks are all that it computes with.
    pub fn trains(&self) -> bool {
        matches!(self, Self::Train(_) | Self::Eval(_) | Self::Ablate(_) | Self::Bench(Bench::Train(_)))
    }
}

/// What `models` does.
#[derive(Debug, Subcommand)]
pub enum Models {
    /// Every file of a bundle: whether it is there, how it can be had, its licence.
    Ls {
        /// Name or folder of the bundle; all known ones by default.
        bundle: Option<String>,
    },
    /// Fetch files of a bundle from the hub (HF_HOME, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE); resumes.
    Pull {
        /// Name or folder of the bundle.
        bundle: String,
        /// Files or networks; everything that the hub has by default.
        #[arg(value_name = "FILE")]
        files: Vec<String>,
    },
    /// Read every file of a bundle and compare its SHA-256.
    Verify {
        /// Name or folder of the bundle; all known ones by default.
        bundle: Option<String>,
    },
    /// Take a published checkpoint into a bundle, checked against the network and converted to safetensors.
    Import {
        /// Name or folder of the bundle.
        bundle: String,
        /// The network whose weights they are, or the bundle's file to bring.
        #[arg(value_name = "NETWORK|FILE")]
        target: String,
        /// Checkpoint file (.pt, .pth, .bin, .safetensors, .onnx), index of shards, or folder.
        path: PathBuf,
    },
}

/// The flag of commands that find faces.
#[cfg(feature = "media")]
#[derive(Debug, Args)]
pub struct Detector {
    /// Find faces by YuNet with these weights (yunet_n .onnx, .pth or .safetensors) instead of the embedded detector or the
    /// bundle's; AFFEKT_YUNET names them for all commands.
    #[arg(long, value_name = "WEIGHTS")]
    yunet: Option<PathBuf>,
    /// Where YuNet finds faces: auto, cpu, cuda or cuda:INDEX; the embedded detector runs on the CPU only.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub faces_device: String,
}

#[cfg(feature = "media")]
impl Detector {
    /// The weights of YuNet, and who named them: the flag, else the environment.
    pub fn yunet(&self) -> Option<(PathBuf, &'static str)> {
        let variable = "AFFEKT_YUNET";
        let set = || std::env::var_os(variable).filter(|value| !value.is_empty());
        let flag = self.yunet.clone().map(|weights| (weights, "--yunet"));
        flag.or_else(|| Some((set()?.into(), variable)))
    }
}

/// Flags of `predict`.
#[cfg(feature = "media")]
#[derive(Debug, Args)]
pub struct Predict {
    /// Video or audio files, folders of them, patterns such as 'talks/**/*.mp4'.
    #[arg(required = true, value_name = "MEDIA")]
    pub media: Vec<PathBuf>,
    /// What is said: the words themselves, @FILE (plain text, SRT, WebVTT or MOSEI's segmented format), @FOLDER with
    /// such a file for each input, called as it is, or auto: the words are recognised by the bundle's Whisper.
    #[arg(long, value_name = "TEXT|@FILE|@FOLDER|auto")]
    pub transcript: Option<String>,
    /// With --transcript auto: code of the language that is spoken, such as en; by default that of the first words.
    #[arg(long, value_name = "CODE")]
    pub language: Option<String>,
    /// Judge from this time on, in seconds.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub start: Option<f64>,
    /// Judge up to this time, in seconds.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub end: Option<f64>,
    /// Bundle of networks: a name of `affekt models ls`, or the path of a bundle folder.
    #[arg(long, value_name = "BUNDLE", default_value = "tiny")]
    pub models: String,
    /// Judge by this fusion model instead of the bundle's: the folder of a run of `affekt train`, its checkpoint, or
    /// released weights (.pt). One that was trained on features of other recipes is refused.
    #[arg(long, value_name = "RUN|FILE")]
    pub fusion: Option<PathBuf>,
    /// How it is read where it does not say so itself.
    #[command(flatten)]
    pub reading: Reading,
    /// Where networks run, one device: auto (the first card, else the CPU), cpu, cuda or cuda:INDEX.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// What decodes the picture: cpu, or the decoder of an NVIDIA card, nvdec or nvdec:INDEX, through FFmpeg.
    #[arg(long, value_name = "DECODER", default_value = "cpu")]
    pub decode: affekt_media::Decoder,
    /// Write a page to look at: key frames, curves over time, attention, words, recipe and digests; one file, no network.
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Which detector.
    #[command(flatten)]
    pub detector: Detector,
}

/// Flags of `faces`.
#[cfg(feature = "media")]
#[derive(Debug, Args)]
pub struct Faces {
    /// Videos or pictures (JPEG, PNG), folders of them, patterns.
    #[arg(required = true, value_name = "MEDIA")]
    pub media: Vec<PathBuf>,
    /// Draw pictures and a contact sheet into this folder.
    #[arg(long, value_name = "DIR")]
    pub draw: Option<PathBuf>,
    /// Which detector.
    #[command(flatten)]
    pub detector: Detector,
}

/// Flags of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Which network.
    pub network: Network,
    /// A folder as Hugging Face saves one (config.json beside model.safetensors or pytorch_model.bin, shards too), or a
    /// checkpoint file: .safetensors, .pt, .pth, .bin or, for llama and generate, .gguf.
    #[arg(long, value_name = "PATH")]
    pub weights: PathBuf,
    /// Configuration (JSON); by default config.json beside the weights.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Input tensors (.safetensors).
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// Where the output tensors go (.safetensors).
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// Forward passes; the output is the last one's.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
    /// Numbers inside the network.
    #[arg(long, default_value = "f32")]
    pub dtype: Dtype,
    /// Where the network runs: auto, cpu, cuda or cuda:INDEX.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// What single networks take.
    #[command(flatten)]
    pub special: Special,
}

/// Flags of single networks.
#[derive(Debug, Args)]
pub struct Special {
    /// wavlm: how the waveform is normalised: none, hf or slam [default: hf].
    #[arg(long, value_name = "NAME")]
    pub normalize: Option<String>,
    /// manet: version of the multi-scale block: sdumc or upstream [default: sdumc].
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// generate: beams of the search [default: 4].
    #[arg(long, value_name = "N")]
    pub beams: Option<usize>,
    /// generate: longest generation, in tokens [default: 200].
    #[arg(long, value_name = "N")]
    pub max_new_tokens: Option<usize>,
    /// generate: hidden states to keep, one entry (-4) or a sum (-4..-1) [default: -4].
    #[arg(long, value_name = "RULE", allow_hyphen_values = true)]
    pub layers: Option<String>,
    /// generate: scorer of the beam search: hf5 or hf4 [default: hf5].
    #[arg(long, value_name = "NAME")]
    pub scorer: Option<String>,
    /// generate: most prompts searched at once, as far as 2 GiB of cache take them; the result is the same [default: 16].
    #[arg(long, value_name = "N")]
    pub in_flight: Option<usize>,
    /// sdumc: the text is simulated (text-missing flow).
    #[arg(long)]
    pub missing: bool,
    /// sdumc, sdumc-loss: follow the paper or the released code: paper or release [default: paper].
    #[arg(long, value_name = "NAME")]
    pub compat: Option<String>,
    /// sdumc, sdumc-loss: missing-information autoencoders: on or off [default: on for paper, off for release].
    #[arg(long, value_name = "on|off")]
    pub mia: Option<String>,
    /// sdumc-loss: what the six terms count: full,missing,mkd1,mkd2,rs,rnc [default: 0.5,0.5,0.1,0.7,0.13,0.5 for paper,
    /// 0.5,0.5,0.1,0.7,0.1,0.8 for release].
    #[arg(long, value_name = "W,W,W,W,W,W")]
    pub loss_weights: Option<String>,
}

/// Networks that `run` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Network {
    /// Speech encoder: waveform to hidden states.
    Wavlm,
    /// Face encoder: images to embeddings.
    Manet,
    /// Language model: tokens to hidden states and logits.
    Llama,
    /// SLAM-ASR projector: speech features to LLM embeddings.
    Slam,
    /// Beam search with a Llama: prompt to tokens, scores and hidden states.
    Generate,
    /// Fusion: features to valence.
    Sdumc,
    /// Fusion under training: features and labels to the terms of the loss and the gradient of every parameter.
    SdumcLoss,
}

/// Number types.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Dtype {
    /// 32 bits.
    F32,
    /// 16 bits, 10 of mantissa.
    F16,
    /// 16 bits, 7 of mantissa.
    Bf16,
}

impl Dtype {
    /// As the tensor library has it.
    pub fn candle(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }
}

/// Where the clips come from.
#[derive(Debug, Args)]
pub struct Dataset {
    /// The dataset: mosei (its raw folders), or a manifest with a JSON object a line.
    #[arg(id = "dataset", long = "dataset", value_name = "mosei|FILE.jsonl")]
    pub name: String,
    /// Folder of the dataset; of a manifest's media, where they do not lie beside it.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Table of labels (CSV or TSV): id, or video and clip, or video and start; label; split.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
}

/// Flags of `inventory`.
#[derive(Debug, Args)]
pub struct Inventory {
    /// What to hold against each other.
    #[command(flatten)]
    pub dataset: Dataset,
    /// Do not open the media files: quicker, but damaged ones and clips outside theirs are not found.
    #[cfg(feature = "media")]
    #[arg(long)]
    pub no_probe: bool,
}

/// Flags of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Bundle of networks to check: a name of `affekt models ls`, or the path of a bundle folder.
    #[arg(long, value_name = "BUNDLE", default_value = "tiny")]
    pub models: String,
}
