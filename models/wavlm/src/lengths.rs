//! True lengths of the clips of a padded batch.

use candle_core::{Result, Tensor, bail};

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
