//! The main job as a library.

use affekt_core::Reporter;
use affekt_pipelines::predict::{Request, predict};
use affekt_pipelines::{Error, Networks, device};
use affekt_report::Prediction;

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

    /// Judges one recording; `reporter` hears how it goes.
    pub fn predict(&self, request: &Request, reporter: &dyn Reporter) -> Result<Prediction, Error> {
        predict(&self.networks, request, reporter)
    }
}
