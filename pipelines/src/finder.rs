//! What finds faces: the detector that the bundle takes and whose weights are at hand.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use affekt_core::Digest;
use affekt_faces::{FaceDetector, Tracker};
use affekt_weights::Bundle;
use affekt_weights::bundle::Weights;

use crate::cut::Detector;
use crate::networks::DETECTOR;
use crate::recipe::Recipes;
use crate::{Error, device};

/// Detectors whose name begins so need weights.
const NEEDS_WEIGHTS: &str = "yunet";

/// Where detectors run unless they are told otherwise.
const CPU: &str = "cpu";

/// A detector, and how it finds faces.
pub struct Finder {
    order: Detector,
    detector: Mutex<Box<dyn FaceDetector>>,
    recipe: Vec<String>,
    weights: Option<Digest>,
    /// Whether the weights are the bundle's.
    of_bundle: bool,
}

impl Finder {
    /// The first way of the bundle's recipe whose detector is at hand: YuNet where the bundle has its weights, else the
    /// embedded one.
    ///
    /// # Errors
    /// [`Error::Recipe`] where this program has none of the ways; those of [`Bundle::require`] where nothing but weights
    /// is missing.
    pub fn of(bundle: &Bundle, recipes: &Recipes) -> Result<Self, Error> {
        let ways = &recipes.video.faces;
        let needs_weights = |way: &[String]| way[0].starts_with(NEEDS_WEIGHTS);
        let has_weights =
            bundle.manifest().networks.contains_key(DETECTOR) && bundle.missing([DETECTOR])?.is_empty();
        if !has_weights && ways.iter().all(|way| needs_weights(way)) {
            bundle.require([DETECTOR])?;
        }
        for way in ways.iter().filter(|way| has_weights || !needs_weights(way)) {
            let order = match needs_weights(way) {
                true => match bundle.weights(DETECTOR)? {
                    Weights::File(weights) | Weights::Sharded(weights) => yunet(weights),
                    // Workers, processes of their own, are told of files; no bundle of this program has them elsewhere.
                    Weights::Embedded { .. } => continue,
                },
                false => Detector::RustFace,
            };
            let finder = Self { of_bundle: needs_weights(way), ..Self::new(order)? };
            if finder.recipe == *way {
                return Ok(finder);
            }
        }
        Err(unknown(ways))
    }

    /// YuNet with the weights in the file `weights`, where the recipes take it.
    ///
    /// # Errors
    /// Those of reading the weights; [`Error::Recipe`] where the bundle takes no faces of YuNet.
    pub fn by(weights: &Path, recipes: &Recipes) -> Result<Self, Error> {
        let finder = Self::new(yunet(weights.into()))?;
        let ways = &recipes.video.faces;
        if ways.contains(&finder.recipe) { Ok(finder) } else { Err(unknown(ways)) }
    }

    /// The same, but YuNet runs on the device `name` (`auto`, `cpu`, `cuda:INDEX`). Sums come in another order there, so that what it
    /// finds differs in its last digits; the recipe stays.
    ///
    /// # Errors
    /// [`Error::Device`]: no such device, or one that the embedded detector cannot run on.
    pub fn on(self, name: &str) -> Result<Self, Error> {
        match &self.order {
            Detector::YuNet { weights, .. } => {
                let device = device::name(&device::named(name)?);
                let order = Detector::YuNet { weights: weights.clone(), device };
                Ok(Self { of_bundle: self.of_bundle, ..Self::new(order)? })
            }
            Detector::RustFace => embedded_on(name).map(|()| self),
        }
    }

    fn new(order: Detector) -> Result<Self, Error> {
        let detector = order.build()?;
        let (recipe, weights) = (Tracker::recipe(&*detector), detector.weights().cloned());
        Ok(Self { order, detector: Mutex::new(detector), recipe, weights, of_bundle: false })
    }

    /// Which detector it is, for a worker to build the same.
    pub fn order(&self) -> Detector {
        self.order.clone()
    }

    /// The detector, for as long as one recording takes.
    pub fn detector(&self) -> MutexGuard<'_, Box<dyn FaceDetector>> {
        // A detector keeps nothing from picture to picture that a panic could have left half done.
        self.detector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the detector's weights are a network of the bundle.
    pub fn is_of_bundle(&self) -> bool {
        self.of_bundle
    }

    /// Detector, tracking, crop and, where the detector has them, the digest of its weights: words for a feature spec.
    pub fn words(&self) -> Vec<String> {
        let weights = self.weights.as_ref().map(|digest| format!("detector weights {digest}"));
        self.recipe.iter().cloned().chain(weights).collect()
    }
}

/// YuNet on the CPU.
fn yunet(weights: PathBuf) -> Detector {
    Detector::YuNet { weights, device: CPU.into() }
}

/// Whether the embedded detector may be asked for on the device `name`: it runs on the CPU.
///
/// # Errors
/// [`Error::Device`].
pub fn embedded_on(name: &str) -> Result<(), Error> {
    if [CPU, "auto"].contains(&name) {
        return Ok(());
    }
    let reason = "the embedded face detector runs on the CPU; YuNet, which --yunet names, on both".into();
    Err(Error::Device { name: name.into(), reason })
}

/// Features of another recipe than the networks were made for would give wrong numbers silently.
fn unknown(ways: &[Vec<String>]) -> Error {
    let wanted = ways.iter().map(|way| way.join(", ")).collect::<Vec<_>>().join("; or by ");
    let reason =
        format!("the bundle wants faces by {wanted}, and this affekt has none of these ways at hand");
    Error::Recipe { reason }
}
