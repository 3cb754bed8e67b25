//! The main job as a library.

use std::path::Path;

use affekt_core::Reporter;
use affekt_pipelines::finder::Finder;
use affekt_pipelines::networks::Fusion;
use affekt_pipelines::predict::{Request, examine, predict};
use affekt_pipelines::recognise::Recogniser;
use affekt_pipelines::{Error, Networks, device};
use affekt_report::{Exhibit, Prediction};

use crate::bundles;

/// Loaded networks, ready to judge any number of recordings.
///
/// ```no_run
/// # fn main() -> Result<(), affekt::Error> {
/// let predictor = affekt::Predictor::load("tiny", "auto")?;
/// let prediction = predictor.predict(&"interview.mp4".into(), &affekt_core::Silent)?;
/// println!("{}", prediction.valence.without_text);
/// # Ok(())
/// # }
/// ```
pub struct Predictor {
    networks: Networks,
}

impl Predictor {
    /// Loads the bundle `models` (`tiny`, or a folder) on `device` (`auto`, `cpu`, `cuda:INDEX`).
    pub fn load(models: &str, device: &str) -> Result<Self, Error> {
        let device = device::named(device)?;
        let networks = Networks::load(&bundles::open(models)?, &device)?;
        Ok(Self { networks })
    }

    /// As [`Self::load`], but `fusion` judges in place of the bundle's fusion model, which need not be there.
    pub fn load_with(models: &str, fusion: &Fusion, device: &str) -> Result<Self, Error> {
        let device = device::named(device)?;
        let networks = Networks::load_with(&bundles::open(models)?, fusion, &device)?;
        Ok(Self { networks })
    }

    /// Finds faces by YuNet with the weights in this file instead of the bundle's detector.
    pub fn with_yunet(mut self, weights: &Path) -> Result<Self, Error> {
        self.networks.finder = Finder::by(weights, &self.networks.recipes)?;
        self.networks.reconsider();
        Ok(self)
    }

    /// Runs YuNet on this device (`auto`, `cpu`, `cuda:INDEX`).
    ///
    /// # Errors
    /// Those of [`Finder::on`].
    pub fn with_faces_on(mut self, device: &str) -> Result<Self, Error> {
        self.networks.finder = self.networks.finder.on(device)?;
        Ok(self)
    }

    /// Loads the bundle's network `whisper` as well: requests may then ask for recognised words.
    pub fn with_recogniser(mut self) -> Result<Self, Error> {
        self.networks.recogniser = Some(Recogniser::load(&self.networks.bundle, &self.networks.device)?);
        self.networks.reconsider();
        Ok(self)
    }

    /// Refuses to judge by a fusion model that was trained on features of other recipes, as [`Self::predict`] would, and
    /// says what differs.
    pub fn check(&self) -> Result<(), Error> {
        self.networks.compare().map(|_| ())
    }

    /// Whether `language`, a code such as `en`, is one that the recogniser knows; all are where none is loaded.
    pub fn knows(&self, language: &str) -> Result<(), Error> {
        self.networks.recogniser.as_ref().map_or(Ok(()), |recogniser| recogniser.knows(Some(language)))
    }

    /// Judges one recording; `reporter` hears how it goes.
    pub fn predict(&self, request: &Request, reporter: &dyn Reporter) -> Result<Prediction, Error> {
        predict(&self.networks, request, reporter)
    }

    /// The same with the material for the HTML page, `pictures` frames among it.
    pub fn examine(
        &self,
        request: &Request,
        pictures: usize,
        reporter: &dyn Reporter,
    ) -> Result<(Prediction, Exhibit), Error> {
        examine(&self.networks, request, pictures, reporter)
    }
}
