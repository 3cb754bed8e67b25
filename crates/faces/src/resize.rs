//! Resizing as Pillow does it: bilinear, antialiased, on 8-bit values, to the same byte.
//!
//! MANet takes pictures that Pillow has resized. The fast library at hand goes down first and so differs by one grey
//! level in one value of seven; the published method is therefore written out: two passes, across then down, weights
//! in fixed point with 22 fractional bits, each pass rounded to 8 bits (Pillow up to 12, `Image.resize`, `BILINEAR`).
//! Where a grey level does not matter, [`preview`] is four times as fast.

use affekt_core::RgbImage;
use affekt_nn::frames::{PRECISION, Weights};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::geometry::Rect;

/// `image` as a picture of `width` x `height` pixels; black where either picture has no pixel.
pub fn resize(image: &RgbImage, width: usize, height: usize) -> RgbImage {
    resize_part(image, Rect::new(0.0, 0.0, image.width as f32, image.height as f32), width, height)
}

/// The part `area` of `image` as a picture of `width` x `height` pixels; `area` may lie between pixels, and is cut to
/// the picture.
pub fn resize_part(image: &RgbImage, area: Rect, width: usize, height: usize) -> RgbImage {
    let across = Weights::new(image.width, f64::from(area.x), f64::from(area.right()), width);
    let down = Weights::new(image.height, f64::from(area.y), f64::from(area.bottom()), height);
    let (Some(across), Some(down)) = (across, down) else { return RgbImage::black(width, height) };
    let rows = down.first()..down.last();
    let strip = pass_across(image, rows.clone(), &across); // (rows, width, 3)
    let data = pass_down(&strip, rows.start, 3 * width, &down); // (height, width, 3)
    RgbImage { width, height, data }
}

/// Rounds a sum of weighted pixels; weights are at least 0 and sum to 1, so that it never exceeds 8 bits by more than
/// rounding.
fn to_pixel(sum: i32) -> u8 {
    (sum >> PRECISION).min(255) as u8
}

const HALF: i32 = 1 << (PRECISION - 1);

fn pass_across(image: &RgbImage, rows: std::ops::Range<usize>, weights: &Weights) -> Vec<u8> {
    let mut strip = Vec::with_capacity(3 * rows.len() * weights.spans().len());
    for row in image.data.chunks_exact(3 * image.width).take(rows.end).skip(rows.start) {
        for span in weights.spans() {
            let mut sum = [HALF; 3];
            let pixels = row[3 * span.start..].as_chunks::<3>().0;
            for (pixel, &weight) in pixels.iter().zip(weights.of(span)) {
                for (sum, &value) in sum.iter_mut().zip(pixel) {
                    *sum += i32::from(value) * weight;
                }
            }
            strip.extend(sum.map(to_pixel));
        }
    }
    strip
}

fn pass_down(strip: &[u8], first_row: usize, stride: usize, weights: &Weights) -> Vec<u8> {
    let mut data = Vec::with_capacity(weights.spans().len() * stride);
    let mut sums = vec![HALF; stride];
    for span in weights.spans() {
        sums.fill(HALF);
        let rows = strip[(span.start - first_row) * stride..].chunks_exact(stride);
        for (row, &weight) in rows.zip(weights.of(span)) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += i32::from(value) * weight;
            }
        }
        data.extend(sums.iter().map(|&sum| to_pixel(sum)));
    }
    data
}

/// `image` as a picture of `width` x `height` pixels, fast, and within one grey level of [`resize`].
pub fn preview(image: &RgbImage, width: usize, height: usize) -> RgbImage {
    preview_part(image, (0.0, 0.0, image.width as f64, image.height as f64), width, height)
}

/// `image` with no side longer than `longest` pixels, and its pixels per pixel of `image`; `None` for one without pixels.
/// None is enlarged.
pub fn reduced(image: &RgbImage, longest: usize) -> Option<(RgbImage, f32)> {
    let (width, height) = (image.width, image.height);
    if width.min(height) == 0 {
        return None;
    }
    let scale = (longest as f32 / width.max(height) as f32).min(1.0);
    let size = |pixels: usize| ((pixels as f32 * scale).round() as usize).max(1);
    let small = if scale < 1.0 { preview(image, size(width), size(height)) } else { image.clone() };
    Some((small, scale))
}

/// The part of `image` from `left`, `top` on, `across` wide and `down` high, as a picture of `width` x `height` pixels;
/// fast. The part may lie between pixels, but not beyond the picture, where it is black.
pub(crate) fn preview_part(
    image: &RgbImage,
    (left, top, across, down): (f64, f64, f64, f64),
    width: usize,
    height: usize,
) -> RgbImage {
    let mut small = Image::new(width as u32, height as u32, PixelType::U8x3);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        // Rounding must not reach beyond the picture.
        .crop(left, top, across.min(image.width as f64 - left), down.min(image.height as f64 - top));
    let source = ImageRef::new(image.width as u32, image.height as u32, &image.data, PixelType::U8x3);
    let resized = source.is_ok_and(|source| Resizer::new().resize(&source, &mut small, &options).is_ok());
    if resized { RgbImage { width, height, data: small.into_vec() } } else { RgbImage::black(width, height) }
}
