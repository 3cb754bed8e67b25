//! Products with Q4_K and Q6_K weights in integers, for processors with the instructions of AVX-512 VNNI.
//!
//! Numbers of these formats are integers, times integer scales of their part, times the factor of their block. The first
//! two fit 16 bits; activations are rounded to 16 bits, too, with a factor for each row and block. One instruction then
//! multiplies and adds 32 pairs, exactly, where one in f32 takes 16, and restoring takes half the work. What is left to
//! f32 is once a block: the two factors, and the sum over blocks, in the same order whatever is computed beside it.
//!
//! Numbers go to vectors and back by `transmute`: the intrinsics for it are slow where debug assertions are on.
//!
//! No sum over a block can overflow: of an i32 lane, both formats need at most 4096 * 32767 * 16 < 2^31.

use std::arch::x86_64::*;
use std::hint::black_box;
use std::mem::transmute;

use rayon::prelude::*;

use super::formats::{Format, packed};
use super::product::Weight;
use super::x86::factor;
use crate::cpu::Shared;

/// Numbers of a block.
const DEPTH: usize = 256;
/// Numbers of a vector.
const LANES: usize = 32;
/// Outputs of a panel.
const WIDTH: usize = 16;
/// Outputs and rows of a tile: their sums stay in registers.
const TILE: usize = 4;
/// Rows that share a restored panel; their sums stay in the cache.
const ROWS: usize = 64;
/// Panels of a task.
const PANELS: usize = 4;

/// Whether this processor has the instructions.
pub(super) fn there() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni")
}

/// Whether products with a format are computed here.
pub(super) fn takes(format: Format) -> bool {
    matches!(format, Format::Q4K | Format::Q6K)
}

/// Integers of a block.
type Block = [[i16; LANES]; DEPTH / LANES];

/// 16 numbers of a vector.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Lanes([f32; 16]);

const NONE: Lanes = Lanes([0.0; 16]);
const ZERO: Block = [[0; LANES]; DEPTH / LANES];

/// Activations of a row by a block of weights.
#[derive(Clone)]
#[repr(align(64))]
struct Row {
    numbers: Block,
    /// Of the 8 parts, times the factor; the upper half is zero.
    sums: Lanes,
    factor: f32,
}

/// A block of each of so many outputs.
#[repr(align(64))]
struct Panel {
    numbers: [Block; WIDTH],
    /// Minima of the 8 parts of Q4_K, times their factor; the upper half is zero.
    minima: [Lanes; WIDTH],
    factors: Lanes,
}

/// Memory of a thread.
struct Scratch {
    panel: Panel,
    /// What the lanes have summed up, (rows, WIDTH).
    sums: Vec<Lanes>,
}

impl Default for Scratch {
    fn default() -> Self {
        let panel = Panel { numbers: [ZERO; WIDTH], minima: [NONE; WIDTH], factors: NONE };
        Self { panel, sums: Vec::new() }
    }
}

/// `x` (rows, inputs) times a weight that [`takes`] takes, to `out`, (rows, outputs).
///
/// # Safety
/// The processor has the instructions ([`there`]). `out` has been written, and nobody else has a part of it.
pub(super) unsafe fn product(x: &[f32], weight: Weight, out: Shared) {
    let rows = x.len() / weight.inputs;
    let mut x_rows = vec![Row { numbers: ZERO, sums: NONE, factor: 0.0 }; x.len() / DEPTH];
    x_rows.par_chunks_mut(rows).enumerate().for_each(|(block, to)| {
        for (to, x) in to.iter_mut().zip(x.chunks_exact(weight.inputs)) {
            let x = &x.as_chunks::<DEPTH>().0[block];
            // SAFETY: the caller's promise.
            unsafe { rounded(x, to) };
        }
    });
    let panels = weight.outputs.div_ceil(WIDTH);
    (0..panels.div_ceil(PANELS)).into_par_iter().for_each_init(Scratch::default, |scratch, task| {
        for panel in task * PANELS..panels.min((task + 1) * PANELS) {
            let outputs = (panel * WIDTH, WIDTH.min(weight.outputs - panel * WIDTH));
            for first in (0..rows).step_by(ROWS) {
                let part = Part { x: &x_rows, all: rows, rows: (first, ROWS.min(rows - first)), weight, outputs };
                // SAFETY: the caller's promise; parts do not overlap.
                unsafe {
                    match weight.restore.format {
                        Format::Q4K => multiply::<144, true>(part, scratch, out, |block, to, at| q4k(block, to, at)),
                        _ => multiply::<210, false>(part, scratch, out, |block, to, at| q6k(block, to, at)),
                    }
                }
            }
        }
    });
}

/// Rounds a block of activations to what [`Row`] holds. Numbers that are none make all outputs of the row so.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn rounded(x: &[f32; DEPTH], to: &mut Row) {
    let x = x.as_chunks::<16>().0;
    // SAFETY (both): arrays of 16 numbers, wherever they lie.
    let of = |at: usize| unsafe { _mm512_loadu_ps(x[at].as_ptr()) };
    let mut bits = _mm512_setzero_si512();
    for at in 0..x.len() {
        // Without their sign, bits of numbers are in the order of the numbers; behind the largest comes what is none.
        let size = _mm512_and_si512(_mm512_castps_si512(of(at)), _mm512_set1_epi32(i32::MAX));
        bits = _mm512_max_epu32(bits, size);
    }
    let largest = f32::from_bits(_mm512_reduce_max_epu32(bits));
    if !largest.is_finite() {
        *to = Row { numbers: ZERO, sums: NONE, factor: f32::NAN };
        return;
    }
    to.factor = (largest / f32::from(i16::MAX)).max(f32::MIN_POSITIVE);
    let factor = _mm512_set1_ps(to.factor);
    to.sums = NONE;
    for (at, numbers) in to.numbers.iter_mut().enumerate() {
        let (low, high) = numbers.split_at_mut(16);
        let mut sum = _mm512_setzero_si512();
        for (half, numbers) in [low, high].into_iter().enumerate() {
            let rounded = _mm512_cvtps_epi32(_mm512_div_ps(of(2 * at + half), factor));
            // SAFETY: half of `LANES` numbers.
            unsafe { _mm256_storeu_si256(numbers.as_mut_ptr().cast(), _mm512_cvtsepi32_epi16(rounded)) };
            sum = _mm512_add_epi32(sum, rounded);
        }
        to.sums.0[at] = _mm512_reduce_add_epi32(sum) as f32 * to.factor;
    }
}

/// A part of the product.
#[derive(Clone, Copy)]
struct Part<'p> {
    /// (blocks, all rows)
    x: &'p [Row],
    all: usize,
    /// The first one, and how many.
    rows: (usize, usize),
    weight: Weight<'p>,
    /// The first one, and up to `WIDTH`.
    outputs: (usize, usize),
}

/// Computes a part of the product.
///
/// # Safety
/// The part lies inside of `out`, which has been written, and nobody else has a part of it.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn multiply<const BYTES: usize, const MINIMA: bool>(
    part: Part,
    scratch: &mut Scratch,
    out: Shared,
    restore: impl Fn(&[u8; BYTES], &mut Panel, usize),
) {
    let ((first_row, rows), (first, outputs)) = (part.rows, part.outputs);
    let Scratch { panel, sums } = scratch;
    sums.clear();
    sums.resize(rows * WIDTH, NONE);
    let blocks = part.weight.inputs / DEPTH;
    let weight = &part.weight.bytes.as_chunks::<BYTES>().0[first * blocks..][..outputs * blocks];
    for block in 0..blocks {
        for (at, weight) in weight.chunks_exact(blocks).enumerate() {
            restore(&weight[block], panel, at);
        }
        let x = &part.x[block * part.all + first_row..][..rows];
        for (x, sums) in x.chunks(TILE).zip(sums.chunks_mut(TILE * WIDTH)) {
            match x {
                [a] => tiles::<1, MINIMA>([a], panel, sums),
                [a, b] => tiles::<2, MINIMA>([a, b], panel, sums),
                [a, b, c] => tiles::<3, MINIMA>([a, b, c], panel, sums),
                [a, b, c, d, ..] => tiles::<TILE, MINIMA>([a, b, c, d], panel, sums),
                [] => {}
            }
        }
    }
    for (row, sums) in sums.chunks_exact(WIDTH).enumerate() {
        // SAFETY: the caller's promise.
        let out = unsafe { out.piece(first_row + row, first, outputs) };
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = _mm512_reduce_add_ps(load(sum));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn load(lanes: &Lanes) -> __m512 {
    // SAFETY: 16 numbers are what a vector is.
    unsafe { transmute(lanes.0) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn store(lanes: &mut Lanes, numbers: __m512) {
    // SAFETY: 16 numbers are what a vector is.
    lanes.0 = unsafe { transmute::<__m512, [f32; 16]>(numbers) };
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn integers(numbers: &[i16; LANES]) -> __m512i {
    // SAFETY: `LANES` numbers are what a vector is.
    unsafe { transmute(*numbers) }
}

/// Adds the products of `COUNT` rows with a panel to their sums, (COUNT, WIDTH).
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn tiles<const COUNT: usize, const MINIMA: bool>(x: [&Row; COUNT], panel: &Panel, sums: &mut [Lanes]) {
    let mut factors = [NONE; COUNT];
    for row in 0..COUNT {
        store(&mut factors[row], _mm512_mul_ps(load(&panel.factors), _mm512_set1_ps(x[row].factor)));
    }
    let factors = &*black_box(&mut factors);
    let (sums, _) = sums.as_chunks_mut::<WIDTH>();
    for (at, weight) in panel.numbers.as_chunks::<TILE>().0.iter().enumerate() {
        let mut tile = [[_mm512_setzero_si512(); TILE]; COUNT];
        for lane in 0..DEPTH / LANES {
            let mut x_lane = [_mm512_setzero_si512(); COUNT];
            for row in 0..COUNT {
                x_lane[row] = integers(&x[row].numbers[lane]);
            }
            for column in 0..TILE {
                let weight = integers(&weight[column][lane]);
                for row in 0..COUNT {
                    tile[row][column] = _mm512_dpwssd_epi32(tile[row][column], x_lane[row], weight);
                }
            }
        }
        for row in 0..COUNT {
            for column in 0..TILE {
                let output = at * TILE + column;
                let factor = _mm512_set1_ps(factors[row].0[output]);
                let sum = &mut sums[row][output];
                let mut total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(tile[row][column]), factor, load(sum));
                if MINIMA {
                    total = _mm512_fnmadd_ps(load(&panel.minima[output]), load(&x[row].sums), total);
                }
                store(sum, total);
            }
        }
    }
}

/// 32 bytes as 32 integers.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn bytes(from: &[u8; LANES]) -> __m512i {
    // SAFETY: 32 bytes are what a vector is.
    _mm512_cvtepu8_epi16(unsafe { transmute::<[u8; LANES], __m256i>(*from) })
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn write(to: &mut [i16; LANES], numbers: __m512i) {
    // SAFETY: `LANES` numbers are what a vector is.
    *to = unsafe { transmute::<__m512i, [i16; LANES]>(numbers) };
}

/// Scales, twice each, so that they come into all lanes from memory: moved between registers, they would take a unit that
/// restoring needs.
#[repr(align(64))]
struct Scales([i32; 16]);

impl Scales {
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn of(scales: __m512i) -> Self {
        let low = _mm512_and_si512(scales, _mm512_set1_epi32(0xffff));
        let both = _mm512_or_si512(low, _mm512_slli_epi32::<16>(scales));
        // SAFETY: 16 numbers are what a vector is.
        Self(unsafe { transmute::<__m512i, [i32; 16]>(both) })
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q4k(block: &[u8; 144], panel: &mut Panel, at: usize) {
    let (scales, minima) = packed(block);
    let eight = |bytes: [u8; 8]| _mm512_cvtepu8_epi32(_mm_set_epi64x(0, i64::from_le_bytes(bytes)));
    panel.factors.0[at] = _mm512_cvtss_f32(factor([block[0], block[1]]));
    let minima = _mm512_mul_ps(factor([block[2], block[3]]), _mm512_cvtepi32_ps(eight(minima)));
    store(&mut panel.minima[at], minima);
    let mut scales = Scales::of(eight(scales));
    let scales = &black_box(&mut scales).0;
    let chunks = panel.numbers[at].as_chunks_mut::<2>().0;
    for (chunk, ([low, high], pairs)) in chunks.iter_mut().zip(block[16..].as_chunks().0).enumerate() {
        let pairs = bytes(pairs);
        let scale = |part: usize| _mm512_set1_epi32(scales[part]);
        let nibbles = _mm512_and_si512(pairs, _mm512_set1_epi16(15));
        write(low, _mm512_mullo_epi16(nibbles, scale(2 * chunk)));
        write(high, _mm512_mullo_epi16(_mm512_srli_epi16::<4>(pairs), scale(2 * chunk + 1)));
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn q6k(block: &[u8; 210], panel: &mut Panel, at: usize) {
    panel.factors.0[at] = _mm512_cvtss_f32(factor([block[208], block[209]]));
    let [packed] = block[192..208].as_chunks::<16>().0 else { return };
    // SAFETY: 16 bytes are what a vector is.
    let scales = _mm512_cvtepi8_epi32(unsafe { transmute::<[u8; 16], __m128i>(*packed) });
    let mut scales = Scales::of(scales);
    let scales = &black_box(&mut scales).0;
    let halves = panel.numbers[at].as_chunks_mut::<4>().0;
    for (half, numbers) in halves.iter_mut().enumerate() {
        let low = block[64 * half..][..64].as_chunks().0;
        let [high] = block[128 + 32 * half..][..32].as_chunks().0 else { return };
        let (low, high) = ([bytes(&low[0]), bytes(&low[1])], bytes(high));
        // The high bits where they belong, above four others.
        let high = [
            _mm512_slli_epi16::<4>(high),
            _mm512_slli_epi16::<2>(high),
            high,
            _mm512_srli_epi16::<2>(high),
        ];
        for (quarter, numbers) in numbers.iter_mut().enumerate() {
            let low = low[quarter % 2];
            let low = if quarter < 2 { low } else { _mm512_srli_epi16::<4>(low) };
            let low = _mm512_and_si512(low, _mm512_set1_epi16(15));
            let high = _mm512_and_si512(high[quarter], _mm512_set1_epi16(48));
            let q = _mm512_sub_epi16(_mm512_or_si512(low, high), _mm512_set1_epi16(32));
            let part = 8 * half + 2 * quarter;
            let first = _mm512_set1_epi32(scales[part]);
            let scale = _mm512_mask_set1_epi32(first, 0xff00, scales[part + 1]);
            write(numbers, _mm512_mullo_epi16(q, scale));
        }
    }
}

#[cfg(test)]
mod tests {
    use affekt_testkit::relative_error;
    use candle_core::quantized::{GgmlDType, QTensor};
    use candle_core::{Device, Tensor};

    use super::super::product::{in_floats, product};
    use super::super::restore::Restore;
    use super::*;

    fn both(x: &[f32], bytes: &[u8], format: Format, outputs: usize, inputs: usize) -> [Tensor; 2] {
        let weight = Weight { bytes, restore: Restore::new(format), outputs, inputs };
        [product(x, weight), in_floats(x, weight)]
            .map(|y| Tensor::from_vec(y, (x.len() / inputs, outputs), &Device::Cpu).unwrap())
    }

    /// Root of the mean square of the difference, over that of the product.
    fn rms_error([got, want]: &[Tensor; 2]) -> f64 {
        let mean = |x: Tensor| x.sqr().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap();
        f64::from((mean((got - want).unwrap()) / mean(want.clone())).sqrt())
    }

    #[test]
    fn timing() {
        for (format, dtype) in [(Format::Q4K, GgmlDType::Q4K), (Format::Q6K, GgmlDType::Q6K)] {
            let stored = QTensor::quantize(&affekt_testkit::noise(0.0, 1.0, (320, 4096)), dtype).unwrap();
            let bytes = stored.data().unwrap().repeat(100);
            let weight = Weight { bytes: &bytes, restore: Restore::new(format), outputs: 32000, inputs: 4096 };
            for rows in [1, 4, 16, 64, 256] {
                let x = affekt_testkit::noise(0.0, 1.0, (rows, 4096)).flatten_all().unwrap().to_vec1::<f32>().unwrap();
                for (name, run) in [("int", product as fn(&[f32], Weight) -> Vec<f32>), ("f32", in_floats)] {
                    let mut times: Vec<_> = (0..8).map(|_| { let t = std::time::Instant::now(); crate::threads::in_pool(|| black_box(run(&x, weight))); t.elapsed() }).collect();
                    times.sort();
                    let ms = times[times.len() / 2].as_secs_f64() * 1e3;
                    eprintln!("{format:?} {rows} {name}: {ms:.2} ms (min {:?}), {:.1} GB/s", times[0], bytes.len() as f64 / ms / 1e6);
                }
            }
            for rows in [1, 33] {
                let x = affekt_testkit::noise(0.0, 1.0, (rows, 4096)).flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let y = both(&x, &bytes[..bytes.len() / 100], format, 320, 4096);
                eprintln!("{format:?} error {} rms, {} max", rms_error(&y), relative_error(&y[0], &y[1]));
            }
        }
    }
}
