//! The block formats of GGUF files, and how their numbers are restored.
//!
//! A block holds 32 numbers (256 in the K formats) as small integers, and what scales them.

use candle_core::quantized::GgmlDType;
use half::{bf16, f16};

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    F32,
    F16,
    Bf16,
    Q4_0,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
}

impl Format {
    pub fn of(dtype: GgmlDType) -> Option<Self> {
        Some(match dtype {
            GgmlDType::F32 => Self::F32,
            GgmlDType::F16 => Self::F16,
            GgmlDType::BF16 => Self::Bf16,
            GgmlDType::Q4_0 => Self::Q4_0,
            GgmlDType::Q8_0 => Self::Q8_0,
            GgmlDType::Q4K => Self::Q4K,
            GgmlDType::Q5K => Self::Q5K,
            GgmlDType::Q6K => Self::Q6K,
            _ => return None,
        })
    }

    /// Numbers of a block, and its bytes.
    fn sizes(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::Bf16 => (1, 2),
            Self::Q4_0 => (32, 2 + 16),
            Self::Q8_0 => (32, 2 + 32),
            Self::Q4K => (256, 4 + 12 + 128),
            Self::Q5K => (256, 4 + 12 + 32 + 128),
            Self::Q6K => (256, 128 + 64 + 16 + 2),
        }
    }

    /// Numbers of a block.
    pub fn block(self) -> usize {
        self.sizes().0
    }

    /// Bytes of so many numbers, a multiple of a block's.
    pub fn bytes(self, numbers: usize) -> usize {
        let (block, bytes) = self.sizes();
        numbers / block * bytes
    }

    /// Restores the numbers of whole blocks.
    #[inline(always)]
    pub fn restore(self, bytes: &[u8], numbers: &mut [f32]) {
        match self {
            Self::F32 => each(bytes, numbers, |bytes: &[u8; 4], numbers: &mut [f32; 1]| {
                numbers[0] = f32::from_le_bytes(*bytes);
            }),
            Self::F16 => each(bytes, numbers, |bytes: &[u8; 2], numbers: &mut [f32; 1]| {
                numbers[0] = f16_bits(u16::from_le_bytes(*bytes));
            }),
            Self::Bf16 => each(bytes, numbers, |bytes: &[u8; 2], numbers: &mut [f32; 1]| {
                numbers[0] = bf16::from_le_bytes(*bytes).to_f32();
            }),
            Self::Q4_0 => each(bytes, numbers, q4_0),
            Self::Q8_0 => each(bytes, numbers, q8_0),
            Self::Q4K => each(bytes, numbers, q4k),
            Self::Q5K => each(bytes, numbers, q5k),
            Self::Q6K => each(bytes, numbers, q6k),
        }
    }
}

/// f16 to f32 in a form for vector loops: the exponent is moved by a multiplication, which is exact, and which restores
/// subnormal numbers, too.
#[inline(always)]
fn f16_bits(bits: u16) -> f32 {
    let bits = u32::from(bits);
    let magnitude = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits((254 - 15) << 23);
    // Infinity and NaN keep all bits of their exponent.
    let special = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(magnitude.to_bits() | special | (bits & 0x8000) << 16)
}

#[inline(always)]
pub(super) fn each<const B: usize, const N: usize>(
    bytes: &[u8],
    numbers: &mut [f32],
    restore: impl Fn(&[u8; B], &mut [f32; N]),
) {
    for (bytes, numbers) in bytes.as_chunks::<B>().0.iter().zip(numbers.as_chunks_mut::<N>().0) {
        restore(bytes, numbers);
    }
}

#[inline(always)]
fn scale(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// Scale, then 16 bytes with two numbers each, from -8 to 7.
#[inline(always)]
fn q4_0(block: &[u8; 18], numbers: &mut [f32; 32]) {
    let d = scale(block, 0);
    for (at, &pair) in block[2..].iter().enumerate() {
        numbers[at] = d * (f32::from(pair & 15) - 8.0);
        numbers[at + 16] = d * (f32::from(pair >> 4) - 8.0);
    }
}

/// Scale, then a signed byte a number.
#[inline(always)]
fn q8_0(block: &[u8; 34], numbers: &mut [f32; 32]) {
    let d = scale(block, 0);
    for (number, &q) in numbers.iter_mut().zip(&block[2..]) {
        *number = d * (q as i8) as f32;
    }
}

/// Scales and minima of the 8 parts of a Q4_K or Q5_K block, as integers of 6 bits.
#[inline(always)]
pub(super) fn packed<const B: usize>(block: &[u8; B]) -> ([u8; 8], [u8; 8]) {
    // Four bytes at a time: six low bits of the first parts; of the others four bits each, and the two that are left.
    let four = |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    let (first, second, third) = (four(4), four(8), four(12));
    let eight = |own: u32, low: u32| {
        let high = (low & 0x0f0f_0f0f) | (own >> 2 & 0x3030_3030);
        (u64::from(own & 0x3f3f_3f3f) | u64::from(high) << 32).to_le_bytes()
    };
    (eight(first, third), eight(second, third >> 4))
}

/// The same as numbers.
#[inline(always)]
fn scales_and_minima<const B: usize>(block: &[u8; B]) -> ([f32; 8], [f32; 8]) {
    let (scales, minima) = packed(block);
    let by = |factor: f32, parts: [u8; 8]| parts.map(|part| factor * f32::from(part));
    (by(scale(block, 0), scales), by(scale(block, 2), minima))
}

/// Two scales, 8 scales and minima of 32 numbers each, then 128 bytes with two numbers each.
#[inline(always)]
fn q4k(block: &[u8; 144], numbers: &mut [f32; 256]) {
    let (scales, minima) = scales_and_minima(block);
    for (chunk, (numbers, pairs)) in
        numbers.chunks_exact_mut(64).zip(block[16..].chunks_exact(32)).enumerate()
    {
        let (low, high) = numbers.split_at_mut(32);
        let (s, m) = (scales[2 * chunk], minima[2 * chunk]);
        low.iter_mut().zip(pairs).for_each(|(number, &pair)| *number = s * f32::from(pair & 15) - m);
        let (s, m) = (scales[2 * chunk + 1], minima[2 * chunk + 1]);
        high.iter_mut().zip(pairs).for_each(|(number, &pair)| *number = s * f32::from(pair >> 4) - m);
    }
}

/// As Q4_K, with the fifth bits of all numbers in 32 bytes between.
#[inline(always)]
fn q5k(block: &[u8; 176], numbers: &mut [f32; 256]) {
    let ((scales, minima), fifth) = (scales_and_minima(block), &block[16..48]);
    for (chunk, (numbers, pairs)) in
        numbers.chunks_exact_mut(64).zip(block[48..].chunks_exact(32)).enumerate()
    {
        let (low, high) = numbers.split_at_mut(32);
        let (s, m) = (scales[2 * chunk], minima[2 * chunk]);
        for ((number, &pair), &bits) in low.iter_mut().zip(pairs).zip(fifth) {
            *number = s * f32::from((pair & 15) | (bits >> (2 * chunk) & 1) << 4) - m;
        }
        let (s, m) = (scales[2 * chunk + 1], minima[2 * chunk + 1]);
        for ((number, &pair), &bits) in high.iter_mut().zip(pairs).zip(fifth) {
            *number = s * f32::from((pair >> 4) | (bits >> (2 * chunk + 1) & 1) << 4) - m;
        }
    }
}

/// Low four bits, high two bits, 16 scales of 16 numbers each, one scale of all. Numbers from -32 to 31.
#[inline(always)]
fn q6k(block: &[u8; 210], numbers: &mut [f32; 256]) {
    let d = scale(block, 208);
    for (half, numbers) in numbers.chunks_exact_mut(128).enumerate() {
        let (low, high) = (&block[64 * half..][..64], &block[128 + 32 * half..][..32]);
        let scales = &block[192 + 8 * half..][..8];
        for (quarter, numbers) in numbers.chunks_exact_mut(32).enumerate() {
            let low = &low[32 * (quarter % 2)..][..32];
            for (part, numbers) in numbers.chunks_exact_mut(16).enumerate() {
                let s = d * (scales[2 * quarter + part] as i8) as f32;
                let (low, high) = (&low[16 * part..][..16], &high[16 * part..][..16]);
                for ((number, &low), &high) in numbers.iter_mut().zip(low).zip(high) {
                    let q = (low >> (4 * (quarter / 2)) & 15) | (high >> (2 * quarter) & 3) << 4;
                    *number = s * (f32::from(q) - 32.0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_f16_is_restored() {
        for bits in 0..=u16::MAX {
            let (got, want) = (f16_bits(bits), f16::from_bits(bits).to_f32());
            assert!(got == want || (got.is_nan() && want.is_nan()), "{bits:#x}: {got} {want}");
        }
    }
}
