//! Which positions may attend to which.

use candle_core::{DType, Result, Tensor};

/// What is added to the scores of `t` positions: 0 where a position may attend, and the lowest f32 where it may not:
/// (1 or b, 1, t, t)
///
/// `padding` (b, t) is 1 for positions that are there. A padded position has nothing to attend to: the finite lowest value
/// then makes its weights equal instead of NaN, as in the reference; what comes of it means nothing.
pub(crate) fn additive(padding: Option<&Tensor>, like: &Tensor) -> Result<Tensor> {
    let (b, t, _) = like.dims3()?;
    let rows = match padding {
        Some(padding) if padding.dims() == [b, t] => padding.to_dtype(DType::F32)?.to_vec2::<f32>()?,
        Some(padding) => candle_core::bail!("attention mask is {:?}, wanted ({b}, {t})", padding.dims()),
        None => vec![vec![1.0; t]],
    };
    let may_attend = |row: &[f32], query: usize, key: usize| key <= query && row[key] != 0.0;
    let mut mask = Vec::with_capacity(rows.len() * t * t);
    for row in &rows {
        for query in 0..t {
            mask.extend((0..t).map(|key| if may_attend(row, query, key) { 0.0 } else { f32::MIN }));
        }
    }
    Tensor::from_vec(mask, (rows.len(), 1, t, t), like.device())
}

/// `embeds` (b, t, width) with zeros where `padding` (b, t) has none: whatever stands in padding, NaN too, is
/// chosen away and not multiplied by zero.
pub(crate) fn without_padding(embeds: &Tensor, padding: Option<&Tensor>) -> Result<Tensor> {
    let Some(padding) = padding else { return Ok(embeds.clone()) };
    let (b, t, width) = embeds.dims3()?;
    let there = padding.ne(0u32)?.unsqueeze(2)?; // (b, t, 1)
    there.broadcast_as((b, t, width))?.where_cond(embeds, &embeds.zeros_like()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn positions_see_the_past_and_themselves() {
        let like = Tensor::zeros((1, 2, 8), DType::F32, &Device::Cpu).unwrap();
        let mask = additive(None, &like).unwrap();
        let rows: Vec<Vec<f32>> = mask.squeeze(0).unwrap().squeeze(0).unwrap().to_vec2().unwrap();
        assert_eq!(rows, [[0.0, f32::MIN], [0.0, 0.0]]);
    }

    #[test]
    fn a_mask_of_another_size_is_refused() {
        let like = Tensor::zeros((2, 2, 8), DType::F32, &Device::Cpu).unwrap();
        let padding = Tensor::ones((2, 3), DType::I64, &Device::Cpu).unwrap();
        assert!(additive(Some(&padding), &like).is_err());
    }
}
