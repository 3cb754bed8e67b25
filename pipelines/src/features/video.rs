//! The face: crops -> MANet embeddings.

use affekt_core::RgbImage;
use candle_core::{DType, Tensor};
use rayon::prelude::*;

use crate::{Error, Networks};

/// Faces that go through the network at once: enough to fill the matrix products, few enough to stay in cache.
const BATCH: usize = 8;

/// Encodes one crop a frame: (frames, width), where a frame without a face keeps its place as a zero row. `None` when no
/// frame has a face. `resize` brings a crop to the side that the network sees; `advanced` hears how many faces are done.
pub fn encode(
    networks: &Networks,
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
        let images = images(networks, batch, &resize)?; // (b, 3, side, side)
        embeddings.push(networks.manet.forward(&images)?.to_dtype(DType::F32)?); // (b, width)
        advanced(embeddings.len() * BATCH - (BATCH - batch.len()));
    }
    let width = embeddings[0].dim(1)?;
    embeddings.push(Tensor::zeros((1, width), DType::F32, &networks.device)?);
    let embeddings = Tensor::cat(&embeddings, 0)?; // (faces + 1, width), the last row zero
    let mut next = 0..found.len() as u32;
    let row = |face: &Option<&RgbImage>| face.and_then(|_| next.next()).unwrap_or(found.len() as u32);
    let rows: Vec<u32> = faces.iter().map(row).collect();
    let rows = Tensor::new(rows, &networks.device)?;
    Ok(Some(embeddings.index_select(&rows, 0)?)) // (frames, width)
}

/// (b, 3, side, side), RGB in 0 to 1.
fn images(
    networks: &Networks,
    batch: &[&RgbImage],
    resize: &(impl Fn(&RgbImage, usize) -> RgbImage + Sync),
) -> Result<Tensor, Error> {
    let side = networks.recipes.video.size;
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
    let images = Tensor::from_vec(values, (batch.len(), 3, side, side), &networks.device)?;
    Ok(images.to_dtype(networks.dtype(&networks.recipes.video.network)?)?)
}
