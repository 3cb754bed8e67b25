//! The face: crops -> MANet embeddings.

use affekt_core::{FeatureKind, RgbImage};
use affekt_manet::Manet;
use affekt_nn::device;
use affekt_weights::Bundle;
use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::Width;
use super::frames::Resizers;
use crate::Error;
use crate::fitting::{self, Limit};
use crate::networks::Source;
use crate::recipe::Recipes;

/// Faces that go through the network at once on a CPU: enough to fill the matrix products, few enough to stay in cache.
const BATCH: usize = 8;
/// The same on a card, where its memory holds them: launches are few beside the work of each.
const CARD_BATCH: usize = 256;
/// Bytes that a face of 224 x 224 takes on a card, in f32, generously: six maps of 64 channels at half the side.
const CARD_FACE: f64 = 24e6;

/// MANet, and what the bundle wants of it.
pub struct Encoder {
    network: Manet,
    /// Side of the picture that the network sees, in pixels.
    side: usize,
    dtype: DType,
    device: Device,
    /// Faces that go through the network at once.
    limit: Limit,
    resizers: Resizers,
    width: Width,
}

impl Encoder {
    /// Loads the face encoder of `bundle`, verified.
    pub fn load(bundle: &Bundle, recipes: &Recipes, device: &Device) -> Result<Self, Error> {
        let name = &recipes.video.network;
        let (network, config) = Source::of(bundle, name, device)?.manet()?;
        let (side, dtype) = (recipes.video.size, bundle.network(name)?.dtype.into());
        Ok(Self {
            network,
            side,
            dtype,
            device: device.clone(),
            limit: Limit::new(batch(device, side, dtype)?),
            resizers: Resizers::new(side, dtype, device),
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
        let zero = Tensor::zeros((1, self.width()), DType::F32, &self.device)?;
        let embeddings = Tensor::cat(&[self.embed(&found, resize, &mut advanced)?, zero], 0)?; // (faces + 1, width)
        let mut next = 0..found.len() as u32;
        let row = |face: &Option<&RgbImage>| face.and_then(|_| next.next()).unwrap_or(found.len() as u32);
        let rows: Vec<u32> = faces.iter().map(row).collect();
        let rows = Tensor::new(rows, &self.device)?;
        Ok(Some(embeddings.index_select(&rows, 0)?)) // (frames, width)
    }

    /// Embeds faces, one of them or more, of however many clips: (faces, width). Where the memory of a card does not hold a
    /// batch, smaller ones are made from then on.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub fn embed(
        &self,
        faces: &[&RgbImage],
        resize: impl Fn(&RgbImage, usize) -> RgbImage + Sync,
        mut advanced: impl FnMut(usize),
    ) -> Result<Tensor, Error> {
        let mut done = 0;
        let attempt = |batch: &[&RgbImage]| {
            let images = self.images(batch, &resize)?; // (b, 3, side, side)
            let embeddings = self.width.held(self.network.forward(&images)?.to_dtype(DType::F32)?)?; // (b, width)
            done += batch.len();
            advanced(done);
            Ok(embeddings)
        };
        let makes_room = |error: &Error| error.makes_room(&self.device);
        let batches = fitting::run(faces, &self.limit, <[_]>::len, makes_room, attempt);
        let batches = batches.into_iter().map(|(_, embeddings)| embeddings).collect::<Result<Vec<_>, _>>();
        Ok(Tensor::cat(&batches.map_err(|error| error.explained(&self.device, "a face", None))?, 0)?)
    }

    /// Faces that go through the network at once.
    pub fn limit(&self) -> &Limit {
        &self.limit
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

/// Faces that go through the network at once, at first.
fn batch(device: &Device, side: usize, dtype: DType) -> Result<usize, Error> {
    let Some(card) = device::card(device)? else { return Ok(BATCH) };
    let face = CARD_FACE * (side as f64 / 224.0).powi(2) * dtype.size_in_bytes() as f64 / 4.0;
    // The other half is for the other networks.
    let fit = (card.memory.free as f64 / 2.0 / face) as usize;
    Ok(fit.clamp(BATCH, CARD_BATCH))
}
