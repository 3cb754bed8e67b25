//! Crops on their way to a card: uploaded as bytes, a quarter of what a resized picture has at the least, and resized there.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use affekt_core::RgbImage;
use affekt_nn::frames::{Resize, takes};
use affekt_nn::staging::Staging;
use candle_core::{DType, Device, Tensor};

use crate::Error;

/// Makes a network's pictures on its device, where that is a card.
pub(super) struct Resizers {
    side: usize,
    dtype: DType,
    device: Device,
    staging: Staging,
    /// By width and height of the crops.
    known: Mutex<HashMap<(usize, usize), Resize>>,
}

impl Resizers {
    /// For pictures of `side` x `side` pixels.
    pub fn new(side: usize, dtype: DType, device: &Device) -> Self {
        let staging = Staging::new(device);
        Self { side, dtype, device: device.clone(), staging, known: Mutex::default() }
    }

    /// What the network sees of `faces`, (b, 3, side, side), from 0 to 1: the same numbers that the CPU makes. `None` where
    /// the CPU has to make them: for itself, and of crops without pixels.
    pub fn images(&self, faces: &[&RgbImage]) -> Result<Option<Tensor>, Error> {
        let empty = |face: &&RgbImage| face.width.min(face.height) == 0;
        if faces.is_empty() || faces.iter().any(empty) || !takes(self.dtype, &self.device)? {
            return Ok(None);
        }
        let size = |face: &RgbImage| (face.width, face.height);
        let runs = faces.chunk_by(|a, b| size(a) == size(b)).map(|run| {
            let (width, height) = size(run[0]);
            let bytes = self.upload(run, (width, height))?; // (b, height, width, 3)
            Ok::<_, Error>(self.resize((width, height))?.forward(&bytes, self.dtype)?)
        });
        let mut runs = runs.collect::<Result<Vec<_>, _>>()?;
        Ok(Some(if runs.len() == 1 { runs.remove(0) } else { Tensor::cat(&runs, 0)? }))
    }

    /// The bytes of crops of one size, none of it empty.
    fn upload(&self, faces: &[&RgbImage], (width, height): (usize, usize)) -> Result<Tensor, Error> {
        let bytes = 3 * width * height;
        if let Some(face) = faces.iter().find(|face| face.data.len() != bytes) {
            let reason = format!("{} bytes of a crop of {width} x {height} pixels", face.data.len());
            return Err(candle_core::Error::Msg(reason).into());
        }
        let fill = |numbers: &mut [u8]| {
            numbers.chunks_exact_mut(bytes).zip(faces).for_each(|(to, face)| to.copy_from_slice(&face.data));
        };
        Ok(self.staging.upload((faces.len(), height, width, 3), fill)?)
    }

    fn resize(&self, size: (usize, usize)) -> Result<Resize, Error> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(resize) = known.get(&size) {
            return Ok(resize.clone());
        }
        let resize = Resize::new(size, (self.side, self.side), &self.device)?;
        known.insert(size, resize.clone());
        Ok(resize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_of_several_sizes_keep_their_order() {
        let device = &Device::Cpu;
        let resizers = Resizers::new(4, DType::F32, device);
        let faces = [(2, 2, 10), (2, 2, 20), (3, 5, 30), (2, 2, 40)].map(|(width, height, value)| RgbImage {
            width,
            height,
            data: vec![value; 3 * width * height],
        });
        let images = resizers.images(&faces.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(images.is_some(), takes(DType::F32, device).unwrap());
        if let Some(images) = images {
            assert_eq!(images.dims(), [4, 3, 4, 4]);
            let first = images.narrow(2, 0, 1).unwrap().narrow(3, 0, 1).unwrap().narrow(1, 0, 1).unwrap();
            let want = [10., 20., 30., 40.].map(|value: f32| value / 255.0);
            assert_eq!(first.flatten_all().unwrap().to_vec1::<f32>().unwrap(), want);
        }
        let empty = RgbImage::black(0, 3);
        assert!(resizers.images(&[&empty]).unwrap().is_none() && resizers.images(&[]).unwrap().is_none());
    }
}
