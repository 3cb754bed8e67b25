//! A bundle's networks, loaded on a device.

use affekt_llama::Llama;
use affekt_llama::slam::{self, Projector};
use affekt_manet::Manet;
use affekt_sdumc::Sdumc;
use affekt_wavlm::WavLm;
use affekt_weights::Bundle;
use candle_core::{DType, Device};

use crate::Error;
use crate::recipe::{Recipes, Widths};
use crate::tokenizer::Tokenizer;

/// The name of the fusion model in a bundle; the encoders are named by the recipes.
const FUSION: &str = "sdumc";

/// Everything that turns a clip into a valence.
pub struct Networks {
    /// Where they come from.
    pub bundle: Bundle,
    /// How the bundle wants each feature made.
    pub recipes: Recipes,
    /// Where they run.
    pub device: Device,
    /// Speech encoder.
    pub wavlm: WavLm,
    /// Face encoder.
    pub manet: Manet,
    /// Language model.
    pub llama: Llama,
    /// From speech features to the language model's embeddings.
    pub projector: Projector,
    /// Frames of speech that make one embedding.
    pub frames_per_embedding: usize,
    /// Tokens that end a generated text.
    pub eos: Vec<u32>,
    /// The language model's tokenizer.
    pub tokenizer: Tokenizer,
    /// Fusion model.
    pub sdumc: Sdumc,
}

impl Networks {
    /// Loads every network of `bundle`, each file verified, with f32 weights.
    pub fn load(bundle: &Bundle, device: &Device) -> Result<Self, Error> {
        let recipes = Recipes::of(bundle)?;
        let (speech, face) = (&recipes.audio.network, &recipes.video.network);
        let (words, projector) = (&recipes.simulated.network, &recipes.simulated.projector);
        let wavlm = {
            let config = bundle.config::<affekt_wavlm::RawConfig>(speech)?.into_config()?;
            load(bundle, speech, &affekt_wavlm::KEYS, device, |vb| WavLm::load(vb, &config))?
        };
        let manet = {
            let config = bundle.config::<affekt_manet::RawConfig>(face)?.resolve()?;
            load(bundle, face, &affekt_manet::KEYS, device, |vb| Manet::load(vb, &config))?
        };
        let (llama, eos) = {
            let config = bundle.config::<affekt_llama::Config>(words)?;
            let network = load(bundle, words, &affekt_llama::KEYS, device, |vb| Llama::load(vb, &config))?;
            (network, config.eos_token_ids)
        };
        let (projector, frames_per_embedding) = {
            let config = bundle.config::<slam::Config>(projector)?;
            let network = load(bundle, projector, &slam::KEYS, device, |vb| Projector::load(vb, &config))?;
            (network, config.encoder_projector_ds_rate)
        };
        let sdumc = {
            let config = bundle.config::<affekt_sdumc::RawConfig>(FUSION)?.resolve()?;
            load(bundle, FUSION, affekt_sdumc::keys(&config), device, |vb| Sdumc::load(vb, &config))?
        };
        let tokenizer = Tokenizer::of(bundle, words)?;
        let (bundle, device) = (bundle.clone(), device.clone());
        Ok(Self {
            bundle,
            recipes,
            device,
            wavlm,
            manet,
            llama,
            projector,
            frames_per_embedding,
            eos,
            tokenizer,
            sdumc,
        })
    }

    /// Numbers a row of each feature.
    pub fn widths(&self) -> Widths {
        let widths = self.sdumc.config().widths;
        Widths { audio: widths.audio, text: widths.text, video: widths.video }
    }
}

fn load<T>(
    bundle: &Bundle,
    network: &str,
    keys: &affekt_weights::KeyTable,
    device: &Device,
    build: impl FnOnce(candle_nn::VarBuilder) -> candle_core::Result<T>,
) -> Result<T, Error> {
    Ok(bundle.checkpoint(network)?.load(keys, DType::F32, device, build)?)
}
