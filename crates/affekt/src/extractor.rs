//! Batch extraction as a library.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use affekt_core::{FeatureKind, FeatureSpec, Reporter};
use affekt_pipelines::cut::Detector;
use affekt_pipelines::dataset::Manifest;
use affekt_pipelines::extract::{self, Means, Outcome, Plan, Settings};
use affekt_pipelines::finder::Finder;
use affekt_pipelines::isolate::Program;
use affekt_pipelines::networks::{Encoders, needed};
use affekt_pipelines::recipe::{Recipes, Words, specs};
use affekt_pipelines::{Error, device, recognise};
use affekt_weights::Bundle;
use candle_core::Device;

use crate::bundles;

/// Makes the features of a dataset's clips by a bundle's recipes, into a cache.
///
/// ```no_run
/// # use std::path::Path;
/// # use affekt_core::FeatureKind;
/// # use affekt_pipelines::{dataset::{Manifest, Source}, extract::Settings, isolate::Program};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let source = Source { dataset: "mosei", root: Some(Path::new("MOSEI")), labels: None };
/// let manifest = Manifest::read(&source)?.sound()?;
/// let extractor = affekt::Extractor::open("tiny", "auto", &[FeatureKind::Audio, FeatureKind::Video], "f16")?;
/// let plan = extractor.plan(&manifest, Path::new("cache"), false)?;
/// // A program that answers as a worker when it is started with this argument: the `affekt` binary is one.
/// let program = Program { path: "affekt".into(), arguments: vec!["worker".into()] };
/// let settings = Settings { isolation: Default::default(), batch: None, decoder: Default::default(), generation: Default::default(), commit_every: 512, max_failures: Some(5.0) };
/// let encoders = extractor.load(&plan)?;
/// let outcome = extractor.run(&plan, &encoders, program, &settings, &false.into(), &affekt_core::Silent)?;
/// println!("{} clips, {} failed", outcome.counts.committed, outcome.counts.failed);
/// # Ok(())
/// # }
/// ```
pub struct Extractor {
    bundle: Bundle,
    recipes: Recipes,
    devices: Vec<Device>,
    finder: Finder,
    features: Vec<FeatureKind>,
    store: String,
}

impl Extractor {
    /// For `features` by the bundle `models` (`tiny`, another known name, or a folder), on the devices of
    /// the list `devices` (`auto`, `cpu`, `cuda:INDEX`, `cuda:0,1`, `cuda:all`), kept as `store` (`f32`, `f16`, `bf16`). Weights are not loaded yet.
    ///
    /// # Errors
    /// Those of the bundle and of its recipes.
    pub fn open(models: &str, devices: &str, features: &[FeatureKind], store: &str) -> Result<Self, Error> {
        let devices = device::list(devices)?;
        let bundle = bundles::open(models)?;
        let recipes = Recipes::of(&bundle)?;
        let finder = Finder::of(&bundle, &recipes)?;
        Ok(Self { bundle, recipes, devices, finder, features: features.to_vec(), store: store.into() })
    }

    /// Finds faces by YuNet with the weights in this file instead of the bundle's detector.
    ///
    /// # Errors
    /// Those of [`Finder::by`].
    pub fn with_yunet(mut self, weights: &Path) -> Result<Self, Error> {
        self.finder = Finder::by(weights, &self.recipes)?;
        Ok(self)
    }

    /// Runs YuNet on this device (`auto`, `cpu`, `cuda:INDEX`): each process that decodes has memory of the card of its own
    /// then.
    ///
    /// # Errors
    /// Those of [`Finder::on`].
    pub fn with_faces_on(mut self, device: &str) -> Result<Self, Error> {
        self.finder = self.finder.on(device)?;
        Ok(self)
    }

    /// Has the words of clips recognised, all of them or where there is no transcript, in `language` (a code such as `en`) or
    /// in the one that each seems to be in.
    ///
    /// # Errors
    /// [`Error::NoRecogniser`] where the bundle cannot.
    pub fn with_words(mut self, words: Words, language: Option<&str>) -> Result<Self, Error> {
        if words != Words::Given {
            recognise::recipe(&self.bundle, language)?;
        }
        self.recipes.text.words = words;
        self.recipes.text.language = language.map(str::to_lowercase);
        Ok(self)
    }

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The bundle's names of the networks that make the features.
    pub fn networks(&self) -> Vec<&str> {
        needed(&self.recipes, &self.features)
    }

    /// Where networks run.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// What finds faces, and on which device.
    pub fn detector(&self) -> Detector {
        self.finder.order()
    }

    /// The recipe of each feature.
    ///
    /// # Errors
    /// Those of the networks' configurations.
    pub fn specs(&self) -> Result<Vec<FeatureSpec>, Error> {
        specs(&self.bundle, &self.recipes, &self.features, &self.finder.words(), &self.store)
    }

    /// What `cache` lacks of the clips of `manifest`.
    ///
    /// # Errors
    /// See [`Plan::new`].
    pub fn plan(
        &self,
        manifest: &Manifest,
        cache: &Path,
        retry_failed: bool,
    ) -> Result<Plan, extract::Error> {
        Plan::new(manifest, cache, &self.specs()?, self.recipes.text.words, retry_failed)
    }

    /// Loads the networks that `plan` needs, once for each device.
    ///
    /// # Errors
    /// Those of the weights.
    pub fn load(&self, plan: &Plan) -> Result<Vec<Encoders>, Error> {
        Encoders::load_all(&self.bundle, &self.recipes, &plan.lacking(), &self.devices)
    }

    /// Makes what `plan` lacks.
    ///
    /// # Errors
    /// See [`extract::run`].
    pub fn run(
        &self,
        plan: &Plan,
        encoders: &[Encoders],
        program: Program,
        settings: &Settings,
        stop: &AtomicBool,
        reporter: &dyn Reporter,
    ) -> Result<Outcome, extract::Error> {
        let means = Means { encoders, detector: &self.finder.order(), program };
        extract::run(plan, &means, settings, stop, reporter)
    }
}
