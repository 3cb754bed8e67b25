//! How numbers are kept.

use affekt_core::FeatureSpec;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::Dtype;

use crate::Error;

/// Storage type of the numbers of a feature; little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single.
    Bf16,
}

impl Number {
    /// The type that `spec` names.
    pub fn of(spec: &FeatureSpec) -> Result<Self, Error> {
        match spec.dtype.as_str() {
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            "bf16" => Ok(Self::Bf16),
            other => Err(Error::UnknownNumber(other.to_owned())),
        }
    }

    /// Bytes a number.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// `numbers` as they are kept, rounded to nearest where the type is narrower.
    pub fn encode(self, numbers: &[f32]) -> Vec<u8> {
        let numbers = numbers.iter();
        match self {
            Self::F32 => numbers.flat_map(|number| number.to_le_bytes()).collect(),
            Self::F16 => numbers.flat_map(|number| f16::from_f32(*number).to_le_bytes()).collect(),
            Self::Bf16 => numbers.flat_map(|number| bf16::from_f32(*number).to_le_bytes()).collect(),
        }
    }

    /// The numbers of `bytes`; bytes after the last whole number are left out.
    pub fn decode(self, bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
        bytes.chunks_exact(self.size()).map(move |chunk| match (self, chunk) {
            (Self::F16, &[a, b]) => f16::from_le_bytes([a, b]).to_f32(),
            (Self::Bf16, &[a, b]) => bf16::from_le_bytes([a, b]).to_f32(),
            (_, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            _ => unreachable!("chunks have the size of the type"),
        })
    }

    /// All numbers of `bytes`, as [`Self::decode`] gives them, by vector instructions where the processor has such.
    pub fn to_f32(self, bytes: &[u8]) -> Vec<f32> {
        let mut numbers = vec![0.0; bytes.len() / self.size()];
        self.decode_into(bytes, &mut numbers);
        numbers
    }

    /// [`Self::to_f32`] into `out`, as many numbers as both sides have.
    pub fn decode_into(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Self::F32 => {
                for (out, chunk) in out.iter_mut().zip(bytes.as_chunks().0) {
                    *out = f32::from_le_bytes(*chunk);
                }
            }
            Self::F16 => {
                widen(bytes, out, f16::from_le_bytes, |halves, out| halves.convert_to_f32_slice(out));
            }
            Self::Bf16 => {
                widen(bytes, out, bf16::from_le_bytes, |halves, out| halves.convert_to_f32_slice(out));
            }
        }
    }

    pub(crate) fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
            Self::Bf16 => Dtype::BF16,
        }
    }
}

/// Numbers that are widened together: few enough to stay in the nearest cache.
const BLOCK: usize = 1024;

/// Halves out of `bytes`, which need not be aligned, by way of a block that is.
fn widen<H: Copy + Default>(
    bytes: &[u8],
    out: &mut [f32],
    read: impl Fn([u8; 2]) -> H,
    convert: impl Fn(&[H], &mut [f32]),
) {
    let mut block = [H::default(); BLOCK];
    for (out, chunks) in out.chunks_mut(BLOCK).zip(bytes.as_chunks().0.chunks(BLOCK)) {
        let count = out.len().min(chunks.len());
        for (half, chunk) in block.iter_mut().zip(&chunks[..count]) {
            *half = read(*chunk);
        }
        convert(&block[..count], &mut out[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_in_each_type() {
        let numbers = [0.0, -1.5, 0.25, 1024.0];
        for number in [Number::F32, Number::F16, Number::Bf16] {
            let bytes = number.encode(&numbers);
            assert_eq!(bytes.len(), numbers.len() * number.size());
            assert_eq!(number.decode(&bytes).collect::<Vec<_>>(), numbers, "{number:?}");
            assert_eq!(number.to_f32(&bytes), numbers, "{number:?}");
        }
    }

    #[test]
    fn both_ways_to_decode_agree_bit_by_bit() {
        let every: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).chain([7]).collect();
        for number in [Number::F32, Number::F16, Number::Bf16] {
            let one_by_one = number.decode(&every);
            // A NaN may come back as another one.
            let same = |(a, b): (f32, &f32)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
            let together = number.to_f32(&every);
            assert_eq!(together.len(), every.len() / number.size());
            assert!(one_by_one.zip(&together).all(same), "{number:?}");
            let mut few = [9.0; 5];
            number.decode_into(&every[..3 * number.size() + 1], &mut few);
            assert!(few[..3].iter().zip(&together).all(|(a, b)| a.to_bits() == b.to_bits()), "{number:?}");
            assert_eq!(few[3..], [9.0, 9.0], "{number:?}");
        }
    }

    #[test]
    fn what_a_narrow_type_cannot_hold_becomes_infinite() {
        let bytes = Number::F16.encode(&[1e6]);
        assert_eq!(Number::F16.decode(&bytes).next(), Some(f32::INFINITY));
    }
}
