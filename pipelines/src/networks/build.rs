//! Two functions a network: from a bundle to its configuration, and with some weights to the network, strictly.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use affekt_llama::Llama;
use affekt_llama::slam::{self, Projector};
use affekt_manet::Manet;
use affekt_sdumc::Sdumc;
use affekt_wavlm::WavLm;
use affekt_weights::bundle::Weights;
use affekt_weights::{Bundle, Checkpoint, Error as WeightsError, Gguf, KeyTable};
use affekt_whisper::Whisper;
use candle_core::{DType, Device};
use candle_nn::VarBuilder;

use super::fusion;
use crate::Error;
use crate::train::checkpoint::{self, Card, expect_method};

/// Weights in one of the forms that networks are built from.
#[derive(Clone, Debug)]
pub enum Form {
    /// Tensors by name.
    Checkpoint(Checkpoint),
    /// Tensors by name, with what `affekt train` says of them.
    Trained(Checkpoint, Box<Card>),
    /// A quantised language model with its configuration.
    Gguf(PathBuf),
}

impl Form {
    /// Opens the weights at `path`: a file of any form, an index of shards, a folder as Hugging Face saves one, the folder of
    /// a run.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if is_gguf(path) {
            return Ok(Self::Gguf(path.into()));
        }
        let run = path.join(checkpoint::FILE);
        let path = if run.is_file() { &run } else { path };
        let weights = Checkpoint::open(path)?;
        let card = if path.is_file() { checkpoint::card(path)? } else { None };
        Ok(Self::of(weights, card))
    }

    fn of(weights: Checkpoint, card: Option<Card>) -> Self {
        match card {
            Some(card) => Self::Trained(weights, Box::new(card)),
            None => Self::Checkpoint(weights),
        }
    }
}

/// Whether `path` is a GGUF, whatever it is called.
pub fn is_gguf(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    path.is_file() && read.is_ok() && &magic == b"GGUF"
}

/// What a network is built from.
pub struct Source<'b> {
    /// Whose configuration holds.
    pub bundle: &'b Bundle,
    /// The network's name in the bundle.
    pub network: &'b str,
    /// Its weights.
    pub weights: Form,
    /// Where it will run.
    pub device: &'b Device,
}

impl<'b> Source<'b> {
    /// The network with the bundle's own weights, verified.
    pub fn of(bundle: &'b Bundle, network: &'b str, device: &'b Device) -> Result<Self, Error> {
        let weights = match bundle.weights(network)? {
            Weights::Embedded { name, bytes } => {
                let card = checkpoint::card_in(&name, bytes)?;
                Form::of(Checkpoint::embedded(&name, bytes)?, card)
            }
            Weights::File(path) | Weights::Sharded(path) => Form::open(&path)?,
        };
        Ok(Self { bundle, network, weights, device })
    }

    fn load<T>(
        &self,
        keys: &KeyTable,
        build: impl FnOnce(VarBuilder) -> candle_core::Result<T>,
    ) -> Result<T, Error> {
        let dtype: DType = self.bundle.network(self.network)?.dtype.into();
        Ok(self.checkpoint()?.load(keys, dtype, self.device, build)?)
    }

    /// The weights by name.
    pub fn checkpoint(&self) -> Result<&Checkpoint, Error> {
        match &self.weights {
            Form::Checkpoint(checkpoint) | Form::Trained(checkpoint, _) => Ok(checkpoint),
            Form::Gguf(path) => Err(gguf_elsewhere(path)),
        }
    }

    /// The speech encoder and its configuration.
    pub fn wavlm(&self) -> Result<(WavLm, affekt_wavlm::Config), Error> {
        let config = wavlm_config(self.bundle, self.network)?;
        let network = self.load(&affekt_wavlm::KEYS, |vb| WavLm::load(vb, &config))?;
        Ok((network, config))
    }

    /// The face encoder and its configuration.
    pub fn manet(&self) -> Result<(Manet, affekt_manet::Config), Error> {
        let config = manet_config(self.bundle, self.network)?;
        let network = self.load(&affekt_manet::KEYS, |vb| Manet::load(vb, &config))?;
        Ok((network, config))
    }

    /// The language model and its configuration.
    pub fn llama(&self) -> Result<(Llama, affekt_llama::Config), Error> {
        if let Form::Gguf(path) = &self.weights {
            return Ok(Llama::load_gguf(path, self.device)?);
        }
        let config = self.bundle.config::<affekt_llama::Config>(self.network)?;
        let network = self.load(&affekt_llama::KEYS, |vb| Llama::load(vb, &config))?;
        Ok((network, config))
    }

    /// The projector, and the frames that make one embedding.
    pub fn projector(&self) -> Result<(Projector, usize), Error> {
        let config = self.bundle.config::<slam::Config>(self.network)?;
        let network = self.load(&slam::KEYS, |vb| Projector::load(vb, &config))?;
        Ok((network, config.encoder_projector_ds_rate))
    }

    /// The fusion model. Weights that affekt has trained bring their own settings, which count; the bundle's configuration
    /// says how wide its features are.
    pub fn sdumc(&self) -> Result<Sdumc, Error> {
        let mut config = self.bundle.config::<affekt_sdumc::RawConfig>(self.network)?.resolve()?;
        if let Form::Trained(weights, card) = &self.weights {
            let file = Path::new(weights.origin());
            expect_method(file, card, super::FUSION)?;
            let own = fusion::config(file, card, weights)?;
            fusion::same_widths(file, self.bundle, &own, &config)?;
            config = own;
        }
        self.load(affekt_sdumc::keys(&config), |vb| Sdumc::load(vb, &config))
    }

    /// What the weights say of their training.
    pub fn card(&self) -> Option<&Card> {
        match &self.weights {
            Form::Trained(_, card) => Some(card),
            Form::Checkpoint(_) | Form::Gguf(_) => None,
        }
    }

    /// What recognises words.
    pub fn whisper(&self) -> Result<Whisper, Error> {
        let config = self.bundle.config::<affekt_whisper::Config>(self.network)?;
        self.load(&affekt_whisper::KEYS, |vb| Whisper::load(vb, &config))
    }
}

/// The error for a GGUF file in the place of other weights.
pub(super) fn gguf_elsewhere(path: &Path) -> Error {
    Error::Weights(WeightsError::NotWeights {
        file: path.display().to_string(),
        is: "a GGUF file".into(),
        remedy: "only the language model is read from GGUF; give this network's own checkpoint",
    })
}

/// What the speech encoder `network` shall be like.
pub fn wavlm_config(bundle: &Bundle, network: &str) -> Result<affekt_wavlm::Config, Error> {
    Ok(bundle.config::<affekt_wavlm::RawConfig>(network)?.into_config()?)
}

/// What the face encoder `network` shall be like.
pub fn manet_config(bundle: &Bundle, network: &str) -> Result<affekt_manet::Config, Error> {
    Ok(bundle.config::<affekt_manet::RawConfig>(network)?.resolve()?)
}

/// What the language model `network` shall be like: of a GGUF file what its header says, and no weights are read.
pub fn llama_config(bundle: &Bundle, network: &str) -> Result<affekt_llama::Config, Error> {
    let listed = bundle.network(network)?;
    if let [only] = *bundle.weights_files(network)?
        && (listed.config.is_none() || Gguf::is_named(Path::new(only)))
        && let Weights::File(path) = bundle.weights(network)?
        && is_gguf(&path)
    {
        return Ok(affekt_llama::Config::from_gguf(&path)?);
    }
    Ok(bundle.config(network)?)
}
