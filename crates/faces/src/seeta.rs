//! The embedded detector: `rustface`, a Rust port of SeetaFace.
//!
//! Source: S. Wu et al., "Funnel-structured cascade for multi-view face detection with alignment awareness",
//! Neurocomputing 221 (2017). Model and port: BSD-2-Clause.

use affekt_core::RgbImage;
use rayon::prelude::*;
use rustface::{ImageData, Model};

use crate::resize::{preview, preview_part};
use crate::{Detection, Error, FaceDetector, Point, Rect};

const MODEL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/seeta.bin"));

/// Sliding windows of the detector are this wide, and so is the smallest face that it finds in a picture at hand.
const WINDOW: usize = 40;

/// Faces scored below are dropped. On talking heads the lowest score of a true face was 5.9; on 95 frames without a
/// face nothing reached 1.
const MIN_SCORE: f64 = 2.0;

/// Each step of the image pyramid is this much smaller than the one before.
const PYRAMID_STEP: f32 = 0.8;

/// Overlap (IoU) from which two boxes of different searches are one face.
const SAME_FACE: f32 = 0.3;

/// Side of the square that is searched for a face that is followed, in sides of its last box: a head that turns quickly
/// moves by half of its box between two searches.
const NEAR: f32 = 2.0;

/// Pixels to which that square is brought: the face then has about 64, and is found down to 40 and up to all of it. A
/// ninth of the pixels of a whole frame of 512 x 288.
const NEAR_SIDE: usize = 128;

/// Pictures longer than this many times their shorter side are reduced further, so that a panorama costs no more.
const MAX_ASPECT: usize = 4;

/// SeetaFace's frontal detector. Boxes are square: from the middle of the forehead to the chin, about 2.5 times the
/// distance between the eyes.
pub struct RustFace {
    model: Model,
    lines: usize,
    name: String,
}

impl RustFace {
    /// Lines to which video frames are brought: the shorter side, so that upright and lying pictures cost the same and
    /// the smallest face found is 14% of it. A talking head is larger, and a detection takes 9 to 31 ms of one core.
    pub const VIDEO_LINES: usize = 288;

    /// Lines for single pictures, whose faces may be small and which need no hurry: from 4% of the shorter side.
    pub const STILL_LINES: usize = 960;

    /// Loads the embedded model. Pictures are brought to `lines` pixels on their shorter side before detection, larger
    /// and smaller ones alike, so that what is found does not depend on the resolution. Beyond [`Self::VIDEO_LINES`]
    /// they are searched at that size first: the detector samples large faces in fine pictures so coarsely that it
    /// loses some.
    pub fn new(lines: usize) -> Result<Self, Error> {
        let name = format!("rustface-{}-{lines}", env!("RUSTFACE_VERSION"));
        match rustface::read_model(MODEL) {
            Ok(model) => Ok(Self { model, lines, name }),
            Err(source) => Err(Error::Model { detector: name, source }),
        }
    }

    fn find(&self, image: &RgbImage) -> Vec<Detection> {
        let mut faces = self.find_at(image, self.lines.min(Self::VIDEO_LINES));
        if self.lines > Self::VIDEO_LINES {
            for found in self.find_at(image, self.lines) {
                if faces.iter().all(|face| face.bbox.iou(&found.bbox) < SAME_FACE) {
                    faces.push(found);
                }
            }
        }
        faces.sort_by(|a, b| b.score.total_cmp(&a.score));
        faces
    }

    fn find_at(&self, image: &RgbImage, lines: usize) -> Vec<Detection> {
        let Some((width, height)) = working_size(image, lines) else { return Vec::new() };
        let back = image.width as f32 / width as f32;
        self.search(&preview(image, width, height), Point::default(), back)
    }

    /// The faces around each of the `places`, found twice where they overlap taken once.
    fn find_near(&self, image: &RgbImage, places: &[Rect]) -> Vec<Detection> {
        let mut found: Vec<Detection> =
            places.iter().flat_map(|place| self.find_around(image, place)).collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut faces: Vec<Detection> = Vec::with_capacity(found.len());
        for face in found {
            if faces.iter().all(|known| known.bbox.iou(&face.bbox) < SAME_FACE) {
                faces.push(face);
            }
        }
        faces
    }

    fn find_around(&self, image: &RgbImage, place: &Rect) -> Vec<Detection> {
        let (centre, side) = (place.centre(), place.width.max(place.height) * NEAR);
        let (left, top) = ((centre.x - side / 2.0).max(0.0), (centre.y - side / 2.0).max(0.0));
        let across = (centre.x + side / 2.0).min(image.width as f32) - left;
        let down = (centre.y + side / 2.0).min(image.height as f32) - top;
        let scale = NEAR_SIDE as f32 / side;
        let size = |pixels: f32| (pixels * scale).round() as usize;
        // A box beyond the picture, or of no size, leaves nothing to search.
        if !(across > 0.0 && down > 0.0 && scale.is_finite()) || size(across.min(down)) < WINDOW {
            return Vec::new();
        }
        let part = (f64::from(left), f64::from(top), f64::from(across), f64::from(down));
        let part = preview_part(image, part, size(across), size(down));
        self.search(&part, Point { x: left, y: top }, 1.0 / scale)
    }

    /// The faces of a reduced part of a picture that begins at `origin` and has `back` pixels of it to each of its own.
    fn search(&self, part: &RgbImage, origin: Point, back: f32) -> Vec<Detection> {
        let (width, height) = (part.width as u32, part.height as u32);
        let grey = grey(part); // (height, width)
        // The detector of the crate cannot change threads; the model can, and its copy takes a tenth of a millisecond.
        let mut detector = rustface::create_detector_with_model(self.model.clone());
        detector.set_score_thresh(MIN_SCORE);
        detector.set_pyramid_scale_factor(PYRAMID_STEP);
        let found = detector.detect(&ImageData::new(&grey, width, height));
        found.iter().map(|face| detection(face, origin, back)).collect()
    }
}

/// Size at which `image` is searched with `lines` on its shorter side; `None` where no window fits.
fn working_size(image: &RgbImage, lines: usize) -> Option<(usize, usize)> {
    let (short, long) = (image.width.min(image.height), image.width.max(image.height));
    if short == 0 {
        return None;
    }
    let scale = (lines as f64 / short as f64).min((MAX_ASPECT * lines) as f64 / long as f64);
    let size = |pixels: usize| (pixels as f64 * scale).round() as usize;
    Some((size(image.width), size(image.height))).filter(|&(width, height)| width.min(height) >= WINDOW)
}

impl FaceDetector for RustFace {
    fn name(&self) -> &str {
        &self.name
    }

    fn detect(&mut self, image: &RgbImage) -> Result<Vec<Detection>, Error> {
        Ok(self.find(image))
    }

    fn detect_batch(&mut self, images: &[&RgbImage]) -> Result<Vec<Vec<Detection>>, Error> {
        Ok(images.par_iter().map(|image| self.find(image)).collect())
    }

    fn detect_near(&mut self, images: &[&RgbImage], places: &[Rect]) -> Option<Vec<Vec<Detection>>> {
        Some(images.par_iter().map(|image| self.find_near(image, places)).collect())
    }
}

fn detection(face: &rustface::FaceInfo, origin: Point, back: f32) -> Detection {
    let found = face.bbox();
    let bbox = Rect::new(found.x() as f32, found.y() as f32, found.width() as f32, found.height() as f32);
    let Rect { x, y, width, height } = bbox.scaled(back);
    let bbox = Rect::new(x + origin.x, y + origin.y, width, height);
    Detection { bbox, score: face.score() as f32, landmarks: None }
}

/// Luma as in ITU-R BT.601, in 8-bit fixed point.
fn grey(image: &RgbImage) -> Vec<u8> {
    let luma = |[r, g, b]: &[u8; 3]| {
        let sum = 77 * u32::from(*r) + 150 * u32::from(*g) + 29 * u32::from(*b);
        ((sum + 128) >> 8) as u8
    };
    image.data.as_chunks().0.iter().map(luma).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detector() -> RustFace {
        RustFace::new(RustFace::VIDEO_LINES).unwrap()
    }

    #[test]
    fn the_name_says_version_and_size() {
        assert_eq!(detector().name(), "rustface-0.1.7-288");
    }

    #[test]
    fn odd_pictures_have_no_face_and_cause_no_panic() {
        let sizes = [(0, 0), (0, 5), (1, 1), (3, 4000), (39, 39), (40, 40), (5000, 2), (1153, 288)];
        for (width, height) in sizes {
            for value in [0, 128, 255] {
                let image = RgbImage { width, height, data: vec![value; 3 * width * height] };
                assert_eq!(detector().detect(&image).unwrap(), [], "{width}x{height} of {value}");
            }
        }
    }

    #[test]
    fn stripes_and_noise_cause_no_panic() {
        let mut state = 1u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let noisy = RgbImage { width: 400, height: 300, data: (0..400 * 300 * 3).map(|_| noise()).collect() };
        let stripes = (0..400 * 300 * 3).map(|at| if at / 6 % 2 == 0 { 0 } else { 255 }).collect();
        let striped = RgbImage { width: 400, height: 300, data: stripes };
        for image in [noisy, striped] {
            assert_eq!(detector().detect(&image).unwrap(), []);
        }
    }

    #[test]
    fn the_working_size_depends_on_the_shorter_side_only() {
        let size = |width, height| working_size(&RgbImage::black(width, height), 288);
        assert_eq!(size(1280, 720), Some((512, 288)));
        assert_eq!(size(720, 1280), Some((288, 512)));
        assert_eq!(size(64, 48), Some((384, 288)));
        assert_eq!(size(11_520, 720), Some((1152, 72)));
        assert_eq!(size(40_000, 20), None);
    }
}
