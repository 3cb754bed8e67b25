//! From a decoded picture in whatever pixel format to upright RGB with square pixels.

use affekt_core::RgbImage;
use ffmpeg_next::color::{Range, Space};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::software::scaling::{Context as Scaler, Flags};
use ffmpeg_next::{Error, Rational, frame};

use crate::yuv::{self, Chroma, Coefficients, Matrix, Plane};
use crate::{ffi, interlace};

/// Pictures of more pixels than this come reduced: an 8K frame would take 100 MB, and shows faces no better.
pub(crate) const LARGE: usize = 4_096 * 2_304;
/// From this height or width on, film without a colour tag is taken for high definition: BT.709, not BT.601.
const HIGH_DEFINITION: (u32, u32) = (1280, 720);

/// How a stored picture must be turned to be upright: first mirrored along its diagonal, then along the two axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Orientation {
    transposed: bool,
    flip_x: bool,
    flip_y: bool,
}

impl Orientation {
    pub(crate) const UPRIGHT: Self = Self { transposed: false, flip_x: false, flip_y: false };

    /// From a display matrix: nine 32-bit numbers in the machine's byte order, (a, b, u; c, d, v; x, y, w), which send
    /// the stored point (x, y) to (a x + c y, b x + d y). Angles are rounded to quarter turns.
    pub(crate) fn from_display_matrix(bytes: &[u8]) -> Self {
        let entry = |index: usize| {
            let bytes = bytes.get(4 * index..4 * index + 4).and_then(|bytes| bytes.try_into().ok());
            i64::from(bytes.map_or(0, i32::from_ne_bytes))
        };
        let (a, b, c, d) = (entry(0), entry(1), entry(3), entry(4));
        if b.abs() + c.abs() > a.abs() + d.abs() {
            Self { transposed: true, flip_x: c < 0, flip_y: b < 0 }
        } else {
            Self { transposed: false, flip_x: a < 0, flip_y: d < 0 }
        }
    }

    /// Width and height after turning.
    pub(crate) fn displayed(self, (width, height): (usize, usize)) -> (usize, usize) {
        if self.transposed { (height, width) } else { (width, height) }
    }

    /// Copies RGB rows of `stride` bytes, `width` by `height` pixels, into an upright picture.
    fn apply(self, rows: &[u8], stride: usize, width: usize, height: usize) -> RgbImage {
        let (out_width, out_height) = self.displayed((width, height));
        let mut data = Vec::with_capacity(3 * width * height);
        for y in 0..out_height {
            let y = if self.flip_y { out_height - 1 - y } else { y };
            if !self.transposed && !self.flip_x {
                data.extend_from_slice(&rows[y * stride..y * stride + 3 * width]);
                continue;
            }
            for x in 0..out_width {
                let x = if self.flip_x { out_width - 1 - x } else { x };
                let at = if self.transposed { x * stride + 3 * y } else { y * stride + 3 * x };
                data.extend_from_slice(&rows[at..at + 3]);
            }
        }
        RgbImage { width: out_width, height: out_height, data }
    }
}

/// Width and height with square pixels: the height stays, as players show it. Shapes beyond 8 to 1 are taken for errors.
pub(crate) fn squared(width: usize, height: usize, shape: Option<Rational>) -> (usize, usize) {
    let ratio = shape.map_or(1.0, f64::from);
    let ratio = if (0.125..=8.0).contains(&ratio) { ratio } else { 1.0 };
    (((width as f64 * ratio).round() as usize).max(1), height)
}

/// [`squared`], and reduced to [`LARGE`] where there are more pixels.
pub(crate) fn handy(width: usize, height: usize, shape: Option<Rational>) -> (usize, usize) {
    let (width, height) = squared(width, height, shape);
    let excess = (width as f64 * height as f64 / LARGE as f64).sqrt();
    if excess <= 1.0 {
        return (width, height);
    }
    let reduced = |side: usize| ((side as f64 / excess).floor() as usize).max(1);
    (reduced(width), reduced(height))
}

/// Converts one picture after the other: those in the common formats by [`yuv`], where they keep their size; others by
/// FFmpeg, whose scaler and buffer are kept as long as the pictures are alike.
pub(crate) struct Painter {
    orientation: Orientation,
    shape: Option<Rational>,
    scaler: Option<(Look, Scaler)>,
    rgb: frame::Video,
}

/// All that decides how a picture is converted.
#[derive(Clone, Copy, PartialEq)]
struct Look {
    format: Pixel,
    width: u32,
    height: u32,
    space: Space,
    full_range: bool,
}

impl Painter {
    /// For film that lies as `orientation` says, with pixels of `shape` (`None`: square).
    pub(crate) fn new(orientation: Orientation, shape: Option<Rational>) -> Self {
        Self { orientation, shape, scaler: None, rgb: frame::Video::empty() }
    }

    /// Converts `picture`.
    pub(crate) fn paint(&mut self, picture: &frame::Video) -> Result<RgbImage, Error> {
        let look = Look::of(picture);
        let size = (look.width as usize, look.height as usize);
        let unscaled = handy(size.0, size.1, self.shape) == size;
        let Some(mut rows) = unscaled.then(|| look.rows(picture)).flatten() else {
            return self.scale(picture, look);
        };
        let (width, height) = size;
        if picture.is_interlaced() {
            interlace::smooth(&mut rows, 3 * width, width, height, picture.is_top_first());
        }
        if self.orientation == Orientation::UPRIGHT {
            return Ok(RgbImage { width, height, data: rows });
        }
        Ok(self.orientation.apply(&rows, 3 * width, width, height))
    }

    /// Converts `picture` whatever its format and shape.
    fn scale(&mut self, picture: &frame::Video, look: Look) -> Result<RgbImage, Error> {
        if self.scaler.as_ref().is_none_or(|(known, _)| *known != look) {
            self.scaler = Some((look, self.scaler_for(look)?));
            self.rgb = frame::Video::empty();
        }
        let (_, scaler) = self.scaler.as_mut().expect("a scaler was just made where there was none");
        scaler.run(picture, &mut self.rgb)?;
        let (width, height) = (self.rgb.width() as usize, self.rgb.height() as usize);
        if picture.is_interlaced() && self.rgb.height() == picture.height() {
            let stride = self.rgb.stride(0);
            interlace::smooth(self.rgb.data_mut(0), stride, width, height, picture.is_top_first());
        }
        Ok(self.orientation.apply(self.rgb.data(0), self.rgb.stride(0), width, height))
    }

    fn scaler_for(&self, look: Look) -> Result<Scaler, Error> {
        let (width, height) = handy(look.width as usize, look.height as usize, self.shape);
        let (width, height) = (width as u32, height as u32);
        let flags = Flags::BILINEAR | Flags::ACCURATE_RND | Flags::FULL_CHR_H_INT;
        let mut scaler =
            Scaler::get(look.format, look.width, look.height, Pixel::RGB24, width, height, flags)?;
        ffi::set_colours(&mut scaler, look.space, look.full_range);
        Ok(scaler)
    }
}

impl Look {
    fn of(picture: &frame::Video) -> Self {
        let (width, height) = (picture.width(), picture.height());
        let high_definition = width >= HIGH_DEFINITION.0 || height >= HIGH_DEFINITION.1;
        let space = match picture.color_space() {
            Space::Unspecified | Space::Reserved if high_definition => Space::BT709,
            space => space,
        };
        let full_range = picture.color_range() == Range::JPEG;
        Self { format: picture.format(), width, height, space, full_range }
    }

    /// RGB rows, without gaps, of a picture in one of the common formats; `None` for all others.
    fn rows(self, picture: &frame::Video) -> Option<Vec<u8>> {
        let (halved_x, halved_y) = match self.format {
            Pixel::YUV420P | Pixel::YUVJ420P | Pixel::NV12 => (true, true),
            Pixel::YUV422P | Pixel::YUVJ422P => (true, false),
            Pixel::YUV444P | Pixel::YUVJ444P => (false, false),
            _ => return None,
        };
        let plane = |index| {
            let stride = (index < picture.planes()).then(|| picture.stride(index))?;
            // Rows that are stored from the bottom up have a negative distance, which here comes as a huge number.
            isize::try_from(stride).ok()?;
            Some(Plane { data: picture.data(index), stride })
        };
        let chroma = match self.format {
            Pixel::NV12 => Chroma::Interleaved(plane(1)?),
            _ => Chroma::Planar(plane(1)?, plane(2)?),
        };
        let picture = yuv::Picture {
            width: self.width as usize,
            height: self.height as usize,
            luma: plane(0)?,
            chroma,
            halved_x,
            halved_y,
            interlaced: picture.is_interlaced(),
        };
        yuv::to_rgb(&picture, &self.coefficients())
    }

    fn coefficients(self) -> Coefficients {
        let matrix = match self.space {
            Space::BT709 => Matrix::BT709,
            Space::FCC => Matrix::FCC,
            Space::SMPTE240M => Matrix::SMPTE240M,
            Space::BT2020NCL | Space::BT2020CL => Matrix::BT2020,
            _ => Matrix::BT601,
        };
        let always_full = matches!(self.format, Pixel::YUVJ420P | Pixel::YUVJ422P | Pixel::YUVJ444P);
        Coefficients::new(matrix, self.full_range || always_full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(a: i32, b: i32, c: i32, d: i32) -> Orientation {
        let one = 1 << 16;
        let entries = [a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30];
        Orientation::from_display_matrix(&entries.map(i32::to_ne_bytes).concat())
    }

    /// A 3x2 picture whose pixels are numbered 1 2 3 / 4 5 6, turned; row by row.
    fn turned(orientation: Orientation) -> Vec<u8> {
        let rows: Vec<u8> = (1..=6).flat_map(|n| [n; 3]).collect();
        let image = orientation.apply(&rows, 9, 3, 2);
        assert_eq!((image.width, image.height), orientation.displayed((3, 2)));
        image.data.chunks(3).map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn all_eight_positions_become_upright() {
        assert_eq!(turned(matrix(1, 0, 0, 1)), [1, 2, 3, 4, 5, 6]);
        assert_eq!(turned(matrix(-1, 0, 0, 1)), [3, 2, 1, 6, 5, 4]);
        assert_eq!(turned(matrix(1, 0, 0, -1)), [4, 5, 6, 1, 2, 3]);
        assert_eq!(turned(matrix(-1, 0, 0, -1)), [6, 5, 4, 3, 2, 1]);
        // A quarter turn clockwise: (x, y) goes to (-y, x).
        assert_eq!(turned(matrix(0, 1, -1, 0)), [4, 1, 5, 2, 6, 3]);
        assert_eq!(turned(matrix(0, -1, 1, 0)), [3, 6, 2, 5, 1, 4]);
        assert_eq!(turned(matrix(0, 1, 1, 0)), [1, 4, 2, 5, 3, 6]);
        assert_eq!(turned(matrix(0, -1, -1, 0)), [6, 3, 5, 2, 4, 1]);
    }

    #[test]
    fn colours_are_those_of_the_scaler() {
        ffi::quiet();
        let formats = [
            Pixel::YUV420P,
            Pixel::YUVJ420P,
            Pixel::NV12,
            Pixel::YUV422P,
            Pixel::YUVJ422P,
            Pixel::YUV444P,
            Pixel::YUVJ444P,
        ];
        let spaces = [
            Space::Unspecified,
            Space::BT709,
            Space::FCC,
            Space::BT470BG,
            Space::SMPTE170M,
            Space::SMPTE240M,
            Space::BT2020NCL,
            Space::BT2020CL,
            Space::YCGCO,
        ];
        let ranges = [Range::Unspecified, Range::MPEG, Range::JPEG];
        for (format, width) in formats.into_iter().flat_map(|format| [(format, 64), (format, 1_280)]) {
            let mut picture = frame::Video::new(format, width, 16);
            // All rows alike, as the scaler mixes rows of chroma otherwise.
            for plane in 0..picture.planes() {
                let (stride, step) = (picture.stride(plane), [37, 61, 89][plane]);
                let columns = (0..stride).cycle().zip(picture.data_mut(plane));
                columns.for_each(|(column, byte)| *byte = 16 + (column * step % 220) as u8);
            }
            for (space, range) in spaces.into_iter().flat_map(|space| ranges.map(|range| (space, range))) {
                picture.set_color_space(space);
                picture.set_color_range(range);
                let mut painter = Painter::new(Orientation::UPRIGHT, None);
                let ours = painter.paint(&picture).expect("a whole picture");
                assert!(painter.scaler.is_none(), "{format:?} is a common format");
                let theirs = painter.scale(&picture, Look::of(&picture)).expect("a whole picture");
                let apart =
                    ours.data.iter().zip(&theirs.data).map(|(ours, theirs)| ours.abs_diff(*theirs)).max();
                assert!(apart <= Some(1), "{format:?} {space:?} {range:?}: {apart:?}");
            }
        }
    }

    #[test]
    fn pixels_become_square_at_the_same_height() {
        assert_eq!(squared(720, 576, Some(Rational(16, 15))), (768, 576));
        assert_eq!(squared(720, 480, Some(Rational(8, 9))), (640, 480));
        assert_eq!(squared(720, 480, None), (720, 480));
        assert_eq!(squared(720, 480, Some(Rational(1, 1000))), (720, 480));
    }

    #[test]
    fn huge_pictures_are_reduced() {
        assert_eq!(handy(3_840, 2_160, None), (3_840, 2_160));
        assert_eq!(handy(7_680, 4_320, None), (4_096, 2_304));
        assert_eq!(handy(8_192, 8_192, None), (3_072, 3_072));
    }
}
