//! From located bytes to a tensor.

use candle_core::{Device, Tensor, WithDType};
use half::{bf16, f16};
use safetensors::Dtype;

use super::{Bytes, Located};
use crate::Error;

/// Copies a tensor out of its file, which needs no more memory than the copy. Types that Candle lacks become the next
/// larger one that it has: truth values and bytes u8, i8 i16, u16 u32, u64 i64.
pub(super) fn tensor(bytes: &Bytes, at: &Located, device: &Device, origin: &str) -> Result<Tensor, Error> {
    macro_rules! read {
        ($from:ty, $into:ty) => {{
            let values = values(bytes, at, |raw| <$into>::from(<$from>::from_le_bytes(raw)));
            finish::<$into>(values, at, device)
        }};
    }
    match at.dtype {
        Dtype::F64 => read!(f64, f64),
        Dtype::F32 => read!(f32, f32),
        Dtype::F16 => read!(f16, f16),
        Dtype::BF16 => read!(bf16, bf16),
        Dtype::I64 => read!(i64, i64),
        Dtype::I32 => read!(i32, i32),
        Dtype::I16 => read!(i16, i16),
        Dtype::I8 => read!(i8, i16),
        Dtype::U8 | Dtype::BOOL => read!(u8, u8),
        Dtype::U16 => read!(u16, u32),
        Dtype::U32 => read!(u32, u32),
        // Past i64 these wrap; no network has such numbers.
        Dtype::U64 => finish::<i64>(values(bytes, at, i64::from_le_bytes), at, device),
        other => {
            let got = format!("of type {other:?}");
            let wanted = "of a type of 8 to 64 bits".to_owned();
            Err(Error::BadTensor { file: origin.to_owned(), name: at.name.clone(), got, wanted })
        }
    }
}

fn finish<T: WithDType>(values: Vec<T>, at: &Located, device: &Device) -> Result<Tensor, Error> {
    Ok(Tensor::from_vec(values, at.shape.as_slice(), device)?)
}

/// The elements, row by row.
fn values<T, const SIZE: usize>(bytes: &Bytes, at: &Located, convert: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
    let mut values = Vec::with_capacity(at.elements());
    each_block(bytes, at, SIZE, |block| values.extend(block.as_chunks().0.iter().map(|raw| convert(*raw))));
    values
}

/// Hands out the bytes of the elements in row-major order, block by block.
pub(super) fn each_block(bytes: &Bytes, at: &Located, size: usize, mut take: impl FnMut(&[u8])) {
    let range = at.offset..at.offset + at.len;
    let Some(strides) = &at.strides else {
        bytes.blocks(range, size).for_each(take);
        return;
    };
    let mut row = Vec::new();
    let mut place = vec![0; at.shape.len()];
    let (inner, step) = (at.shape.last().copied().unwrap_or(1), strides.last().copied().unwrap_or(1));
    for _ in 0..at.elements() / inner.max(1) {
        let start: usize = place.iter().zip(strides).map(|(place, stride)| place * stride).sum();
        for index in 0..inner {
            let from = at.offset + (start + index * step) * size;
            row.extend_from_slice(&bytes[from..from + size]);
            if row.len() >= super::bytes::BLOCK {
                take(&row);
                row.clear();
            }
        }
        advance(&mut place, &at.shape);
    }
    take(&row);
    bytes.give_back(range);
}

/// The next row: counts up all axes but the last.
fn advance(place: &mut [usize], shape: &[usize]) {
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        place[axis] += 1;
        if place[axis] < shape[axis] {
            return;
        }
        place[axis] = 0;
    }
}
