//! The face: crops -> MANet embeddings.

use affekt_core::{FeatureKind, RgbImage};
use affekt_manet::Manet;
use affekt_weights::Bundle;
use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::Width;
use super::frames::Resizers;
use crate::Error;
use crate::networks::Source;
use crate::recipe::Recipes;

/// Faces that go through the network at once: enough to fill the matrix products, few enough to stay in cache.
const BATCH: usize = 8;

/// MANet, and what the bundle wants of it.
pub struct Encoder {
    network: Manet,
    /// Side of the picture that the network sees, in pixels.
    side: usize,
    dtype: DType,
    device: Device,
    resizers: Resizers,
    width: Width,
}

impl Encoder {
    /// Loads the face encoder of `bundle`, verified.
    pub fn load(bundle: &Bundle, recipes: &Recipes, device: &Device) -> Result<Self, Error> {
        let name = &recipes.video.network;
        let (network, config) = Source::of(bundle, name, device)?.manet()?;
        Ok(Self {
            network,
            side: recipes.video.size,
            dtype: bundle.network(name)?.dtype.into(),
            device: device.clone(),
            resizers: Resizers::new(recipes.video.size, bundle.network(name)?.dtype.into(), device),
            width: Width::of(bundle, recipes, FeatureKind::Video, config.embedding())?,
        })
    }

    /// Numbers a row.
    pub fn width(&self) -> usize {
        self.width.numbers
    }

    /// Encodes one crop a frame: (frames, width), where a frame without a face keeps its place as a zero row. `None` when
    /// no frame has a face. `resize` brings a crop to the side that the network sees, where no card does it; `advanced` hears how many faces are
    /// done.
    ///
    /// # Errors
    /// [`Error::NotFinite`], and what the network and candle report.
    pub fn encode(
        &self,
        faces: &[Option<&RgbImage>],
        resize: impl Fn(&RgbImage, usize) -> RgbImage + Sync,
        mut advanced: impl FnMut(usize),
    ) -> Result<Option<Tensor>, Error> {
        let found: Vec<&RgbImage> = faces.iter().copied().flatten().collect();
        if found.is_empty() {
            return Ok(None);
        }
        let mut embeddings = Vec::with_capacity(found.len().div_ceil(BATCH) + 1);
        for batch in found.chunks(BATCH) {
            let images = self.images(batch, &resize)?; // (b, 3, side, side)
            embeddings.push(self.width.held(self.network.forward(&images)?.to_dtype(DType::F32)?)?); // (b, width)
            advanced(embeddings.len() * BATCH - (BATCH - batch.len()));
        }
        embeddings.push(Tensor::zeros((1, self.width()), DType::F32, &self.device)?);
        let embeddings = Tensor::cat(&embeddings, 0)?; // (faces + 1, width), the last row zero
        let mut next = 0..found.len() as u32;
        let row = |face: &Option<&RgbImage>| face.and_then(|_| next.next()).unwrap_or(found.len() as u32);
        let rows: Vec<u32> = faces.iter().map(row).collect();
        let rows = Tensor::new(rows, &self.device)?;
        Ok(Some(embeddings.index_select(&rows, 0)?)) // (frames, width)
    }

    /// (b, 3, side, side), RGB in 0 to 1.
    fn images(
        &self,
        batch: &[&RgbImage],
        resize: &(impl Fn(&RgbImage, usize) -> RgbImage + Sync),
    ) -> Result<Tensor, Error> {
        if let Some(images) = self.resizers.images(batch)? {
            return Ok(images);
        }
        let side = self.side;
        let pixels = side * side;
        let mut values = vec![0f32; batch.len() * 3 * pixels];
        values.par_chunks_exact_mut(3 * pixels).zip(batch).for_each(|(planes, face)| {
            let face = resize(face, side);
            for (channel, plane) in planes.chunks_exact_mut(pixels).enumerate() {
                for (value, pixel) in plane.iter_mut().zip(face.data.chunks_exact(3)) {
                    *value = f32::from(pixel[channel]) / 255.0;
                }
            }
        });
        let images = Tensor::from_vec(values, (batch.len(), 3, side, side), &self.device)?;
        Ok(images.to_dtype(self.dtype)?)
    }
}
