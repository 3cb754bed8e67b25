//! The network.

use affekt_nn::finite::gated;
use candle_core::{DType, Device, Result, Tensor, bail};
use candle_nn::VarBuilder;
use candle_transformers::models::whisper::model::{TextDecoder, Whisper as Network};

use crate::config::{Config, SOURCE_POSITIONS};
use crate::mel::{Mel, WINDOW_FRAMES};

/// What users call it.
const NAME: &str = "whisper";

/// Whisper: 30 s of log-mel frames, and the words in them, token by token.
pub struct Whisper {
    /// Never run itself: passes run on clones, which share its tensors and have caches of their own.
    network: Network,
    config: Config,
    mel: Mel,
    device: Device,
}

impl Whisper {
    /// Reads the network by our names (see [`KEYS`](crate::KEYS)), in f32: the library has no other form.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "every network takes its VarBuilder by value, as candle's do"
    )]
    pub fn load(vb: VarBuilder, config: &Config) -> Result<Self> {
        if vb.dtype() != DType::F32 {
            bail!("whisper runs in f32, not {:?}", vb.dtype());
        }
        let network = Network::load(&vb, config.library())?;
        Ok(Self {
            network,
            config: config.clone(),
            mel: Mel::new(config.num_mel_bins),
            device: vb.device().clone(),
        })
    }

    /// Its sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where it runs.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Its front end.
    pub fn mel(&self) -> &Mel {
        &self.mel
    }

    /// Log-mel frames (b, bands, 3000) -> what the decoder attends to (b, 1500, d_model).
    ///
    /// # Errors
    /// Another shape, [`NotFinite`](affekt_nn::finite::NotFinite) and what candle reports.
    pub fn encode(&self, mel: &Tensor) -> Result<Tensor> {
        let (_, bands, frames) = mel.dims3()?;
        if (bands, frames) != (self.config.num_mel_bins, WINDOW_FRAMES) {
            bail!("{bands} mel bands of {frames} frames, wanted {} of 3000", self.config.num_mel_bins);
        }
        gated(
            NAME,
            |gate| {
                gate.check(|| "the input mel".into(), mel)?;
                let encoded = self.network.encoder.clone().forward(mel, true)?; // (b, 1500, d_model)
                gate.pass(|| "model.encoder".into(), encoded)
            },
            |encoded| vec![encoded],
        )
    }

    /// A decoder for one window, which remembers what it computes of the encoder's output (1, 1500, d_model).
    pub fn decoder(&self, encoded: Tensor) -> Result<Decoder> {
        let wanted = [1, SOURCE_POSITIONS, self.config.d_model];
        if encoded.dims() != wanted {
            bail!("the encoder's output has the shape {:?}, wanted {wanted:?}", encoded.dims());
        }
        let mut network = self.network.decoder.clone();
        network.reset_kv_cache();
        Ok(Decoder { network, encoded, positions: self.config.max_target_positions })
    }
}

/// The decoder over one window.
pub struct Decoder {
    network: TextDecoder,
    encoded: Tensor,
    positions: usize,
}

impl Decoder {
    /// Logits of the token after each of the positions from `first` on: (tokens - first, vocab_size).
    ///
    /// The library remembers keys and values of the encoder's output only: all tokens pass through at every call.
    ///
    /// # Errors
    /// More tokens than positions, [`NotFinite`](affekt_nn::finite::NotFinite) and what candle reports.
    pub fn logits(&mut self, tokens: &[u32], first: usize) -> Result<Tensor> {
        if tokens.len() > self.positions || first >= tokens.len() {
            bail!("{} tokens from {first} on, of {} positions", tokens.len(), self.positions);
        }
        let ids = Tensor::from_slice(tokens, (1, tokens.len()), self.encoded.device())?; // (1, t)
        let (encoded, network) = (&self.encoded, std::cell::RefCell::new(&mut self.network));
        gated(
            NAME,
            |gate| {
                gate.check(|| "the input states".into(), encoded)?;
                let mut network = network.borrow_mut();
                let states = network.forward(&ids, encoded, false)?; // (1, t, d_model)
                let states = gate.pass(|| "model.decoder".into(), states)?;
                let states = states.narrow(1, first, tokens.len() - first)?;
                let logits = network.final_linear(&states.contiguous()?)?.squeeze(0)?; // (t - first, vocab_size)
                gate.pass(|| "model.decoder.embed_tokens".into(), logits)
            },
            |logits| vec![logits],
        )
    }
}
