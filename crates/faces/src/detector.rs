//! What a face detector is.

use affekt_core::{Digest, RgbImage};
use candle_core::Device;

use crate::{Error, Landmarks, Rect};

/// A face found in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Where, in pixels of the whole picture.
    pub bbox: Rect,
    /// How sure the detector is, on a scale of its own: comparable between faces that the same detector found.
    pub score: f32,
    /// Its landmarks, where the detector finds them.
    pub landmarks: Option<Landmarks>,
}

/// Finds faces in a picture.
pub trait FaceDetector: Send {
    /// Name, version and settings as one word, for the feature spec: results of equal names and weights are
    /// interchangeable.
    fn name(&self) -> &str;

    /// Digest of the weights, where they are a file and no part of the program.
    fn weights(&self) -> Option<&Digest> {
        None
    }

    /// Whether detections come with landmarks, so that faces can be aligned; no detection has any where this is false.
    fn finds_landmarks(&self) -> bool {
        false
    }

    /// The card that it runs on, where it does: the faces that it finds are turned there, too.
    fn card(&self) -> Option<Device> {
        None
    }

    /// All faces of a picture, best first. A picture without a face, or too small to hold one, has none; that is no
    /// error.
    fn detect(&mut self, image: &RgbImage) -> Result<Vec<Detection>, Error>;

    /// The faces of several pictures, in their order; the same as one by one, and quicker where the detector can share
    /// the work out.
    fn detect_batch(&mut self, images: &[&RgbImage]) -> Result<Vec<Vec<Detection>>, Error> {
        images.iter().map(|image| self.detect(image)).collect()
    }

    /// The faces of several pictures near the places where faces were a moment ago, best first; what is elsewhere may be
    /// missed. `None` from a detector that would gain nothing by knowing the places.
    fn detect_near(&mut self, _images: &[&RgbImage], _places: &[Rect]) -> Option<Vec<Vec<Detection>>> {
        None
    }
}
