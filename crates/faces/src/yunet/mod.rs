//! YuNet: a small convolutional detector with five landmarks.
//!
//! Source: W. Wu, H. Peng, S. Yu, "YuNet: a tiny millisecond-level face detector", Machine Intelligence Research 20
//! (2023); weights `yunet_n` of `libfacedetection.train` (Apache-2.0).
//!
//! | module | holds |
//! |---|---|
//! | [`names`] | names in the published files |
//! | [`model`] | the network |
//! | [`depthwise`] | its 3 x 3 convolutions |
//! | [`mod@halved`] | its maxima |
//! | [`decode`] | from its numbers to faces |

pub mod decode;
pub mod depthwise;
pub mod halved;
pub mod model;
pub mod names;

use affekt_core::{Digest, RgbImage};
use affekt_weights::Checkpoint;
use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use crate::resize::preview;
use crate::{Detection, Error, FaceDetector, Point};
use model::{Network, STRIDES};

/// The sides of what the network sees are multiples of its coarsest stride.
const GRID: usize = 32;

/// YuNet with weights at hand. Boxes reach from the hairline to the chin and from ear to ear.
pub struct YuNet {
    network: Network,
    device: Device,
    longest: usize,
    name: String,
    weights: Digest,
}

impl YuNet {
    /// Longest side of video frames as the network sees them: a face is found from about a thirtieth of it.
    pub const VIDEO_SIDE: usize = 320;

    /// The same for single pictures, whose faces may be small and which need no hurry.
    pub const STILL_SIDE: usize = 1024;

    /// Reads the weights: a published ONNX file, a PyTorch checkpoint, or safetensors made of either. Pictures with a
    /// side of more than `longest` pixels are reduced to it before detection; none is enlarged.
    pub fn load(checkpoint: &Checkpoint, longest: usize, device: &Device) -> Result<Self, Error> {
        let network = checkpoint.load(&names::KEYS, DType::F32, device, Network::load)?;
        let name = format!("yunet-n-{longest}");
        Ok(Self { network, device: device.clone(), longest, name, weights: checkpoint.digest() })
    }

    fn find(&self, image: &RgbImage) -> Result<Vec<Detection>, Error> {
        let longer = image.width.max(image.height);
        if image.width.min(image.height) == 0 {
            return Ok(Vec::new());
        }
        if longer <= self.longest {
            return self.find_in(image);
        }
        let scale = self.longest as f64 / longer as f64;
        let size = |pixels: usize| ((pixels as f64 * scale).round() as usize).max(1);
        let (width, height) = (size(image.width), size(image.height));
        let back = (image.width as f32 / width as f32, image.height as f32 / height as f32);
        let found = self.find_in(&preview(image, width, height))?;
        Ok(found.into_iter().map(|face| scaled(face, back)).collect())
    }

    /// The faces of a picture of the size at hand.
    fn find_in(&self, image: &RgbImage) -> Result<Vec<Detection>, Error> {
        let scales = self.network.forward(&padded(image, &self.device)?)?;
        let mut found = Vec::new();
        for (seen, stride) in scales.iter().zip(STRIDES) {
            let columns = seen.dim(2)?;
            found.extend(decode::faces(&seen.flatten_all()?.to_vec1::<f32>()?, columns, stride));
        }
        Ok(decode::distinct(found))
    }
}

/// The picture as a tensor (1, height, width, 3), with black to its right and below up to multiples of [`GRID`].
fn padded(image: &RgbImage, device: &Device) -> candle_core::Result<Tensor> {
    let (width, height) = (image.width.next_multiple_of(GRID), image.height.next_multiple_of(GRID));
    let mut values = vec![0f32; 3 * width * height];
    for (to, from) in values.chunks_exact_mut(3 * width).zip(image.data.chunks_exact(3 * image.width)) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = f32::from(from);
        }
    }
    Tensor::from_vec(values, (1, height, width, 3), device)
}

fn scaled(face: Detection, (across, down): (f32, f32)) -> Detection {
    let place = |point: Point| Point { x: point.x * across, y: point.y * down };
    let mut bbox = face.bbox;
    bbox.x *= across;
    bbox.width *= across;
    bbox.y *= down;
    bbox.height *= down;
    Detection { bbox, landmarks: face.landmarks.map(|points| points.map(place)), ..face }
}

impl FaceDetector for YuNet {
    fn name(&self) -> &str {
        &self.name
    }

    fn weights(&self) -> Option<&Digest> {
        Some(&self.weights)
    }

    fn finds_landmarks(&self) -> bool {
        true
    }

    fn detect(&mut self, image: &RgbImage) -> Result<Vec<Detection>, Error> {
        self.find(image)
    }

    fn detect_batch(&mut self, images: &[&RgbImage]) -> Result<Vec<Vec<Detection>>, Error> {
        images.par_iter().map(|image| self.find(image)).collect()
    }
}
