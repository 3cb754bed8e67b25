//! Pictures in time.

use crate::Seconds;

/// An 8-bit RGB picture, rows top to bottom without padding: `data.len() == 3 * width * height`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RgbImage {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// R, G, B of each pixel.
    pub data: Vec<u8>,
}

impl RgbImage {
    /// A black picture.
    pub fn black(width: usize, height: usize) -> Self {
        Self { width, height, data: vec![0; 3 * width * height] }
    }

    /// R, G, B at column `x` and row `y`; panics outside the picture.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * self.width + x);
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }
}

/// A decoded video frame, upright and with square pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Count of frames in the decoded span before this one.
    pub index: usize,
    /// Presentation time from the start of the recording.
    pub time: Seconds,
    /// The picture.
    pub image: RgbImage,
}
