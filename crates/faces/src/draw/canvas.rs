//! Drawing on an RGB picture. Whatever lies outside the picture is cut off.

use affekt_core::RgbImage;

use crate::Rect;

/// Red, green, blue.
pub type Colour = [u8; 3];

/// Width and height of a letter in pixels, at scale 1.
pub const LETTER: usize = 8;

/// Fills the rectangle with its top left corner at (`x`, `y`).
pub fn fill(image: &mut RgbImage, x: i64, y: i64, width: i64, height: i64, colour: Colour) {
    let clip = |at: i64, extent: usize| at.clamp(0, extent as i64) as usize;
    let (left, right) = (clip(x, image.width), clip(x + width, image.width));
    let (top, bottom) = (clip(y, image.height), clip(y + height, image.height));
    for row in top..bottom {
        let line = &mut image.data[3 * row * image.width..][3 * left..3 * right.max(left)];
        line.as_chunks_mut().0.fill(colour);
    }
}

/// Draws the border of `rect`, `thickness` pixels wide, inwards from its edges.
pub fn outline(image: &mut RgbImage, rect: &Rect, thickness: i64, colour: Colour) {
    let (x, y) = (rect.x.round() as i64, rect.y.round() as i64);
    let (width, height) = (rect.width.round() as i64, rect.height.round() as i64);
    fill(image, x, y, width, thickness, colour);
    fill(image, x, y + height - thickness, width, thickness, colour);
    fill(image, x, y, thickness, height, colour);
    fill(image, x + width - thickness, y, thickness, height, colour);
}

/// Writes one line of ASCII, letters of 8 x 8 pixels times `scale`; other characters appear as `?`.
pub fn text(image: &mut RgbImage, x: i64, y: i64, scale: i64, colour: Colour, line: &str) {
    for (index, letter) in line.chars().enumerate() {
        let code = if letter.is_ascii() { letter as usize } else { '?' as usize };
        let left = x + index as i64 * LETTER as i64 * scale;
        for (row, bits) in font8x8::legacy::BASIC_LEGACY[code].iter().enumerate() {
            for column in (0..LETTER as i64).filter(|column| bits >> column & 1 == 1) {
                fill(image, left + column * scale, y + row as i64 * scale, scale, scale, colour);
            }
        }
    }
}

/// Writes `line` with letters times `scale` on a plate of the colour `plate`, two pixels larger on each side.
pub fn label(image: &mut RgbImage, x: i64, y: i64, scale: i64, plate: Colour, colour: Colour, line: &str) {
    let width = line.chars().count() as i64 * LETTER as i64 * scale;
    fill(image, x, y, width + 4, LETTER as i64 * scale + 4, plate);
    text(image, x + 2, y + 2, scale, colour, line);
}

/// Lays `picture` over `image` with its top left corner at (`x`, `y`).
pub fn paste(image: &mut RgbImage, picture: &RgbImage, x: usize, y: usize) {
    let width = picture.width.min(image.width.saturating_sub(x));
    let height = picture.height.min(image.height.saturating_sub(y));
    for row in 0..height {
        let from = &picture.data[3 * row * picture.width..][..3 * width];
        let at = 3 * ((y + row) * image.width + x);
        image.data[at..at + from.len()].copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: Colour = [255; 3];

    fn count(image: &RgbImage) -> usize {
        image.data.as_chunks().0.iter().filter(|&&pixel| pixel == WHITE).count()
    }

    #[test]
    fn everything_is_cut_at_the_edges() {
        let mut image = RgbImage::black(20, 10);
        fill(&mut image, -5, -5, 10, 10, WHITE);
        assert_eq!(count(&image), 25);
        outline(&mut image, &Rect::new(-1e6, -1e6, 3e6, 3e6), 2, WHITE);
        text(&mut image, 15, 8, 1, WHITE, "W\u{e9}");
        paste(&mut image, &RgbImage::black(50, 50), 19, 9);
        paste(&mut image, &RgbImage::black(50, 50), 99, 99);
        assert_eq!(image.data.len(), 600);
    }

    #[test]
    fn an_outline_is_hollow() {
        let mut image = RgbImage::black(20, 10);
        outline(&mut image, &Rect::new(2.0, 2.0, 6.0, 5.0), 1, WHITE);
        assert_eq!(count(&image), 2 * 6 + 2 * 3);
        assert_eq!(image.pixel(4, 4), [0, 0, 0]);
    }

    #[test]
    fn letters_read_from_left_to_right() {
        let mut image = RgbImage::black(8, 8);
        text(&mut image, 0, 0, 1, WHITE, "L");
        let left: usize = (0..8).filter(|&y| image.pixel(1, y) == WHITE).count();
        let right: usize = (0..8).filter(|&y| image.pixel(6, y) == WHITE).count();
        assert!(left > right, "{left} {right}");
    }
}
