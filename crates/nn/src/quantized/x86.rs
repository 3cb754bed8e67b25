//! Formats of integers restored with AVX-512: five to ten times as fast as what compilers make of the plain loops, whose
//! time was most of a product's with few rows.
//!
//! All numbers are those of [`Format::restore`], bit for bit: the same operations in the same order. Where a part has up
//! to 32 different numbers, they are computed once and looked up.

use std::arch::x86_64::*;
use std::hint::black_box;

use super::formats::{Format, each, packed};

/// Whether this processor has the instructions.
pub(super) fn there() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

/// Whether there is a way for a format here.
pub(super) fn takes(format: Format) -> bool {
    !matches!(format, Format::F32 | Format::F16 | Format::Bf16)
}

/// Restores whole blocks of several rows: what `blocks` gives, to as many numbers at the start of every `stride`.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn restore<'b>(
    format: Format,
    blocks: impl Iterator<Item = &'b [u8]>,
    numbers: &mut [f32],
    stride: usize,
) {
    // Closures inherit the features; functions would have to be proven safe to call.
    match format {
        Format::Q4_0 => rows(blocks, numbers, stride, |block, numbers| q4_0(block, numbers)),
        Format::Q8_0 => rows(blocks, numbers, stride, |block, numbers| q8_0(block, numbers)),
        Format::Q4K => rows(blocks, numbers, stride, |block, numbers| q4k(block, numbers)),
        Format::Q5K => rows(blocks, numbers, stride, |block, numbers| q5k(block, numbers)),
        Format::Q6K => rows(blocks, numbers, stride, |block, numbers| q6k(block, numbers)),
        Format::F32 | Format::F16 | Format::Bf16 => unreachable!("`takes` refuses it"),
    }
}

#[inline(always)]
fn rows<'b, const B: usize, const N: usize>(
    blocks: impl Iterator<Item = &'b [u8]>,
    numbers: &mut [f32],
    stride: usize,
    restore: impl Fn(&[u8; B], &mut [f32; N]),
) {
    for (blocks, numbers) in blocks.zip(numbers.chunks_exact_mut(stride)) {
        each(blocks, numbers, &restore);
    }
}

/// The factor of a block, in all lanes. (As one lane it would wait for whatever the register held before.)
#[target_feature(enable = "avx512f,avx512bw")]
fn factor(bytes: [u8; 2]) -> __m512 {
    _mm512_cvtph_ps(_mm256_set1_epi16(i16::from_le_bytes(bytes)))
}

/// Numbers that are to come into all lanes, one by one: from memory they do for nothing. Moved between registers, they
/// would take the unit that everything else here waits for.
#[repr(align(64))]
struct Table([f32; 16]);

impl Table {
    #[target_feature(enable = "avx512f,avx512bw")]
    fn of(numbers: __m512) -> Self {
        let mut table = Self([0.0; 16]);
        write(&mut table.0, numbers);
        table
    }

    /// Number `at` in all lanes.
    #[target_feature(enable = "avx512f,avx512bw")]
    fn number(&self, at: usize) -> __m512 {
        _mm512_set1_ps(self.0[at])
    }
}

/// Scales of the 8 parts of a Q4_K or Q5_K block, then their minima.
#[target_feature(enable = "avx512f,avx512bw")]
fn scales_and_minima<const B: usize>(block: &[u8; B]) -> Table {
    let (scales, minima) = packed(block);
    let halves = _mm_set_epi64x(i64::from_le_bytes(minima), i64::from_le_bytes(scales));
    let parts = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(halves));
    let (d, dmin) = (factor([block[0], block[1]]), factor([block[2], block[3]]));
    Table::of(_mm512_mul_ps(_mm512_mask_blend_ps(0xff00, d, dmin), parts))
}

/// 16 bytes as 16 integers.
#[target_feature(enable = "avx512f,avx512bw")]
fn bytes(from: &[u8; 16]) -> __m512i {
    // SAFETY: an array of 16 bytes, wherever it lies.
    _mm512_cvtepu8_epi32(unsafe { _mm_loadu_si128(from.as_ptr().cast()) })
}

/// The same with signs.
#[target_feature(enable = "avx512f,avx512bw")]
fn signed(from: &[u8; 16]) -> __m512i {
    // SAFETY: as above.
    _mm512_cvtepi8_epi32(unsafe { _mm_loadu_si128(from.as_ptr().cast()) })
}

#[target_feature(enable = "avx512f,avx512bw")]
fn write(to: &mut [f32; 16], numbers: __m512) {
    // SAFETY: an array of 16 numbers, wherever it lies.
    unsafe { _mm512_storeu_ps(to.as_mut_ptr(), numbers) };
}

/// 0 to 15.
#[target_feature(enable = "avx512f,avx512bw")]
fn digits() -> __m512 {
    _mm512_setr_ps(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0)
}

#[target_feature(enable = "avx512f,avx512bw")]
fn q4_0(block: &[u8; 18], numbers: &mut [f32; 32]) {
    let table = _mm512_mul_ps(factor([block[0], block[1]]), _mm512_sub_ps(digits(), _mm512_set1_ps(8.0)));
    let ([pairs, ..], [low, high, ..]) = (block[2..].as_chunks().0, numbers.as_chunks_mut().0) else {
        return;
    };
    let pairs = bytes(pairs);
    // A look-up takes the low four bits.
    write(low, _mm512_permutexvar_ps(pairs, table));
    write(high, _mm512_permutexvar_ps(_mm512_srli_epi32::<4>(pairs), table));
}

#[target_feature(enable = "avx512f,avx512bw")]
fn q8_0(block: &[u8; 34], numbers: &mut [f32; 32]) {
    let d = factor([block[0], block[1]]);
    for (q, numbers) in block[2..].as_chunks().0.iter().zip(numbers.as_chunks_mut().0) {
        write(numbers, _mm512_mul_ps(d, _mm512_cvtepi32_ps(signed(q))));
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn q4k(block: &[u8; 144], numbers: &mut [f32; 256]) {
    let mut parts = scales_and_minima(block);
    let (parts, digits) = (&*black_box(&mut parts), digits());
    let chunks = numbers.as_chunks_mut::<64>().0.iter_mut().zip(block[16..].as_chunks::<32>().0);
    for (at, (numbers, pairs)) in chunks.enumerate() {
        let table =
            |part: usize| _mm512_sub_ps(_mm512_mul_ps(parts.number(part), digits), parts.number(part + 8));
        let (low, high) = (table(2 * at), table(2 * at + 1));
        let (numbers, pairs) = (numbers.as_chunks_mut().0, pairs.as_chunks().0);
        for half in 0..2 {
            let pairs = bytes(&pairs[half]);
            write(&mut numbers[half], _mm512_permutexvar_ps(pairs, low));
            write(&mut numbers[2 + half], _mm512_permutexvar_ps(_mm512_srli_epi32::<4>(pairs), high));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn q5k(block: &[u8; 176], numbers: &mut [f32; 256]) {
    let mut parts = scales_and_minima(block);
    let (parts, digits) = (&*black_box(&mut parts), digits());
    let upper = _mm512_add_ps(digits, _mm512_set1_ps(16.0));
    let fifth = block[16..48].as_chunks().0;
    let chunks = numbers.as_chunks_mut::<64>().0.iter_mut().zip(block[48..].as_chunks::<32>().0);
    for (at, (numbers, pairs)) in chunks.enumerate() {
        let (numbers, pairs) = (numbers.as_chunks_mut().0, pairs.as_chunks().0);
        for half in 0..2 {
            let (pairs, fifth) = (bytes(&pairs[half]), bytes(&fifth[half]));
            for (nibble, part) in [(pairs, 2 * at), (_mm512_srli_epi32::<4>(pairs), 2 * at + 1)] {
                let (s, m) = (parts.number(part), parts.number(part + 8));
                let table = |digits: __m512| _mm512_sub_ps(_mm512_mul_ps(s, digits), m);
                // The fifth bit of this part where the look-up takes it.
                let bit = _mm512_srlv_epi32(_mm512_slli_epi32::<4>(fifth), _mm512_set1_epi32(part as i32));
                let low = _mm512_and_si512(nibble, _mm512_set1_epi32(15));
                let q = _mm512_or_si512(low, _mm512_and_si512(bit, _mm512_set1_epi32(16)));
                let restored = _mm512_permutex2var_ps(table(digits), q, table(upper));
                write(&mut numbers[2 * (part % 2) + half], restored);
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn q6k(block: &[u8; 210], numbers: &mut [f32; 256]) {
    let ([packed], _) = block[192..208].as_chunks() else { return };
    let mut scales =
        Table::of(_mm512_mul_ps(factor([block[208], block[209]]), _mm512_cvtepi32_ps(signed(packed))));
    let scales = &*black_box(&mut scales);
    for (half, numbers) in numbers.as_chunks_mut::<128>().0.iter_mut().enumerate() {
        let low = block[64 * half..][..64].as_chunks::<16>().0;
        let high = block[128 + 32 * half..][..32].as_chunks::<16>().0;
        for (at, numbers) in numbers.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            // 16 numbers each: the low bits come twice, first the lower nibbles; the high bits four times.
            let (low, high) = (bytes(&low[at % 4]), bytes(&high[at % 2]));
            let low = if at < 4 { low } else { _mm512_srli_epi32::<4>(low) };
            let low = _mm512_and_si512(low, _mm512_set1_epi32(15));
            let high =
                _mm512_srlv_epi32(_mm512_slli_epi32::<4>(high), _mm512_set1_epi32(2 * (at as i32 / 2)));
            let q = _mm512_or_si512(low, _mm512_and_si512(high, _mm512_set1_epi32(48)));
            let q = _mm512_cvtepi32_ps(_mm512_sub_epi32(q, _mm512_set1_epi32(32)));
            write(numbers, _mm512_mul_ps(scales.number(8 * half + at), q));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte by turns in every place, and factors that f16 may hold: of all sizes, zero, infinite, none.
    #[test]
    fn all_numbers_are_those_of_the_plain_loops() {
        if !there() {
            return;
        }
        for format in [Format::Q4_0, Format::Q8_0, Format::Q4K, Format::Q5K, Format::Q6K] {
            assert!(takes(format));
            let (block, size) = (format.block(), format.bytes(format.block()));
            let mut state = 1u32;
            for round in 0..4000 {
                let blocks: Vec<u8> = std::iter::repeat_with(|| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .take(3 * size)
                .collect();
                let (mut plain, mut wide) = (vec![0f32; 3 * block], vec![1f32; 3 * block]);
                format.restore(&blocks, &mut plain);
                // SAFETY: looked up above.
                unsafe { restore(format, std::iter::once(&blocks[..]), &mut wide, 3 * block) };
                let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
                assert!(plain.iter().zip(&wide).all(same), "{format:?} in round {round}");
            }
        }
    }
}
