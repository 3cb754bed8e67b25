//! A bundle's networks, loaded on a device.
//!
//! | module | holds |
//! |---|---|
//! | `build` | one function a network |

mod build;

use affekt_core::FeatureSpec;
use affekt_llama::Llama;
use affekt_llama::slam::Projector;
use affekt_manet::Manet;
use affekt_sdumc::Sdumc;
use affekt_wavlm::WavLm;
use affekt_weights::bundle::{Missing, Numbers};
use affekt_weights::{Bundle, Checkpoint};
use candle_core::{DType, Device};

use crate::Error;
use crate::recipe::{Recipes, Widths};
use crate::tokenizer::Tokenizer;
pub use build::Form;
pub(crate) use build::Source;

/// The name of the fusion model in a bundle; the encoders are named by the recipes.
const FUSION: &str = "sdumc";
/// The name of the face detector in a bundle that has one.
pub(crate) const DETECTOR: &str = "yunet";

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
    /// Tokens that the language model reads at most: the positions on which it was trained.
    pub positions: usize,
    /// The language model's tokenizer.
    pub tokenizer: Tokenizer,
    /// Fusion model.
    pub sdumc: Sdumc,
    /// What finds faces.
    #[cfg(feature = "media")]
    pub finder: crate::finder::Finder,
}

impl Networks {
    /// Loads every network of `bundle` with the numbers that it states, each file verified. Files that are missing are
    /// listed all at once, with the commands that bring them.
    pub fn load(bundle: &Bundle, device: &Device) -> Result<Self, Error> {
        let recipes = Recipes::of(bundle)?;
        let (speech, face) = (recipes.audio.network.as_str(), recipes.video.network.as_str());
        let (words, projector) = (recipes.simulated.network.as_str(), recipes.simulated.projector.as_str());
        bundle.require([speech, face, words, projector, FUSION]).map_err(with_fusion)?;
        if bundle.network(FUSION)?.dtype != Numbers::F32 {
            return Err(Error::Recipe { reason: format!("{FUSION} can only have dtype f32") });
        }
        let wavlm = Source::of(bundle, speech, device)?.wavlm()?;
        let manet = Source::of(bundle, face, device)?.manet()?;
        let (llama, config) = Source::of(bundle, words, device)?.llama()?;
        let (projector, frames_per_embedding) = Source::of(bundle, projector, device)?.projector()?;
        let sdumc = Source::of(bundle, FUSION, device)?.sdumc()?;
        let tokenizer = Tokenizer::of(bundle, words)?;
        #[cfg(feature = "media")]
        let finder = crate::finder::Finder::of(bundle, &recipes)?;
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
            eos: config.eos_token_ids,
            positions: config.max_position_embeddings,
            tokenizer,
            sdumc,
            #[cfg(feature = "media")]
            finder,
        })
    }

    /// Numbers a row of each feature.
    pub fn widths(&self) -> Widths {
        let widths = self.sdumc.config().widths;
        Widths { audio: widths.audio, text: widths.text, video: widths.video }
    }

    /// The bundle's names of the networks that take part.
    pub fn names(&self) -> Vec<&str> {
        let Recipes { audio, video, simulated, .. } = &self.recipes;
        let mut names =
            vec![&*audio.network, &*video.network, &*simulated.network, &*simulated.projector, FUSION];
        #[cfg(feature = "media")]
        if self.finder.is_of_bundle() {
            names.push(DETECTOR);
        }
        names.dedup();
        names
    }

    /// The recipe of every feature, as a cache will keep it.
    pub fn specs(&self) -> Result<Vec<FeatureSpec>, Error> {
        #[cfg(feature = "media")]
        let crops = self.finder.words();
        // Without media nothing finds faces here; what the bundle prefers stands for it.
        #[cfg(not(feature = "media"))]
        let crops = self.recipes.video.faces[0].clone();
        self.recipes.specs(&self.bundle, &self.widths(), &crops)
    }

    /// The numbers inside the network `name`.
    pub fn dtype(&self, name: &str) -> Result<DType, Error> {
        Ok(self.bundle.network(name)?.dtype.into())
    }
}

/// Whether `weights` are those of `network`: builds it with the bundle's configuration, on the CPU, and lists
/// every key that is missing, misshapen or unknown.
pub fn check(bundle: &Bundle, network: &str, weights: &Form) -> Result<(), Error> {
    let recipes = Recipes::of(bundle)?;
    let device = &Device::Cpu;
    let source = Source { bundle, network, weights: weights.clone(), device };
    let is = |names: [&String; 2]| names.iter().any(|name| *name == network);
    if is([&recipes.audio.network, &recipes.speech.network]) {
        source.wavlm().map(|_| ())
    } else if network == recipes.video.network {
        source.manet().map(|_| ())
    } else if is([&recipes.text.network, &recipes.simulated.network]) {
        source.llama().map(|_| ())
    } else if network == recipes.simulated.projector {
        source.projector().map(|_| ())
    } else if network == FUSION {
        source.sdumc().map(|_| ())
    } else if network == DETECTOR {
        detector(source.checkpoint()?)
    } else {
        bundle.network(network)?;
        Err(Error::Recipe { reason: format!("no recipe names the network {network}") })
    }
}

#[cfg(feature = "media")]
fn detector(checkpoint: &Checkpoint) -> Result<(), Error> {
    use affekt_faces::YuNet;
    YuNet::load(checkpoint, YuNet::VIDEO_SIDE, &Device::Cpu)?;
    Ok(())
}

#[cfg(not(feature = "media"))]
fn detector(_checkpoint: &Checkpoint) -> Result<(), Error> {
    Err(Error::Recipe { reason: "this affekt was built without media, so it has no face detector".into() })
}

/// A missing fusion model can also be trained.
fn with_fusion(error: affekt_weights::Error) -> Error {
    let of_fusion = |missing: &Missing| missing.target == FUSION;
    match &error {
        affekt_weights::Error::Missing { missing, .. } if missing.iter().any(of_fusion) => {
            Error::NoFusion(Box::new(error))
        }
        _ => error.into(),
    }
}
