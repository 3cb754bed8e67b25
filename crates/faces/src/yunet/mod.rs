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

use std::borrow::Cow;

use affekt_core::{Digest, RgbImage};
use affekt_nn::conv2d::joins;
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
    /// Whether pictures go through the network together.
    together: bool,
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
    ///
    /// On a card pictures of one size go through the network together. Its sums come in another order there, so that what
    /// it finds differs in its last digits.
    pub fn load(checkpoint: &Checkpoint, longest: usize, device: &Device) -> Result<Self, Error> {
        let network = checkpoint.load(&names::KEYS, DType::F32, device, Network::load)?;
        let name = format!("yunet-n-{longest}");
        let together = joins(DType::F32, device)?;
        let weights = checkpoint.digest();
        Ok(Self { network, device: device.clone(), together, longest, name, weights })
    }

    fn find(&self, image: &RgbImage) -> Result<Vec<Detection>, Error> {
        let Some(seen) = self.seen(image) else { return Ok(Vec::new()) };
        Ok(self.find_in(&[&seen])?.pop().unwrap_or_default())
    }

    /// A picture of the size that the network sees; `None` for one without pixels.
    fn seen<'i>(&self, image: &'i RgbImage) -> Option<Seen<'i>> {
        if image.width.min(image.height) == 0 {
            return None;
        }
        let longer = image.width.max(image.height);
        if longer <= self.longest {
            return Some(Seen { image: Cow::Borrowed(image), back: (1.0, 1.0) });
        }
        let scale = self.longest as f64 / longer as f64;
        let size = |pixels: usize| ((pixels as f64 * scale).round() as usize).max(1);
        let (width, height) = (size(image.width), size(image.height));
        let back = (image.width as f32 / width as f32, image.height as f32 / height as f32);
        Some(Seen { image: Cow::Owned(preview(image, width, height)), back })
    }

    /// The faces of pictures of one size.
    fn find_in(&self, pictures: &[&Seen]) -> Result<Vec<Vec<Detection>>, Error> {
        let scales = self.network.forward(&padded(pictures, &self.device)?)?;
        let columns = [scales[0].dim(2)?, scales[1].dim(2)?, scales[2].dim(2)?];
        // One way back from a card for all three.
        let flat =
            scales.iter().map(|scale| scale.flatten_from(1)).collect::<candle_core::Result<Vec<_>>>()?;
        let widths = [flat[0].dim(1)?, flat[1].dim(1)?, flat[2].dim(1)?];
        let rows = Tensor::cat(&flat, 1)?.to_vec2::<f32>()?;
        let faces = |(row, seen): (&Vec<f32>, &&Seen)| {
            let (mut rest, mut found) = (row.as_slice(), Vec::new());
            for ((width, columns), stride) in widths.iter().zip(columns).zip(STRIDES) {
                let (scale, behind) = rest.split_at(*width);
                rest = behind;
                found.extend(decode::faces(scale, columns, stride));
            }
            let found = decode::distinct(found).into_iter();
            found.map(|face| if seen.back == (1.0, 1.0) { face } else { scaled(face, seen.back) }).collect()
        };
        Ok(rows.iter().zip(pictures).map(faces).collect())
    }

    /// As one by one, but pictures of one size go through the network together.
    fn find_together(&self, images: &[&RgbImage]) -> Result<Vec<Vec<Detection>>, Error> {
        let seen: Vec<Option<Seen>> = images.par_iter().map(|image| self.seen(image)).collect();
        let mut found = vec![Vec::new(); images.len()];
        let mut left: Vec<usize> = (0..images.len()).filter(|&at| seen[at].is_some()).collect();
        while let Some(&first) = left.first() {
            let size = |at: usize| seen[at].as_ref().map(|seen| (seen.image.width, seen.image.height));
            let (of_size, others): (Vec<_>, Vec<_>) =
                left.into_iter().partition(|&at| size(at) == size(first));
            left = others;
            for group in of_size.chunks(TOGETHER) {
                let pictures: Vec<&Seen> = group.iter().filter_map(|&at| seen[at].as_ref()).collect();
                group.iter().zip(self.find_in(&pictures)?).for_each(|(&at, faces)| found[at] = faces);
            }
        }
        Ok(found)
    }
}

/// Pictures that go through the network together on a card.
const TOGETHER: usize = 64;

/// A picture as the network sees it, and its pixels to one of it, across and down.
struct Seen<'i> {
    image: Cow<'i, RgbImage>,
    back: (f32, f32),
}

/// Pictures of one size as a tensor (b, height, width, 3), with black to their right and below up to multiples of
/// [`GRID`]. A quarter of the bytes goes to a card.
fn padded(pictures: &[&Seen], device: &Device) -> candle_core::Result<Tensor> {
    let size = pictures.first().map_or((0, 0), |seen| (seen.image.width, seen.image.height));
    let (width, height) = (size.0.next_multiple_of(GRID), size.1.next_multiple_of(GRID));
    let mut values = vec![0u8; pictures.len() * 3 * width * height];
    for (to, seen) in values.chunks_exact_mut(3 * width * height).zip(pictures) {
        for (to, from) in to.chunks_exact_mut(3 * width).zip(seen.image.data.chunks_exact(3 * size.0)) {
            to[..from.len()].copy_from_slice(from);
        }
    }
    let shape = (pictures.len(), height, width, 3);
    if device.is_cpu() {
        let values = values.into_iter().map(f32::from).collect::<Vec<_>>();
        return Tensor::from_vec(values, shape, device);
    }
    Tensor::from_vec(values, shape, device)?.to_dtype(DType::F32)
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

    fn card(&self) -> Option<Device> {
        self.together.then(|| self.device.clone())
    }

    fn detect(&mut self, image: &RgbImage) -> Result<Vec<Detection>, Error> {
        self.find(image)
    }

    fn detect_batch(&mut self, images: &[&RgbImage]) -> Result<Vec<Vec<Detection>>, Error> {
        match self.together {
            true => self.find_together(images),
            false => images.par_iter().map(|image| self.find(image)).collect(),
        }
    }
}
