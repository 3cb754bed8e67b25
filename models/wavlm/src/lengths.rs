//! True lengths of the clips of a padded batch.

use candle_core::{DType, Device, Result, Tensor, bail};

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

/// Sets the padding of a waveform (b, n) to zero, whatever it holds.
pub(crate) fn silence_padding(waveform: &Tensor, lengths: &[usize]) -> Result<Tensor> {
    let samples = waveform.dim(1)?;
    if lengths.iter().all(|&length| length == samples) {
        return Ok(waveform.clone());
    }
    // A product with the mask would keep a NaN or an infinity.
    mask(lengths, samples, waveform.device())?.where_cond(waveform, &waveform.zeros_like()?)
}

/// The mask of frames, for products and attention; `None` where no frame is padding.
pub(crate) struct Padding {
    /// One at valid frames, zero at padded ones: (b, t, 1).
    pub valid: Tensor,
    /// Zero at valid keys, minus infinity at padded ones: (b, 1, 1, t).
    pub keys: Tensor,
}

impl Padding {
    /// From the number of valid frames of each clip.
    pub fn new(frames: &[usize], width: usize, dtype: DType, device: &Device) -> Result<Option<Self>> {
        if frames.iter().all(|&valid| valid == width) {
            return Ok(None);
        }
        let valid = mask(frames, width, device)?; // (b, t)
        let zero = Tensor::zeros(valid.shape(), dtype, device)?;
        let masked = Tensor::full(f32::NEG_INFINITY, valid.shape(), device)?.to_dtype(dtype)?;
        let keys = valid.where_cond(&zero, &masked)?.unsqueeze(1)?.unsqueeze(1)?; // (b, 1, 1, t)
        let valid = valid.to_dtype(dtype)?.unsqueeze(2)?; // (b, t, 1)
        Ok(Some(Self { valid, keys }))
    }
}
