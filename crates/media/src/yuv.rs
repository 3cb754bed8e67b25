//! Pictures of 8-bit Y, U and V to RGB of the same size: the common case, fast and the same on every processor.
//!
//! Chroma is interpolated linearly between the centres of its samples, and repeated at the border. All is integer
//! arithmetic, rounded once, at the end: a weighted sum of chroma samples has five bits more than a sample, a coefficient
//! 13 bits after the point, so that sums of their products fit into 32 bits.

use std::array;

use pulp::{Arch, Simd, WithSimd};

/// Weights of red and blue in luma, which make a matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matrix {
    red: f64,
    blue: f64,
}

impl Matrix {
    /// ITU-R BT.601: standard definition.
    pub const BT601: Self = Self { red: 0.299, blue: 0.114 };
    /// ITU-R BT.709: high definition.
    pub const BT709: Self = Self { red: 0.2126, blue: 0.0722 };
    /// ITU-R BT.2020, non-constant luminance: ultra high definition.
    pub const BT2020: Self = Self { red: 0.2627, blue: 0.0593 };
    /// FCC, title 47, section 73.682: early NTSC.
    pub const FCC: Self = Self { red: 0.30, blue: 0.11 };
    /// SMPTE 240M: early high definition.
    pub const SMPTE240M: Self = Self { red: 0.212, blue: 0.087 };
}

/// Factors of the samples, in units of 2^-13, and the luma of black.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coefficients {
    black: i16,
    luma: i16,
    red_v: i16,
    green_u: i16,
    green_v: i16,
    blue_u: i16,
}

impl Coefficients {
    /// For samples encoded by `matrix`, using all 256 levels or the limited range of television (luma 16 to 235, chroma
    /// 16 to 240).
    pub fn new(matrix: Matrix, full_range: bool) -> Self {
        let (luma, chroma) = if full_range { (1.0, 1.0) } else { (255.0 / 219.0, 255.0 / 224.0) };
        let fixed = |factor: f64| (factor * f64::from(1 << 13)).round() as i16;
        let Matrix { red, blue } = matrix;
        let (red_v, blue_u) = (2.0 * (1.0 - red) * chroma, 2.0 * (1.0 - blue) * chroma);
        let green = 1.0 - red - blue;
        Self {
            black: if full_range { 0 } else { 16 },
            luma: fixed(luma),
            red_v: fixed(red_v),
            green_u: fixed(-blue_u * blue / green),
            green_v: fixed(-red_v * red / green),
            blue_u: fixed(blue_u),
        }
    }
}

/// Rows of samples that begin `stride` bytes apart. The bytes between them are never read.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    /// The first sample and all that follow.
    pub data: &'a [u8],
    /// Bytes from row to row.
    pub stride: usize,
}

impl<'a> Plane<'a> {
    fn holds(self, width: usize, height: usize) -> bool {
        let last = (height - 1).checked_mul(self.stride).and_then(|start| start.checked_add(width));
        width <= self.stride && last.is_some_and(|end| end <= self.data.len())
    }

    #[inline(always)]
    fn row(self, y: usize, width: usize) -> &'a [u8] {
        &self.data[y * self.stride..][..width]
    }
}

/// Where the chroma samples are.
#[derive(Clone, Copy, Debug)]
pub enum Chroma<'a> {
    /// All of U, and all of V.
    Planar(Plane<'a>, Plane<'a>),
    /// U and V by turns.
    Interleaved(Plane<'a>),
}

/// A picture of `width` by `height` luma samples.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// One sample a pixel.
    pub luma: Plane<'a>,
    /// One sample a pixel, or fewer.
    pub chroma: Chroma<'a>,
    /// Whether a chroma sample serves two pixels of a row (4:2:2, 4:2:0).
    pub halved_x: bool,
    /// Whether a chroma sample serves two rows (4:2:0).
    pub halved_y: bool,
    /// Whether even and odd rows were taken at different times, so that only chroma rows of the same kind belong to them.
    pub interlaced: bool,
}

/// The rows of RGB, three bytes a pixel, without gaps; `None` where a plane is too small for its samples.
pub fn to_rgb(picture: &Picture<'_>, coefficients: &Coefficients) -> Option<Vec<u8>> {
    picture.is_whole().then(|| Arch::new().dispatch(Conversion { picture, coefficients }))
}

/// A type of its own, as a closure of this size would not become part of the function that has the instruction set.
struct Conversion<'a> {
    picture: &'a Picture<'a>,
    coefficients: &'a Coefficients,
}

impl WithSimd for Conversion<'_> {
    type Output = Vec<u8>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<u8> {
        let Self { picture, coefficients } = self;
        let mut rgb = Vec::with_capacity(3 * picture.width * picture.height);
        let mut lines = Lines::new(picture);
        for y in 0..picture.height {
            lines.mix(picture, y);
            lines.paint(picture.luma.row(y, picture.width), coefficients);
            rgb.extend_from_slice(lines.rgb.as_flattened());
        }
        rgb
    }
}

impl Picture<'_> {
    /// Chroma samples a row, and rows of them.
    fn chroma_size(&self) -> (usize, usize) {
        let side = |side: usize, halved| if halved { side.div_ceil(2) } else { side };
        (side(self.width, self.halved_x), side(self.height, self.halved_y))
    }

    fn is_whole(&self) -> bool {
        let (width, height) = self.chroma_size();
        width > 0
            && height > 0
            && self.luma.holds(self.width, self.height)
            && match self.chroma {
                Chroma::Planar(u, v) => u.holds(width, height) && v.holds(width, height),
                Chroma::Interleaved(uv) => uv.holds(2 * width, height),
            }
    }

    /// The two chroma rows next to row `y`, with their weights in eighths.
    fn chroma_rows(&self, y: usize) -> [(usize, u16); 2] {
        if !self.halved_y {
            return [(y, 8), (y, 0)];
        }
        let rows = self.height.div_ceil(2);
        let by_field = self.interlaced && rows > 1;
        let (field, fields) = if by_field { (y % 2, 2) } else { (0, 1) };
        let (line, last) = (y / fields, (rows - 1 - field) / fields);
        let (near, is_upper) = (line / 2, line.is_multiple_of(2));
        let far = if is_upper { near.saturating_sub(1) } else { near + 1 };
        // Chroma lies midway between two rows of a frame. Taken by field, in lines of the field, that is a quarter below
        // the upper of its two lines in the top field, and a quarter above the lower one in the bottom field.
        let weight = match (by_field, is_upper == (field == 0)) {
            (false, _) => 6,
            (true, true) => 7,
            (true, false) => 5,
        };
        [(near, weight), (far, 8 - weight)].map(|(row, weight)| (row.min(last) * fields + field, weight))
    }
}

/// One row on its way to RGB.
struct Lines {
    /// Chroma samples of the row, in eighths, with the first and the last repeated at the ends.
    mixed: [Vec<u16>; 2],
    /// Chroma of each pixel in 32nds, zero for grey; of one pixel more where the width is odd.
    chroma: [Vec<i16>; 2],
    channels: [Vec<u8>; 3],
    rgb: Vec<[u8; 3]>,
}

impl Lines {
    fn new(picture: &Picture<'_>) -> Self {
        let (samples, _) = picture.chroma_size();
        let pixels = if picture.halved_x { 2 * samples } else { samples };
        Self {
            mixed: array::from_fn(|_| vec![0; samples + 2]),
            chroma: array::from_fn(|_| vec![0; pixels]),
            channels: array::from_fn(|_| vec![0; picture.width]),
            rgb: vec![[0; 3]; picture.width],
        }
    }

    /// Finds the chroma of row `y`.
    #[inline(always)]
    fn mix(&mut self, picture: &Picture<'_>, y: usize) {
        let (samples, _) = picture.chroma_size();
        let rows = picture.chroma_rows(y);
        let [u, v] = &mut self.mixed;
        match picture.chroma {
            Chroma::Planar(from_u, from_v) => {
                mix_rows::<1>(rows.map(|(row, weight)| (from_u.row(row, samples), weight)), u);
                mix_rows::<1>(rows.map(|(row, weight)| (from_v.row(row, samples), weight)), v);
            }
            Chroma::Interleaved(uv) => {
                mix_rows::<2>(rows.map(|(row, weight)| (uv.row(row, 2 * samples), weight)), u);
                mix_rows::<2>(rows.map(|(row, weight)| (&uv.row(row, 2 * samples)[1..], weight)), v);
            }
        }
        for (mixed, chroma) in self.mixed.iter().zip(&mut self.chroma) {
            if picture.halved_x { double(mixed, chroma) } else { copy(mixed, chroma) }
        }
    }

    /// Joins the chroma with a row of luma.
    #[inline(always)]
    fn paint(&mut self, luma: &[u8], by: &Coefficients) {
        let n = luma.len();
        let [u, v] = &self.chroma;
        let (u, v) = (&u[..n], &v[..n]);
        let [r, g, b] = &mut self.channels;
        let (r, g, b) = (&mut r[..n], &mut g[..n], &mut b[..n]);
        for i in 0..n {
            let product = |a: i16, b: i16| i32::from(a) * i32::from(b);
            let grey = product((i16::from(luma[i]) - by.black) << 5, by.luma) + (1 << 17);
            let level = |sum: i32| (sum >> 18).clamp(0, 255) as u8;
            r[i] = level(grey + product(v[i], by.red_v));
            g[i] = level(grey + product(u[i], by.green_u) + product(v[i], by.green_v));
            b[i] = level(grey + product(u[i], by.blue_u));
        }
        for (pixel, ((r, g), b)) in self.rgb.iter_mut().zip(r.iter().zip(&*g).zip(&*b)) {
            *pixel = [*r, *g, *b];
        }
    }
}

/// Weighs two rows whose samples are `STEP` bytes apart.
#[inline(always)]
fn mix_rows<const STEP: usize>([(a, a_weight), (b, b_weight)]: [(&[u8], u16); 2], out: &mut [u16]) {
    let n = out.len() - 2;
    let inner = &mut out[1..=n];
    let (a, b) = (&a[..(n - 1) * STEP + 1], &b[..(n - 1) * STEP + 1]);
    for (i, out) in inner.iter_mut().enumerate() {
        *out = u16::from(a[i * STEP]) * a_weight + u16::from(b[i * STEP]) * b_weight;
    }
    (out[0], out[n + 1]) = (out[1], out[n]);
}

/// Chroma without colour, in 32nds.
const GREY: i16 = 128 * 32;

/// Two pixels for each sample.
#[inline(always)]
fn double(mixed: &[u16], out: &mut [i16]) {
    let n = mixed.len() - 2;
    let (left, here, right) = (&mixed[..n], &mixed[1..=n], &mixed[2..]);
    let (pairs, _) = out.as_chunks_mut::<2>();
    let pairs = &mut pairs[..n];
    for i in 0..n {
        pairs[i] = [left[i] + 3 * here[i], 3 * here[i] + right[i]].map(|sum| sum as i16 - GREY);
    }
}

/// One pixel for each sample.
#[inline(always)]
fn copy(mixed: &[u16], out: &mut [i16]) {
    for (out, sample) in out.iter_mut().zip(&mixed[1..]) {
        *out = (sample * 4) as i16 - GREY;
    }
}
