//! The face: crops -> MANet embeddings.

use affekt_core::RgbImage;
use candle_core::{DType, Tensor};

use crate::{Error, Networks};

/// Faces that go through the network at once: enough to fill the matrix products, few enough to stay in cache.
const BATCH: usize = 8;

/// Encodes one picture a frame, square and of the recipe's size: (frames, width), where a frame without a face keeps
/// its place as a zero row. `None` when no frame has a face. `advanced` hears how many faces are done.
pub fn encode(
    networks: &Networks,
    faces: &[Option<RgbImage>],
    mut advanced: impl FnMut(usize),
) -> Result<Option<Tensor>, Error> {
    let found: Vec<&RgbImage> = faces.iter().flatten().collect();
    if found.is_empty() {
        return Ok(None);
    }
    let mut embeddings = Vec::with_capacity(found.len().div_ceil(BATCH) + 1);
    for batch in found.chunks(BATCH) {
        embeddings.push(networks.manet.forward(&images(networks, batch)?)?.to_dtype(DType::F32)?); // (b, width)
        advanced(embeddings.len() * BATCH - (BATCH - batch.len()));
    }
    let width = embeddings[0].dim(1)?;
    embeddings.push(Tensor::zeros((1, width), DType::F32, &networks.device)?);
    let embeddings = Tensor::cat(&embeddings, 0)?; // (faces + 1, width), the last row zero
    let mut next = 0..found.len() as u32;
    let row = |face: &Option<RgbImage>| face.as_ref().and_then(|_| next.next()).unwrap_or(found.len() as u32);
    let rows: Vec<u32> = faces.iter().map(row).collect();
    let rows = Tensor::new(rows, &networks.device)?;
    Ok(Some(embeddings.index_select(&rows, 0)?)) // (frames, width)
}

/// (b, 3, side, side), RGB in 0 to 1.
fn images(networks: &Networks, batch: &[&RgbImage]) -> Result<Tensor, Error> {
    let side = networks.recipes.video.size;
    let pixels: Vec<u8> = batch.iter().flat_map(|image| image.data.iter().copied()).collect();
    let pixels = Tensor::from_vec(pixels, (batch.len(), side, side, 3), &networks.device)?;
    let pixels = pixels.permute((0, 3, 1, 2))?.to_dtype(DType::F32)?.contiguous()?; // (b, 3, side, side)
    Ok((pixels / 255.0)?.to_dtype(networks.dtype(&networks.recipes.video.network)?)?)
}
