//! Detectors by order: built once, and shared by the clips that are open at the same time.

use std::sync::{Mutex, PoisonError};

use affekt_core::{Digest, RgbImage};
use affekt_faces::{Detection, Error as FacesError, FaceDetector, Rect, RustFace, YuNet};
use affekt_weights::Checkpoint;
use candle_core::Device;

use super::Detector;
use crate::{Error, device};

impl Detector {
    /// The detector, with the settings for film.
    ///
    /// # Errors
    /// Those of opening the device and of reading the weights.
    pub fn build(&self) -> Result<Box<dyn FaceDetector>, Error> {
        Ok(match self {
            Self::RustFace => Box::new(RustFace::new(RustFace::VIDEO_LINES)?),
            Self::YuNet { weights, device } => {
                let device = device::named(device)?;
                Box::new(YuNet::load(&Checkpoint::open(weights)?, YuNet::VIDEO_SIDE, &device)?)
            }
        })
    }
}

/// A detector of several users, one after the other.
pub(super) struct Shared<'d> {
    detector: Mutex<&'d mut dyn FaceDetector>,
    name: String,
    weights: Option<Digest>,
    finds_landmarks: bool,
    card: Option<Device>,
}

impl<'d> Shared<'d> {
    pub(super) fn new(detector: &'d mut dyn FaceDetector) -> Self {
        let (name, weights) = (detector.name().to_owned(), detector.weights().cloned());
        let finds_landmarks = detector.finds_landmarks();
        let card = detector.card();
        Self { detector: Mutex::new(detector), name, weights, finds_landmarks, card }
    }
}

/// What one user of a shared detector has of it. Detectors keep nothing from picture to picture, so that none hears of
/// the others.
pub(super) struct User<'s, 'd>(pub &'s Shared<'d>);

impl User<'_, '_> {
    fn with<T>(&self, work: impl FnOnce(&mut dyn FaceDetector) -> T) -> T {
        work(&mut **self.0.detector.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl FaceDetector for User<'_, '_> {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn weights(&self) -> Option<&Digest> {
        self.0.weights.as_ref()
    }

    fn finds_landmarks(&self) -> bool {
        self.0.finds_landmarks
    }

    fn card(&self) -> Option<Device> {
        self.0.card.clone()
    }

    fn detect(&mut self, image: &RgbImage) -> Result<Vec<Detection>, FacesError> {
        self.with(|detector| detector.detect(image))
    }

    fn detect_batch(&mut self, images: &[&RgbImage]) -> Result<Vec<Vec<Detection>>, FacesError> {
        self.with(|detector| detector.detect_batch(images))
    }

    fn detect_near(&mut self, images: &[&RgbImage], places: &[Rect]) -> Option<Vec<Vec<Detection>>> {
        self.with(|detector| detector.detect_near(images, places))
    }
}
