//! The crop recipe: what of the picture a network sees of a face.
//!
//! OpenFace, which made the crops of the published features, lays the face into 112 x 112 pixels so that the jaw is
//! about 103 pixels wide, brows near row 19 and chin near row 110: a square of 2.3 eye distances, its centre 0.44 below
//! the eyes. SeetaFace's box has 2.5 eye distances with its centre 0.32 below (median of 18 frontal faces), and varies
//! by a tenth in size. Its whole side is kept, so that no chin is lost, and the square moved down.

use affekt_core::RgbImage;

use crate::Rect;
use crate::resize::resize_part;

/// Width and height of a crop in pixels.
pub const CROP_SIZE: usize = 112;

/// Name of the recipe, for the feature spec; a change of any number in this file needs a new one.
pub const RECIPE: &str = "crop-box-112-v1";

/// Side of the square in sides of the face's box (the longer one).
const SIDE: f32 = 1.0;

/// How far the centre moves down, in sides of the box.
const DOWN: f32 = 0.04;

/// The square around `bbox` that a crop shows, in pixels of the picture; it may reach beyond it.
pub fn crop_area(bbox: &Rect) -> Rect {
    let centre = bbox.centre();
    let longer = bbox.width.max(bbox.height);
    let side = longer * SIDE;
    Rect::new(centre.x - side / 2.0, centre.y + longer * DOWN - side / 2.0, side, side)
}

/// The face in `bbox` as a picture of 112 x 112 pixels, black outside the picture. The square is taken between pixels,
/// so that slow motion stays smooth.
pub fn crop(image: &RgbImage, bbox: &Rect) -> RgbImage {
    let area = crop_area(bbox);
    let inside = area.x >= 0.0
        && area.y >= 0.0
        && area.right() <= image.width as f32
        && area.bottom() <= image.height as f32;
    if inside {
        return resize_part(image, area, CROP_SIZE, CROP_SIZE);
    }
    crop_beyond(image, &area)
}

/// A crop that reaches beyond the picture. The part inside it is resized to its share of the crop's pixels.
fn crop_beyond(image: &RgbImage, area: &Rect) -> RgbImage {
    let mut crop = RgbImage::black(CROP_SIZE, CROP_SIZE);
    let scale = area.width / CROP_SIZE as f32;
    let columns = inner_pixels(area.x, scale, image.width);
    let rows = inner_pixels(area.y, scale, image.height);
    if columns.is_empty() || rows.is_empty() {
        return crop;
    }
    let part = Rect::new(
        area.x + columns.start as f32 * scale,
        area.y + rows.start as f32 * scale,
        columns.len() as f32 * scale,
        rows.len() as f32 * scale,
    );
    let inner = resize_part(image, part, columns.len(), rows.len());
    for (row, line) in rows.zip(inner.data.chunks_exact(3 * columns.len())) {
        let at = 3 * (row * CROP_SIZE + columns.start);
        crop.data[at..at + line.len()].copy_from_slice(line);
    }
    crop
}

/// The pixels of a crop, of `scale` picture pixels each, whose extent lies wholly within 0..`extent` when the first
/// begins at `from`.
fn inner_pixels(from: f32, scale: f32, extent: usize) -> std::ops::Range<usize> {
    if !(from.is_finite() && scale > 0.0) {
        return 0..0;
    }
    let first = (-from / scale).ceil().clamp(0.0, CROP_SIZE as f32) as usize;
    let last = ((extent as f32 - from) / scale).floor().clamp(0.0, CROP_SIZE as f32) as usize;
    first..last.max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slope() -> RgbImage {
        let data = (0..200 * 150).flat_map(|at| [(at % 200) as u8, (at / 200) as u8, 77]).collect();
        RgbImage { width: 200, height: 150, data }
    }

    #[test]
    fn a_crop_shows_the_square_below_the_box() {
        let area = crop_area(&Rect::new(50.0, 20.0, 80.0, 100.0));
        assert_eq!(area, Rect::new(40.0, 24.0, 100.0, 100.0));
        let crop = crop(&slope(), &Rect::new(50.0, 20.0, 80.0, 100.0));
        assert_eq!((crop.width, crop.height), (CROP_SIZE, CROP_SIZE));
        // The middle of the crop is the middle of the square.
        let [x, y, _] = crop.pixel(56, 56);
        assert!((i32::from(x) - 90).abs() <= 1 && (i32::from(y) - 74).abs() <= 1, "{x} {y}");
    }

    #[test]
    fn what_lies_outside_the_picture_is_black_and_the_rest_stays_in_place() {
        let crop = crop(&slope(), &Rect::new(-50.0, -4.48, 112.0, 112.0));
        assert_eq!(crop.pixel(49, 56), [0, 0, 0]);
        assert_eq!(crop.pixel(50, 56), [0, 56, 77]);
        assert_eq!(crop.pixel(111, 56), [61, 56, 77]);
    }

    #[test]
    fn boxes_far_outside_or_empty_give_black_crops() {
        let boxes = [
            Rect::new(1e9, 0.0, 50.0, 50.0),
            Rect::new(-500.0, -500.0, 50.0, 50.0),
            Rect::default(),
            Rect::new(f32::NAN, 0.0, 50.0, 50.0),
            Rect::new(0.0, 0.0, f32::INFINITY, 1.0),
        ];
        for bbox in boxes {
            assert_eq!(crop(&slope(), &bbox), RgbImage::black(CROP_SIZE, CROP_SIZE), "{bbox:?}");
        }
    }
}
