//! True lengths of the clips of a padded batch.

use candle_core::{Device, Result, Tensor, bail};

/// True lengths in samples: those given, checked against the waveform (b, n), or n for all.
pub(crate) fn resolve(waveform: &Tensor, lengths: Option<&[usize]>) -> Result<Vec<usize>> {
    let (batch, samples) = waveform.dims2()?;
    let Some(lengths) = lengths else {
        return Ok(vec![samples; batch]);
    };
    if lengths.len() != batch {
        bail!("{} lengths for a batch of {batch} clips", lengths.len());
    }
    if let Some(length) = lengths.iter().find(|&&length| length > samples) {
        bail!("a clip of {length} samples in a batch that is {samples} samples wide");
    }
    Ok(lengths.to_vec())
}

/// Ones at the valid places and zeros at the padded ones: (b, width), of type u8.
pub(crate) fn mask(lengths: &[usize], width: usize, device: &Device) -> Result<Tensor> {
    let valid = lengths.iter().flat_map(|&length| (0..width).map(move |at| u8::from(at < length)));
    Tensor::from_vec(valid.collect(), (lengths.len(), width), device)
}

/// Sets the padding of a batch (b, width) or (b, width, c) to zero, whatever it holds.
pub(crate) fn silence_padding(x: &Tensor, lengths: &[usize]) -> Result<Tensor> {
    let width = x.dim(1)?;
    if lengths.iter().all(|&length| length == width) {
        return Ok(x.clone());
    }
    let valid = mask(lengths, width, x.device())?; // (b, width)
    let valid = if x.rank() == 3 { valid.unsqueeze(2)? } else { valid };
    // A product with the mask would keep a NaN or an infinity.
    valid.broadcast_as(x.shape())?.where_cond(x, &x.zeros_like()?)
}
