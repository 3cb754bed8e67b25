//! The converter for the common pixel formats against swscale in the same process, and against arithmetic in f64.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::c_int;
use std::path::Path;

use affekt_media::yuv::{Chroma, Coefficients, Matrix, Picture, Plane, to_rgb};
use affekt_testkit::realdata;
use ffmpeg_next::ffi;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling::{Context, Flags};

/// A matrix with the name that swscale gives it, and its weights of red and blue.
const MATRICES: [(Matrix, c_int, f64, f64); 5] = [
    (Matrix::BT601, ffi::SWS_CS_ITU601 as c_int, 0.299, 0.114),
    (Matrix::BT709, ffi::SWS_CS_ITU709 as c_int, 0.2126, 0.0722),
    (Matrix::BT2020, ffi::SWS_CS_BT2020 as c_int, 0.2627, 0.0593),
    (Matrix::FCC, ffi::SWS_CS_FCC as c_int, 0.30, 0.11),
    (Matrix::SMPTE240M, ffi::SWS_CS_SMPTE240M as c_int, 0.212, 0.087),
];

/// Random bytes, the same in every run.
fn noise(seed: u32) -> impl FnMut() -> u8 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    }
}

/// Noise within the levels of television, beyond which swscale's sums of 32 bits may overflow.
fn noisy(format: Pixel, width: u32, height: u32) -> Video {
    let (mut frame, mut next) = (Video::new(format, width, height), noise(width * height));
    for plane in 0..frame.planes() {
        frame.data_mut(plane).fill_with(|| 16 + (u16::from(next()) * 220 / 256) as u8);
    }
    frame
}

fn picture(frame: &Video) -> Picture<'_> {
    let plane = |index| Plane { data: frame.data(index), stride: frame.stride(index) };
    let format = frame.format();
    let chroma = match format {
        Pixel::NV12 => Chroma::Interleaved(plane(1)),
        _ => Chroma::Planar(plane(1), plane(2)),
    };
    Picture {
        width: frame.width() as usize,
        height: frame.height() as usize,
        luma: plane(0),
        chroma,
        halved_x: format != Pixel::YUV444P,
        halved_y: matches!(format, Pixel::YUV420P | Pixel::NV12),
        interlaced: false,
    }
}

/// swscale with accurate rounding and interpolated chroma, to `Pixel::RGB24` or `Pixel::GBRP`; as RGB either way. Up to
/// FFmpeg 5.1 at least, its rows of RGB24 mix two chroma rows half and half or not at all; those of GBRP weigh them.
fn swscale(frame: &Video, matrix: c_int, full_range: bool, to: Pixel) -> Vec<u8> {
    let flags = Flags::BILINEAR | Flags::ACCURATE_RND | Flags::FULL_CHR_H_INT;
    let (width, height) = (frame.width(), frame.height());
    let mut scaler = Context::get(frame.format(), width, height, to, width, height, flags).unwrap();
    let (one, mut rgb) = (1 << 16, Video::empty());
    // SAFETY: the scaler is initialised; the tables are static.
    let code = unsafe {
        let table = ffi::sws_getCoefficients(matrix);
        let full = c_int::from(full_range);
        ffi::sws_setColorspaceDetails(scaler.as_mut_ptr(), table, full, table, 1, 0, one, one)
    };
    assert!(code >= 0);
    scaler.run(frame, &mut rgb).unwrap();
    let rows = |plane, bytes| rgb.data(plane).chunks(rgb.stride(plane)).flat_map(move |row| &row[..bytes]);
    let width = width as usize;
    match to {
        Pixel::GBRP => {
            let pixels = rows(2, width).zip(rows(0, width)).zip(rows(1, width));
            pixels.flat_map(|((r, g), b)| [*r, *g, *b]).collect()
        }
        _ => rows(0, 3 * width).copied().collect(),
    }
}

/// How often bytes are how far apart.
struct Apart([usize; 256]);

impl Apart {
    fn of(ours: &[u8], theirs: &[u8]) -> Self {
        assert_eq!(ours.len(), theirs.len());
        let mut counts = [0; 256];
        ours.iter().zip(theirs).for_each(|(a, b)| counts[usize::from(a.abs_diff(*b))] += 1);
        Self(counts)
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
    }

    fn max(&self) -> usize {
        self.0.iter().rposition(|count| *count > 0).unwrap_or(0)
    }

    fn mean(&self) -> f64 {
        let sum: usize = (0..).zip(self.0).map(|(apart, count): (usize, _)| apart * count).sum();
        sum as f64 / self.0.iter().sum::<usize>() as f64
    }

    /// Part of the bytes that are more than `limit` apart.
    fn over(&self, limit: usize) -> f64 {
        self.0[limit + 1..].iter().sum::<usize>() as f64 / self.0.iter().sum::<usize>() as f64
    }
}

#[test]
fn noise_equals_that_of_swscale() {
    for format in [Pixel::YUV420P, Pixel::NV12, Pixel::YUV422P, Pixel::YUV444P] {
        let frame = noisy(format, 322, 180);
        for (matrix, name, ..) in MATRICES {
            for full in [false, true] {
                let ours = to_rgb(&picture(&frame), &Coefficients::new(matrix, full)).unwrap();
                let apart = Apart::of(&ours, &swscale(&frame, name, full, Pixel::GBRP));
                let told = format!("{format:?} {matrix:?} {full}: {}", apart.mean());
                // Where they differ, swscale has cut a coefficient for the full range instead of rounding it.
                assert!(apart.max() <= 1 && apart.mean() < 0.003, "{told}");
            }
        }
    }
}

/// The sample at a place between two, whose indices are kept within those that there are.
fn between(place: f64, count: usize, sample: impl Fn(usize) -> f64) -> f64 {
    let (low, part) = (place.floor(), place - place.floor());
    let at = |index: f64| sample((index.max(0.0) as usize).min(count - 1));
    at(low) * (1.0 - part) + at(low + 1.0) * part
}

/// By the book, in f64, without rounding: red, green and blue of each pixel.
fn by_the_book(picture: &Picture<'_>, (red, blue): (f64, f64), full_range: bool) -> Vec<f64> {
    let rows = if picture.halved_y { picture.height.div_ceil(2) } else { picture.height };
    let samples = if picture.halved_x { picture.width.div_ceil(2) } else { picture.width };
    let (black, luma, chroma) = if full_range { (0.0, 255.0, 255.0) } else { (16.0, 219.0, 224.0) };
    let pixel = |x: usize, y: usize| {
        let place_x = if picture.halved_x { (x as f64 - 0.5) / 2.0 } else { x as f64 };
        let (first, step, place_y) = match (picture.halved_y, picture.interlaced && rows > 1) {
            (false, _) => (0, 1, y as f64),
            (true, false) => (0, 1, (y as f64 - 0.5) / 2.0),
            (true, true) => (y % 2, 2, ((y / 2) as f64 - [0.25, 0.75][y % 2]) / 2.0),
        };
        let at = |component: usize| {
            between(place_y, (rows - first).div_ceil(step), |row| {
                between(place_x, samples, |column| {
                    let row = first + row * step;
                    f64::from(match picture.chroma {
                        Chroma::Planar(u, v) => {
                            [u, v][component].data[row * [u, v][component].stride + column]
                        }
                        Chroma::Interleaved(uv) => uv.data[row * uv.stride + 2 * column + component],
                    })
                })
            })
        };
        let y = (f64::from(picture.luma.data[y * picture.luma.stride + x]) - black) / luma;
        let (u, v) = ((at(0) - 128.0) / chroma, (at(1) - 128.0) / chroma);
        let (r, b) = (y + 2.0 * (1.0 - red) * v, y + 2.0 * (1.0 - blue) * u);
        [r, (y - red * r - blue * b) / (1.0 - red - blue), b].map(|level| (255.0 * level).clamp(0.0, 255.0))
    };
    (0..picture.height).flat_map(|y| (0..picture.width).flat_map(move |x| pixel(x, y))).collect()
}

#[test]
fn any_size_is_as_by_the_book() {
    let mut next = noise(1);
    let kinds = [(true, true, false), (true, true, true), (true, false, true), (false, false, false)];
    for (width, height) in
        [(1, 1), (1, 2), (2, 1), (2, 3), (3, 2), (5, 4), (7, 7), (64, 6), (67, 9), (131, 35)]
    {
        for (halved_x, halved_y, interlaced) in kinds {
            for (interleaved, full) in [(false, false), (false, true), (true, false)] {
                let samples = if halved_x { usize::div_ceil(width, 2) } else { width };
                let rows = if halved_y { usize::div_ceil(height, 2) } else { height };
                // Rows a little apart, and nothing after the last.
                let mut filled = |width, height| {
                    let stride = width + height % 5;
                    let data: Vec<u8> = (0..stride * (height - 1) + width).map(|_| next()).collect();
                    (data, stride)
                };
                let (luma, u, v) = (filled(width, height), filled(samples, rows), filled(samples, rows));
                let uv = filled(2 * samples, rows);
                let chroma = if interleaved {
                    Chroma::Interleaved(Plane { data: &uv.0, stride: uv.1 })
                } else {
                    Chroma::Planar(Plane { data: &u.0, stride: u.1 }, Plane { data: &v.0, stride: v.1 })
                };
                let luma = Plane { data: &luma.0, stride: luma.1 };
                let picture = Picture { width, height, luma, chroma, halved_x, halved_y, interlaced };
                for (matrix, _, red, blue) in MATRICES {
                    let ours = to_rgb(&picture, &Coefficients::new(matrix, full)).unwrap();
                    let exact = by_the_book(&picture, (red, blue), full);
                    assert_eq!(ours.len(), exact.len());
                    let apart = ours.iter().zip(&exact).map(|(ours, exact)| (f64::from(*ours) - exact).abs());
                    let worst = apart.fold(0.0, f64::max);
                    assert!(worst < 0.53, "{width} x {height}, {picture:?}: {worst}");
                }
            }
        }
    }
}

#[test]
fn a_plane_that_is_too_small_is_refused() {
    let (bytes, coefficients) = ([128; 64], Coefficients::new(Matrix::BT709, false));
    let plane = |length, stride| Plane { data: &bytes[..length], stride };
    let convert = |width, height, luma, chroma| {
        let (halved_x, halved_y) = (true, true);
        let picture = Picture { width, height, luma, chroma, halved_x, halved_y, interlaced: false };
        to_rgb(&picture, &coefficients)
    };
    let whole = Chroma::Planar(plane(16, 4), plane(16, 4));
    assert_eq!(convert(8, 8, plane(64, 8), whole).unwrap().len(), 3 * 64);
    assert_eq!(convert(8, 8, plane(63, 8), whole), None);
    assert_eq!(convert(8, 8, plane(64, 7), whole), None);
    assert_eq!(convert(8, 8, plane(64, usize::MAX), whole), None);
    assert_eq!(convert(8, 8, plane(64, 8), Chroma::Planar(plane(16, 4), plane(15, 4))), None);
    assert_eq!(convert(8, 8, plane(64, 8), Chroma::Interleaved(plane(31, 8))), None);
    assert_eq!(convert(0, 8, plane(64, 8), whole), None);
    assert_eq!(convert(8, 0, plane(64, 8), whole), None);
}

/// The pictures of a film as FFmpeg decodes them, in the common format.
fn pictures(path: &Path) -> Vec<Video> {
    let mut input = ffmpeg_next::format::input(path).unwrap();
    let stream = input.streams().best(ffmpeg_next::media::Type::Video).unwrap();
    let (index, parameters) = (stream.index(), stream.parameters());
    let mut decoder =
        ffmpeg_next::codec::Context::from_parameters(parameters).unwrap().decoder().video().unwrap();
    let mut pictures = Vec::new();
    for (_, packet) in input.packets().filter(|(stream, _)| stream.index() == index).take(40) {
        decoder.send_packet(&packet).unwrap();
        let mut picture = Video::empty();
        while decoder.receive_frame(&mut picture).is_ok() {
            pictures.push(std::mem::replace(&mut picture, Video::empty()));
        }
    }
    pictures.retain(|picture| picture.format() == Pixel::YUV420P && picture.width().is_multiple_of(2));
    pictures
}

#[test]
fn real_films_equal_those_of_swscale() {
    for folder in ["video", "video_awkward"] {
        let Some(files) = realdata::files(folder, &["mp4", "mov", "mpg"]) else { return };
        for path in files {
            let (mut weighed, mut rough) = (Apart([0; 256]), Apart([0; 256]));
            for frame in pictures(&path) {
                let ours = to_rgb(&picture(&frame), &Coefficients::new(Matrix::BT709, false)).unwrap();
                let theirs = |to| swscale(&frame, ffi::SWS_CS_ITU709 as c_int, false, to);
                weighed.add(&Apart::of(&ours, &theirs(Pixel::GBRP)));
                rough.add(&Apart::of(&ours, &theirs(Pixel::RGB24)));
            }
            assert!(weighed.max() <= 1 && weighed.mean() < 0.003, "{}: {}", path.display(), weighed.mean());
            assert!(rough.mean() < 0.5 && rough.over(1) < 0.07, "{}: {}", path.display(), rough.mean());
        }
    }
}
