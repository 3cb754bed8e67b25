//! Flags of `transcribe`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Flags of `transcribe`.
#[derive(Debug, Args)]
pub struct Transcribe {
    /// Video or audio files, folders of them, patterns such as 'talks/**/*.mp4'.
    #[arg(required = true, value_name = "MEDIA")]
    pub media: Vec<PathBuf>,
    /// Code of the language that is spoken, such as en; by default that of the first words.
    #[arg(long, value_name = "CODE")]
    pub language: Option<String>,
    /// Listen from this time on, in seconds.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub start: Option<f64>,
    /// Listen up to this time, in seconds.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub end: Option<f64>,
    /// What is printed [default: text], or written by --out [default: srt].
    #[arg(long)]
    pub format: Option<Format>,
    /// Write subtitles of each input into this folder, called as it is; `predict --transcript @DIR` reads them.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Bundle of networks: a name of `affekt models ls`, or the path of a bundle folder.
    #[arg(long, value_name = "BUNDLE", default_value = "tiny")]
    pub models: String,
    /// Where the network runs: auto, cpu, cuda or cuda:INDEX.
    #[arg(long, default_value = "auto")]
    pub device: String,
}

/// Forms of recognised words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line a segment, with its times.
    Text,
    /// SubRip subtitles.
    Srt,
    /// WebVTT subtitles.
    Vtt,
}

impl Format {
    /// How its files end.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
        }
    }
}
