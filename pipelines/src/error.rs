//! What can go wrong in a flow.

use std::path::PathBuf;

use affekt_core::feature::BadLayerRule;
use affekt_core::{ErrorKind, Explain, FeatureKind};
use affekt_nn::finite::NotFinite;
use candle_core::Device;

use crate::dataset;
#[cfg(feature = "media")]
use crate::isolate;
use crate::tokenizer::Mismatch;
use crate::train::checkpoint;

/// Errors of the flows: those of the stages, passed on, and a few of their own.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of decoding.
    #[cfg(feature = "media")]
    #[error(transparent)]
    Media(#[from] affekt_media::Error),
    /// Of face detection.
    #[cfg(feature = "media")]
    #[error(transparent)]
    Faces(Box<affekt_faces::Error>),
    /// Of work in another process.
    #[cfg(feature = "media")]
    #[error(transparent)]
    Isolate(#[from] isolate::Error),
    /// Of the clips of a dataset.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// Of a feature store.
    #[error(transparent)]
    Cache(#[from] affekt_cache::Error),
    /// Of checkpoints of training.
    #[error(transparent)]
    Checkpoint(Box<checkpoint::Error>),
    /// Of weights and bundles.
    #[error(transparent)]
    Weights(#[from] affekt_weights::Error),
    /// Of a bundle that lacks its fusion model, perhaps among other files.
    #[error(transparent)]
    NoFusion(Box<affekt_weights::Error>),
    /// Of the speech encoder's configuration.
    #[error(transparent)]
    WavLm(#[from] affekt_wavlm::BadConfig),
    /// Of the name of a normalisation.
    #[error(transparent)]
    Normalize(#[from] affekt_wavlm::normalize::UnknownNormalize),
    /// Of the face encoder.
    #[error(transparent)]
    Manet(affekt_manet::Error),
    /// Of the language model's configuration, or the projector's.
    #[error(transparent)]
    Llama(#[from] affekt_llama::BadConfig),
    /// Of generation.
    #[error(transparent)]
    Generate(affekt_generate::Error),
    /// Of fusion.
    #[error(transparent)]
    Sdumc(affekt_sdumc::Error),
    /// Of the network that recognises words, its vocabulary or its language.
    #[error(transparent)]
    Whisper(affekt_whisper::Error),
    /// A bundle without a network that recognises words.
    #[error("bundle {bundle} has no network whisper, which recognises words")]
    NoRecogniser {
        /// The bundle, as commands name it.
        bundle: String,
    },
    /// Of the choice of hidden states.
    #[error(transparent)]
    Layers(#[from] BadLayerRule),
    /// Of the tensor library.
    #[error(transparent)]
    Tensor(candle_core::Error),
    /// A value on the command line or in a configuration.
    #[error("{name}: {reason}")]
    Setting {
        /// The flag or member.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What a flag or a variable names cannot be used.
    #[error("{name}: {source}")]
    Named {
        /// The flag or variable.
        name: &'static str,
        /// Why.
        source: Box<Error>,
    },
    /// A device that is not there.
    #[error("device {name:?} cannot be used: {reason}")]
    Device {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A device without the memory for what is asked of it, though it is as little as can be asked.
    #[error(
        "{device} has no memory left for {what}{}: {} of its {} are free; a shorter clip, networks of dtype bf16 or f16, or \
         another device may fit",
        wanted(*.bytes), size(*.free), size(*.total)
    )]
    OutOfMemory {
        /// What the device is called.
        device: String,
        /// What it was to hold.
        what: &'static str,
        /// Bytes that this takes, estimated, where that is possible.
        bytes: Option<u64>,
        /// Bytes that are left.
        free: u64,
        /// Bytes that there are.
        total: u64,
    },
    /// A prompt that is longer than what the language model reads.
    #[error("voice and prompt have {given} positions, more than the language model's {positions}")]
    NoRoom {
        /// Positions of voice and prompt.
        given: usize,
        /// Those on which the language model was trained.
        positions: usize,
    },
    /// A recipe that contradicts itself.
    #[error("the bundle's recipes do not fit together: {reason}")]
    Recipe {
        /// How.
        reason: String,
    },
    /// A network whose features are not as wide as their spec states.
    #[error(
        "the network gives rows of {found} numbers for feature {}, and its configuration promises {wanted}",
        kind.name()
    )]
    Width {
        /// The feature.
        kind: FeatureKind,
        /// Numbers a row.
        found: usize,
        /// Numbers a row by the spec.
        wanted: usize,
    },
    /// A tokenizer that cannot be used.
    #[error("the tokenizer of network {network} cannot be used: {reason}")]
    Tokenizer {
        /// The network.
        network: String,
        /// Why.
        reason: String,
    },
    /// Of a tokenizer that is not the language model's.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// Words that cannot be used.
    #[error("the transcript {name:?} cannot be used: {reason}")]
    Transcript {
        /// The file, or what was given instead.
        name: String,
        /// Why.
        reason: String,
    },
    /// A recording whose words are asked for, without a sound track.
    #[error("{path}: there is no sound track, and so no words to recognise", path = path.display())]
    NoSound {
        /// The file.
        path: PathBuf,
    },
    /// Neither voice, nor face, nor words.
    #[error("{path}: there is nothing to judge: no voice, no face and no words", path = path.display())]
    NothingToJudge {
        /// The file.
        path: PathBuf,
    },
    /// Numbers that are none, and the layer that made them.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
}

// By hand, because candle's error may carry one that has more to say.

impl From<checkpoint::Error> for Error {
    fn from(error: checkpoint::Error) -> Self {
        Self::Checkpoint(Box::new(error))
    }
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        match NotFinite::of(&error) {
            Some(found) => Self::NotFinite(found.clone()),
            None => Self::Tensor(error),
        }
    }
}

#[cfg(feature = "media")]
impl From<affekt_faces::Error> for Error {
    fn from(error: affekt_faces::Error) -> Self {
        Self::Faces(Box::new(error))
    }
}

impl From<affekt_manet::Error> for Error {
    fn from(error: affekt_manet::Error) -> Self {
        match error {
            affekt_manet::Error::Tensor(error) => error.into(),
            error => Self::Manet(error),
        }
    }
}

impl From<affekt_generate::Error> for Error {
    fn from(error: affekt_generate::Error) -> Self {
        match error {
            affekt_generate::Error::Tensor(error) => error.into(),
            error => Self::Generate(error),
        }
    }
}

impl From<affekt_sdumc::Error> for Error {
    fn from(error: affekt_sdumc::Error) -> Self {
        match error {
            affekt_sdumc::Error::Tensor(error) => error.into(),
            error => Self::Sdumc(error),
        }
    }
}

impl From<affekt_whisper::Error> for Error {
    fn from(error: affekt_whisper::Error) -> Self {
        match error {
            affekt_whisper::Error::Tensor(error) => error.into(),
            error => Self::Whisper(error),
        }
    }
}

/// ` (about 12.3 GB)`
fn wanted(bytes: Option<u64>) -> String {
    bytes.map(|bytes| format!(" (about {})", size(bytes))).unwrap_or_default()
}

/// `12.3 GB`
fn size(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

impl Error {
    /// Whether a device had no memory left for what was asked of it.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::OutOfMemory { .. } => true,
            Self::Tensor(error) => affekt_nn::device::out_of_memory(error),
            Self::Generate(error) => {
                use affekt_generate::Error::{CacheMemory, PassMemory};
                matches!(error, CacheMemory { .. } | PassMemory { .. })
            }
            Self::Named { source, .. } => source.is_out_of_memory(),
            _ => false,
        }
    }

    /// Whether the card on which it came about is lost to this process: nothing runs on it any more.
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Tensor(error) => affekt_nn::device::is_lost(error),
            Self::Named { source, .. } => source.is_lost(),
            _ => false,
        }
    }

    /// Whether `device` had no memory left for what was asked of it; then what this process keeps for later use is given
    /// back to it, so that less may fit.
    pub(crate) fn makes_room(&self, device: &Device) -> bool {
        // Where even that fails, the next attempt says why.
        self.is_out_of_memory() && affekt_nn::device::reclaim(device).is_ok()
    }

    /// The error, with what a card has where it had no memory left for `what`, which takes about `bytes`.
    pub(crate) fn explained(self, device: &Device, what: &'static str, bytes: Option<u64>) -> Self {
        // What generation says of a pass has its rows and the cache beside it.
        let says_more = matches!(
            self,
            Self::OutOfMemory { .. } | Self::Generate(affekt_generate::Error::PassMemory { .. })
        );
        if !self.is_out_of_memory() || says_more {
            return self;
        }
        let Ok(Some(card)) = affekt_nn::device::card(device) else { return self };
        let (free, total) = (card.memory.free as u64, card.memory.total as u64);
        Self::OutOfMemory { device: crate::device::name(device), what, bytes, free, total }
    }

    /// The error, with the flag or variable that brought it.
    pub fn named_by(name: &'static str, source: impl Into<Self>) -> Self {
        Self::Named { name, source: Box::new(source.into()) }
    }

    /// The stage's own error, where it is one.
    fn inner(&self) -> Option<&dyn Explain> {
        Some(match self {
            #[cfg(feature = "media")]
            Self::Media(error) => error,
            #[cfg(feature = "media")]
            Self::Faces(error) => &**error,
            #[cfg(feature = "media")]
            Self::Isolate(error) => error,
            Self::Dataset(error) => error,
            Self::Cache(error) => error,
            Self::Checkpoint(error) => &**error,
            Self::Weights(error) => error,
            Self::NoFusion(error) => &**error,
            Self::WavLm(error) => error,
            Self::Normalize(error) => error,
            Self::Manet(error) => error,
            Self::Llama(error) => error,
            Self::Generate(error) => error,
            Self::Mismatch(error) => error,
            Self::Sdumc(error) => error,
            Self::Whisper(error) => error,
            Self::Named { source, .. } => &**source,
            _ => return None,
        })
    }
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Device { .. } | Self::OutOfMemory { .. } => ErrorKind::Device,
            Self::Tensor(_) if self.is_out_of_memory() || self.is_lost() => ErrorKind::Device,
            Self::Layers(_) | Self::Setting { .. } => ErrorKind::BadConfig,
            Self::NotFinite(found) if found.in_input() => ErrorKind::BadInput,
            Self::Recipe { .. } | Self::Width { .. } | Self::Tokenizer { .. } | Self::NotFinite(_) => {
                ErrorKind::BadModel
            }
            Self::NoRecogniser { .. } => ErrorKind::BadModel,
            Self::NoRoom { .. } => ErrorKind::BadInput,
            Self::NoSound { .. } => ErrorKind::NoStreams,
            Self::Transcript { .. } => ErrorKind::BadTranscript,
            Self::NothingToJudge { .. } => ErrorKind::NothingToJudge,
            other => other.inner().map_or(ErrorKind::Internal, Explain::kind),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Device { .. } => {
                "use auto, cpu, or with an affekt built with CUDA cuda:INDEX, for `extract` and `simulate` also cuda:0,1 or \
                 cuda:all; `affekt doctor` lists the cards"
                    .into()
            }
            Self::OutOfMemory { .. } => {
                "`affekt doctor` lists the memory of all cards, and --device cpu has this machine's; a smaller --kv-memory \
                 leaves more of a card's; other programs take some too (`nvidia-smi`)"
                    .into()
            }
            Self::Tensor(_) if self.is_out_of_memory() => {
                "less at once, or another device, may fit: `affekt doctor` lists the memory of all cards".into()
            }
            Self::Tensor(_) if self.is_lost() => {
                "the card is lost to this process: the same command goes on in a new one; the system's log says what became of \
                 the card (`dmesg`, `nvidia-smi -q`)"
                    .into()
            }
            Self::Setting { name, .. } if name.contains("--start") => {
                "give seconds from the start of the recording, the start before the end: --start 12.5 --end 20".into()
            }
            Self::Setting { name, .. } if name == "--transcript" => {
                "write one file for each recording into a folder, and give @FOLDER; or auto, to have the words recognised"
                    .into()
            }
            Self::Setting { name, .. } if name == "--language" => {
                "a transcript that is given needs no language: leave --language out, or ask for --transcript auto".into()
            }
            Self::Setting { name, .. } if name == "--format" => {
                "`--format srt > words.srt` for one recording, `--out FOLDER` for any number".into()
            }
            Self::Setting { name, .. } if ["--dataset", "--labels"].contains(&name.as_str()) => {
                "`affekt inventory` holds the media, the transcripts and the labels against each other".into()
            }
            Self::Setting { name, .. } if ["--compat", "--mia", "--mia-residual"].contains(&name.as_str()) => {
                "these say how released weights are to be read; leave them out".into()
            }
            Self::Setting { name, .. } if name == "--report" => {
                "name the page first, such as --report page.html, and the recordings after it".into()
            }
            Self::Transcript { .. } => {
                "give the words themselves, or @FILE with UTF-8 text, SRT, WebVTT or MOSEI lines".into()
            }
            Self::NoRecogniser { .. } => {
                "name another bundle with --models, or give this one a Whisper: list its files in bundle.toml under \
                 [networks.whisper] and bring them with `affekt models import BUNDLE whisper PATH`"
                    .into()
            }
            Self::NoSound { .. } => "give a recording with sound".into(),
            Self::NothingToJudge { .. } => "give the words with --transcript, or another recording".into(),
            Self::NoFusion(error) => {
                let bring = error.hint().unwrap_or_default();
                format!("name a run of `affekt train` with --fusion, or import the fusion model: {bring}")
            }
            Self::NotFinite(found) if found.in_input() => {
                "what made the input has to be mended: a network takes only finite numbers".into()
            }
            Self::NoRoom { .. } => "cut the clip shorter, or use a shorter prompt".into(),
            Self::NotFinite(_) => {
                "check the weights: a damaged or half-precision checkpoint overflows".into()
            }
            Self::Recipe { .. } | Self::Width { .. } | Self::Tokenizer { .. } => "mend the bundle or use another".into(),
            other => return other.inner().and_then(Explain::hint),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_told_with_what_there_is() {
        let error = |bytes| Error::OutOfMemory {
            device: "cuda:0".into(),
            what: "the sound of one clip",
            bytes,
            free: 1_230_000_000,
            total: 16_000_000_000,
        };
        let told = error(Some(7_000_000_000)).to_string();
        for part in
            ["cuda:0", "about 7.0 GB", "1.2 GB of its 16.0 GB", "shorter clip", "bf16", "another device"]
        {
            assert!(told.contains(part), "{part:?} is not in {told}");
        }
        assert!(!error(None).to_string().contains("about"));
        assert_eq!(error(None).kind(), ErrorKind::Device);
        assert!(error(None).hint().is_some() && error(None).is_out_of_memory());
    }

    #[test]
    fn memory_that_generation_lacks_is_memory_that_a_device_lacks() {
        use affekt_generate::Error::{CacheMemory, OverBudget, PassMemory};
        let cache = Error::from(CacheMemory { wanted: 9, free: 4 });
        let pass = Error::named_by("--kv-memory", PassMemory { rows: 1, cache: 9 });
        assert!(cache.is_out_of_memory() && cache.makes_room(&Device::Cpu) && pass.is_out_of_memory());
        let over = Error::from(OverBudget { needed: 9, budget: 4 });
        assert!(!over.is_out_of_memory() && !over.is_lost() && !cache.is_lost());
    }

    #[test]
    fn on_the_cpu_nothing_is_explained() {
        let error = Error::Tensor(candle_core::Error::Msg("out of memory".into()));
        assert!(!error.is_out_of_memory() && !error.makes_room(&Device::Cpu));
        assert!(matches!(error.explained(&Device::Cpu, "a face", None), Error::Tensor(_)));
    }
}
