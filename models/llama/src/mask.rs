//! Positions that are padding.

use candle_core::{Result, Tensor};

/// `embeds` (b, t, width) with zeros where `padding` (b, t) has none: whatever stands in padding, NaN too, is
/// chosen away and not multiplied by zero.
pub(crate) fn without_padding(embeds: &Tensor, padding: Option<&Tensor>) -> Result<Tensor> {
    let Some(padding) = padding else { return Ok(embeds.clone()) };
    let (b, t, width) = embeds.dims3()?;
    let there = padding.ne(0u32)?.unsqueeze(2)?; // (b, t, 1)
    there.broadcast_as((b, t, width))?.where_cond(embeds, &embeds.zeros_like()?)
}
