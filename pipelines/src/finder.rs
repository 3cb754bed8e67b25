//! What finds faces: the detector that the bundle takes and whose weights are at hand.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use affekt_core::Digest;
use affekt_faces::{FaceDetector, RustFace, Tracker, YuNet};
use affekt_weights::{Bundle, Checkpoint};
use candle_core::Device;

use crate::Error;
use crate::networks::{DETECTOR, Source};
use crate::recipe::Recipes;

/// Detectors whose name begins so need weights.
const NEEDS_WEIGHTS: &str = "yunet";

/// A detector, and how it finds faces.
pub struct Finder {
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
            let finder = if needs_weights(way) {
                let source = Source::of(bundle, DETECTOR, &Device::Cpu)?;
                Self { of_bundle: true, ..Self::yunet(source.checkpoint()?)? }
            } else {
                Self::new(Box::new(RustFace::new(RustFace::VIDEO_LINES)?))
            };
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
        let checkpoint = Checkpoint::open(weights)?;
        let finder = Self::yunet(&checkpoint)?;
        let ways = &recipes.video.faces;
        if ways.contains(&finder.recipe) { Ok(finder) } else { Err(unknown(ways)) }
    }

    fn yunet(checkpoint: &Checkpoint) -> Result<Self, Error> {
        Ok(Self::new(Box::new(YuNet::load(checkpoint, YuNet::VIDEO_SIDE, &Device::Cpu)?)))
    }

    fn new(detector: Box<dyn FaceDetector>) -> Self {
        let (recipe, weights) = (Tracker::recipe(&*detector), detector.weights().cloned());
        Self { detector: Mutex::new(detector), recipe, weights, of_bundle: false }
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

/// Features of another recipe than the networks were made for would give wrong numbers silently.
fn unknown(ways: &[Vec<String>]) -> Error {
    let wanted = ways.iter().map(|way| way.join(", ")).collect::<Vec<_>>().join("; or by ");
    let reason =
        format!("the bundle wants faces by {wanted}, and this affekt has none of these ways at hand");
    Error::Recipe { reason }
}
