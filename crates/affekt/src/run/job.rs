//! What every network's run needs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use affekt_pipelines::{Error, device};
use affekt_weights::tensors::TensorFile;
use affekt_weights::{Checkpoint, Gguf, read_config};
use candle_core::{DType, Device, Tensor};
use clap::ValueEnum;
use serde::de::DeserializeOwned;

use crate::cli::{self, Network, Special};

/// Output tensors by name.
pub type Outputs = HashMap<String, Tensor>;

/// An opened run: weights, input, device.
pub struct Job<'f> {
    flags: &'f cli::Run,
    weights: Weights,
    /// The input tensors, on the device.
    pub input: TensorFile,
    /// Where the network runs.
    pub device: Device,
    /// Numbers inside the network.
    pub dtype: DType,
}

enum Weights {
    Checkpoint(Checkpoint),
    /// A file that the language model opens itself.
    Gguf(PathBuf),
}

impl Weights {
    fn open(flags: &cli::Run) -> Result<Self, Error> {
        let path = &flags.weights;
        if !Gguf::is_named(path) {
            return Ok(Self::Checkpoint(Checkpoint::open(path)?));
        }
        if matches!(flags.network, Network::Llama | Network::Generate) {
            return Ok(Self::Gguf(path.clone()));
        }
        let reason = format!("{} is a GGUF file: only llama and generate read one", path.display());
        Err(Error::Setting { name: "--weights".into(), reason })
    }
}

impl<'f> Job<'f> {
    /// Opens what the flags name; refuses flags that the network does not take.
    pub fn open(flags: &'f cli::Run) -> Result<Self, Error> {
        refuse_foreign(flags)?;
        let device = device::named(&flags.device)?;
        let dtype = flags.dtype.candle();
        let weights = Weights::open(flags)?;
        let input = TensorFile::open(&flags.input, &device)?;
        Ok(Self { flags, weights, input, device, dtype })
    }

    /// The weights; for a GGUF file see [`Self::gguf`].
    pub fn weights(&self) -> Result<&Checkpoint, Error> {
        match &self.weights {
            Weights::Checkpoint(checkpoint) => Ok(checkpoint),
            Weights::Gguf(path) => {
                let reason = format!("{} is a GGUF file", path.display());
                Err(Error::Setting { name: "--weights".into(), reason })
            }
        }
    }

    /// The GGUF file that holds weights and configuration, where one is given.
    pub fn gguf(&self) -> Option<&Path> {
        match &self.weights {
            Weights::Checkpoint(_) => None,
            Weights::Gguf(path) => Some(path),
        }
    }

    /// Flags of single networks.
    pub fn special(&self) -> &Special {
        &self.flags.special
    }

    /// The configuration: `--config`, or config.json beside the weights.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(read_config(&self.config_path())?)
    }

    /// The configuration, or `T`'s defaults where there is none and none was asked for.
    pub fn config_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Error> {
        if self.has_config() { self.config() } else { Ok(T::default()) }
    }

    /// Whether there is a configuration, or one is asked for.
    pub fn has_config(&self) -> bool {
        self.flags.config.is_some() || self.config_path().exists()
    }

    fn config_path(&self) -> PathBuf {
        let weights = &self.flags.weights;
        let beside = || {
            let folder = if weights.is_dir() { Some(weights.as_path()) } else { weights.parent() };
            folder.unwrap_or(weights).join("config.json")
        };
        self.flags.config.clone().unwrap_or_else(beside)
    }
}

/// A flag that the network does not take would do nothing: an error.
fn refuse_foreign(flags: &cli::Run) -> Result<(), Error> {
    let Special {
        normalize,
        variant,
        beams,
        max_new_tokens,
        layers,
        scorer,
        in_flight,
        missing,
        compat,
        mia,
        loss_weights,
    } = &flags.special;
    let generate = &[Network::Generate][..];
    let sdumc = &[Network::Sdumc, Network::SdumcLoss][..];
    let given = [
        ("--normalize", normalize.is_some(), &[Network::Wavlm][..]),
        ("--variant", variant.is_some(), &[Network::Manet][..]),
        ("--beams", beams.is_some(), generate),
        ("--max-new-tokens", max_new_tokens.is_some(), generate),
        ("--layers", layers.is_some(), generate),
        ("--scorer", scorer.is_some(), generate),
        ("--in-flight", in_flight.is_some(), generate),
        ("--missing", *missing, &[Network::Sdumc][..]),
        ("--compat", compat.is_some(), sdumc),
        ("--mia", mia.is_some(), sdumc),
        ("--loss-weights", loss_weights.is_some(), &[Network::SdumcLoss][..]),
    ];
    let foreign = |(_, given, takers): &&(&str, bool, &[Network])| *given && !takers.contains(&flags.network);
    match given.iter().find(foreign) {
        Some((flag, _, _)) => {
            let network =
                flags.network.to_possible_value().map_or_else(String::new, |value| value.get_name().into());
            Err(Error::Setting {
                name: (*flag).into(),
                reason: format!("network {network} does not take it"),
            })
        }
        None => Ok(()),
    }
}

/// One named output.
pub fn outputs<const N: usize>(named: [(&str, Tensor); N]) -> Outputs {
    named.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect()
}
