//! Simulated text as a library.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use affekt_cache::Store;
use affekt_core::{FeatureKind, FeatureSpec, Reporter};
use affekt_pipelines::batch::{self, Outcome};
use affekt_pipelines::dataset::Row;
use affekt_pipelines::features::simulated::Encoder;
use affekt_pipelines::networks::{Encoders, needed};
use affekt_pipelines::recipe::{Recipes, SimulatedRecipe, simulated_spec};
use affekt_pipelines::simulate::{Plan, Settings, run, source};
use affekt_pipelines::{Error, device};
use affekt_weights::Bundle;
use candle_core::Device;

use crate::bundles;

/// Makes simulated text of the `speech` in a cache, by a bundle's recipe or a changed one.
///
/// ```no_run
/// # use std::path::Path;
/// # use affekt_pipelines::simulate::Settings;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = Path::new("cache");
/// let simulator = affekt::Simulator::open("tiny", "auto", |recipe| recipe.beams = 1)?;
/// let speech = simulator.speech(cache, None)?.ok_or("no speech")?;
/// let clips = affekt_pipelines::simulate::source::clips(cache, &speech)?;
/// let plan = simulator.plan(&clips, speech, cache, "f16", false)?;
/// let settings = Settings { generation: Default::default(), commit_every: 512, max_failures: None };
/// let encoders = simulator.load()?;
/// let outcome = simulator.run(&plan, &encoders, &settings, &false.into(), &affekt_core::Silent)?;
/// println!("{} clips, {} failed", outcome.counts.committed, outcome.counts.failed);
/// # Ok(())
/// # }
/// ```
pub struct Simulator {
    bundle: Bundle,
    recipes: Recipes,
    devices: Vec<Device>,
}

impl Simulator {
    /// By the bundle `models` (`tiny`, another known name, or a folder), on the devices of the list
    /// `devices` (`auto`, `cpu`, `cuda:INDEX`, `cuda:0,1`, `cuda:all`), with the bundle's recipe as `change` leaves it. Weights are not loaded yet.
    ///
    /// # Errors
    /// Those of the bundle and of its recipes; a recipe that cannot be followed.
    pub fn open(
        models: &str,
        devices: &str,
        change: impl FnOnce(&mut SimulatedRecipe),
    ) -> Result<Self, Error> {
        let devices = device::list(devices)?;
        let bundle = bundles::open(models)?;
        let mut recipes = Recipes::of(&bundle)?;
        change(&mut recipes.simulated);
        recipes.check()?;
        Ok(Self { bundle, recipes, devices })
    }

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The recipe.
    pub fn recipe(&self) -> &SimulatedRecipe {
        &self.recipes.simulated
    }

    /// The bundle's names of the networks that make the text.
    pub fn networks(&self) -> Vec<&str> {
        needed(&self.recipes, &[FeatureKind::Simulated])
    }

    /// What is to be said of the text before anyone trusts it: that the bundle is untrained, or knows only a small world.
    pub fn caution(&self) -> Option<String> {
        self.bundle.manifest().caution(self.networks()).map(|caution| caution.text)
    }

    /// Where networks run.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// The speech in `cache`, kept as `store` where that is given; `None` where there is none.
    ///
    /// # Errors
    /// See [`source::speech`].
    pub fn speech(&self, cache: &Path, store: Option<&str>) -> Result<Option<Store>, batch::Error> {
        source::speech(&self.bundle, &self.recipes, cache, store)
    }

    /// The recipe of text simulated from `speech`, kept as `store`.
    ///
    /// # Errors
    /// Those of the networks' configurations.
    pub fn spec(&self, speech: &Store, store: &str) -> Result<FeatureSpec, Error> {
        simulated_spec(&self.bundle, &self.recipes, &speech.spec().dtype, store)
    }

    /// What `cache` lacks of the clips of `rows`, each of which has a row in `speech`.
    ///
    /// # Errors
    /// See [`Plan::new`].
    pub fn plan(
        &self,
        rows: &[Row],
        speech: Store,
        cache: &Path,
        store: &str,
        retry_failed: bool,
    ) -> Result<Plan, batch::Error> {
        let spec = self.spec(&speech, store)?;
        Plan::new(rows, speech, cache, &spec, retry_failed)
    }

    /// Loads projector and language model, once for each device.
    ///
    /// # Errors
    /// Those of the weights.
    pub fn load(&self) -> Result<Vec<Encoder>, Error> {
        let features = [FeatureKind::Simulated];
        let encoders = Encoders::load_all(&self.bundle, &self.recipes, &features, &self.devices)?;
        Ok(encoders.into_iter().filter_map(|encoders| encoders.simulator).collect())
    }

    /// Makes what `plan` lacks.
    ///
    /// # Errors
    /// See [`run`].
    pub fn run(
        &self,
        plan: &Plan,
        encoders: &[Encoder],
        settings: &Settings,
        stop: &AtomicBool,
        reporter: &dyn Reporter,
    ) -> Result<Outcome, batch::Error> {
        run(plan, encoders, settings, stop, reporter)
    }
}
