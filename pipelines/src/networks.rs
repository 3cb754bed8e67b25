//! A bundle's networks, loaded on a device.
//!
//! | module | holds |
//! |---|---|
//! | `build` | two functions a network: its configuration, and itself |
//! | `language` | [`LanguageModel`]: with its tokenizer |
//! | `encoders` | [`Encoders`]: what makes features, loaded for the features that are asked for |
//! | [`mod@fusion`] | [`Fusion`]: a fusion model that was trained or released, as a file; [`Lineage`]: what is known of a loaded one |

mod build;
mod encoders;
pub mod fusion;
mod language;

use affekt_core::FeatureSpec;
use affekt_sdumc::Sdumc;
use affekt_weights::bundle::{Caution, Manifest, Missing, Numbers};
use affekt_weights::{Bundle, Checkpoint};
use candle_core::Device;

use crate::Error;
use crate::features::{audio, simulated, text, video};
use crate::recipe::{KINDS, Recipes, Words, specs};
use crate::recognise::Recogniser;
pub use build::Form;
pub(crate) use build::{Source, is_gguf, llama_config, manet_config, wavlm_config};
pub use encoders::{Encoders, needed};
pub use fusion::{Fusion, Lineage};
pub use language::LanguageModel;

/// The name of the fusion model in a bundle; the encoders are named by the recipes.
pub(crate) const FUSION: &str = "sdumc";
/// The name of the face detector in a bundle that has one.
pub(crate) const DETECTOR: &str = "yunet";

/// The name of the network that recognises words in a bundle that has one.
pub(crate) const RECOGNISER: &str = "whisper";

/// What is to be said of features that these networks of a bundle make: of all of them, then of recognised words.
pub fn caution(manifest: &Manifest, networks: &[&str]) -> Option<String> {
    let makers = networks.iter().copied().filter(|name| *name != RECOGNISER);
    let hears = networks.contains(&RECOGNISER);
    let words = caution_of_words(manifest).filter(|_| hears);
    let all = manifest.caution(makers).map(|caution| caution.text);
    let told: Vec<String> = all.into_iter().chain(words).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// What is to be said of recognised words, where what is said of the bundle does not say it of all numbers.
fn caution_of_words(manifest: &Manifest) -> Option<String> {
    let is_marked = manifest.trained && !manifest.is_trained(RECOGNISER);
    manifest.caution_of_words(RECOGNISER).filter(|_| is_marked).map(|caution| caution.text)
}

/// Everything that turns a clip into a valence.
pub struct Networks {
    /// Where they come from.
    pub bundle: Bundle,
    /// How the bundle wants each feature made.
    pub recipes: Recipes,
    /// Where they run.
    pub device: Device,
    /// Speech encoder.
    pub voice: audio::Encoder,
    /// Face encoder.
    pub face: video::Encoder,
    /// The language model as it reads words.
    pub words: text::Encoder,
    /// The language model as it writes down what a voice says.
    pub simulator: simulated::Encoder,
    /// Fusion model.
    pub sdumc: Sdumc,
    /// Where the fusion model comes from, and what it was trained on.
    pub lineage: Lineage,
    /// What recognises words, once it is asked for.
    pub recogniser: Option<Recogniser>,
    /// What finds faces.
    #[cfg(feature = "media")]
    pub finder: crate::finder::Finder,
}

impl Networks {
    /// Loads every network of `bundle` with the numbers that it states, each file verified. Files that are missing are
    /// listed all at once, with the commands that bring them.
    pub fn load(bundle: &Bundle, device: &Device) -> Result<Self, Error> {
        let recipes = Recipes::of(bundle)?;
        let encoders = needed(&recipes, &KINDS);
        bundle.require(encoders.into_iter().chain([FUSION])).map_err(with_fusion)?;
        if bundle.network(FUSION)?.dtype != Numbers::F32 {
            return Err(Error::Recipe { reason: format!("{FUSION} can only have dtype f32") });
        }
        let source = Source::of(bundle, FUSION, device)?;
        let lineage = Lineage::of_bundle(source.card().cloned());
        Self::judged_by(bundle, recipes, device, (source.sdumc()?, lineage))
    }

    /// As [`Self::load`], but with this fusion model instead of the bundle's, which need not be there.
    ///
    /// # Errors
    /// As there; [`crate::train::checkpoint::Error::Widths`] where it takes features of other widths than the bundle's.
    pub fn load_with(bundle: &Bundle, fusion: &Fusion, device: &Device) -> Result<Self, Error> {
        let recipes = Recipes::of(bundle)?;
        bundle.require(needed(&recipes, &KINDS))?;
        fusion.fits(bundle, &recipes)?;
        let judge = (fusion.network(device)?, Lineage::of_file(fusion));
        Self::judged_by(bundle, recipes, device, judge)
    }

    fn judged_by(
        bundle: &Bundle,
        recipes: Recipes,
        device: &Device,
        (sdumc, lineage): (Sdumc, Lineage),
    ) -> Result<Self, Error> {
        let mut loader = encoders::Loader::new(bundle, &recipes, device);
        let (voice, face) = (loader.voice()?, loader.face()?);
        let (words, simulator) = (loader.words()?, loader.simulator()?);
        #[cfg(feature = "media")]
        let finder = crate::finder::Finder::of(bundle, &recipes)?;
        Ok(Self {
            bundle: bundle.clone(),
            recipes,
            device: device.clone(),
            voice,
            face,
            words,
            simulator,
            sdumc,
            lineage,
            recogniser: None,
            #[cfg(feature = "media")]
            finder,
        })
    }

    /// The bundle's names of the networks that take part.
    pub fn names(&self) -> Vec<&str> {
        let mut names = needed(&self.recipes, &KINDS);
        names.push(FUSION);
        names.extend(self.recogniser.as_ref().map(|_| RECOGNISER));
        #[cfg(feature = "media")]
        if self.finder.is_of_bundle() {
            names.push(DETECTOR);
        }
        names
    }

    /// What is to be said of every number before anyone trusts it: that the bundle is untrained, or knows only a small world.
    pub fn caution(&self) -> Option<Caution> {
        let named = self.lineage.named.is_some();
        let judges = |name: &&str| *name != RECOGNISER && !(named && *name == FUSION);
        self.bundle.manifest().caution(self.names().into_iter().filter(judges))
    }

    /// What is to be said of recognised words, where [`Self::caution`] does not say it of all numbers.
    pub fn caution_of_words(&self) -> Option<String> {
        caution_of_words(self.recogniser.as_ref()?.bundle.manifest())
    }

    /// Holds the features that are made here against those that the fusion model was trained on, where it says what those
    /// were. What a user should know of the words is returned; the first comparison holds until [`Self::reconsider`].
    ///
    /// # Errors
    /// [`crate::train::checkpoint::Error::Recipes`] lists everything that differs; those of [`Self::specs`].
    pub fn compare(&self) -> Result<Option<&'static str>, Error> {
        self.lineage.compare(&self.bundle, || self.specs())
    }

    /// What is to be said of the way faces are found, where the fusion model learnt from another.
    ///
    /// # Errors
    /// Those of [`Self::specs`].
    pub fn other_faces(&self) -> Result<Option<String>, Error> {
        Ok(self.lineage.other_faces(&self.bundle, &self.specs()?))
    }

    /// Has [`Self::compare`] compare again: features are made otherwise from here on.
    pub fn reconsider(&mut self) {
        self.lineage.forget();
    }

    /// The recipe of every feature, as a cache that keeps all their digits keeps it.
    pub fn specs(&self) -> Result<Vec<FeatureSpec>, Error> {
        #[cfg(feature = "media")]
        let crops = self.finder.words();
        // Without media nothing finds faces here; what the bundle prefers stands for it.
        #[cfg(not(feature = "media"))]
        let crops = self.recipes.video.faces[0].clone();
        let mut recipes = self.recipes.clone();
        if self.recogniser.is_some() {
            recipes.text.words = Words::Recognised;
        }
        specs(&self.bundle, &recipes, &KINDS, &crops, "f32")
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
    } else if network == RECOGNISER {
        source.whisper().map(|_| ())
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
