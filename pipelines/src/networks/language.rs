//! The language model, which the words of a transcript and the words of a voice share.

use std::path::Path;

use affekt_llama::{Config, Llama};
use affekt_weights::{Bundle, Gguf};
use candle_core::{DType, Device, Tensor};

use super::{Source, llama_config};
use crate::Error;
use crate::tokenizer::{Promised, Tokenizer};

/// A language model with what it reads and writes words by.
pub struct LanguageModel {
    /// The network.
    pub network: Llama,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Tokens that end a generated text.
    pub eos: Vec<u32>,
    /// Tokens that it reads at most: the positions on which it was trained.
    pub positions: usize,
    /// Numbers a row of its hidden states.
    pub width: usize,
    /// Numbers inside the network.
    pub dtype: DType,
    /// Where it runs.
    pub device: Device,
    /// Its name in the bundle.
    pub name: String,
}

impl LanguageModel {
    /// Loads `network` of `bundle`, verified.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where its tokenizer is another network's, before any weights are read.
    pub fn load(bundle: &Bundle, network: &str, device: &Device) -> Result<Self, Error> {
        let promised = promised(bundle, network, &llama_config(bundle, network)?)?;
        let tokenizer = Tokenizer::of(bundle, network, &promised)?;
        let (llama, config) = Source::of(bundle, network, device)?.llama()?;
        Ok(Self {
            network: llama,
            tokenizer,
            positions: config.context(),
            eos: config.eos_token_ids,
            width: config.hidden_size,
            dtype: bundle.network(network)?.dtype.into(),
            device: device.clone(),
            name: network.to_owned(),
        })
    }

    /// The beginning-of-text token and the tokens of `text`, at most the positions that the network has: embeddings
    /// (1, t, width), and how many tokens there were.
    pub fn embed(&self, text: &str) -> Result<(Tensor, usize), Error> {
        let mut ids = self.tokenizer.with_bos(text)?;
        let given = ids.len();
        ids.truncate(self.positions);
        let ids = Tensor::from_slice(&ids, (1, ids.len()), &self.device)?; // (1, t)
        Ok((self.network.embed(&ids)?, given))
    }
}

/// What `config` says of the tokens of `network`, and where it says so.
fn promised(bundle: &Bundle, network: &str, config: &Config) -> Result<Promised, Error> {
    let weights = bundle.weights_files(network)?;
    let file = match (&bundle.network(network)?.config, weights.as_slice()) {
        (_, [only]) if Gguf::is_named(Path::new(only)) => *only,
        (Some(config), _) => config,
        (None, weights) => weights.first().copied().unwrap_or(network),
    };
    Ok(Promised {
        file: file.to_owned(),
        vocabulary: config.vocab_size,
        bos: config.bos_token_id,
        eos: config.eos_token_ids.clone(),
    })
}
