//! The crop of a face whose landmarks are known: turned upright, eyes and mouth at their places.
//!
//! A similarity transform (turn, scale, shift; no mirror, no shear) takes the five points as near as it can to those of
//! [`TEMPLATE`] (least squares; S. Umeyama, "Least-squares estimation of transformation parameters between two point
//! patterns", IEEE TPAMI 13 (1991)). On 43 frontal faces, by YuNet's landmarks, the tip of the nose lies 0.57 eye
//! distances below the eyes, the corners of the mouth 1.00 below and 0.82 apart, and the chin 1.76 below (1.64 to 1.90
//! for eight in ten): the template has these proportions. A square of 2.6 eye distances, its centre 0.55 below the
//! eyes, lays brows near row 15 and chin near row 108, as OpenFace's crops do (see [`mod@crate::crop`]); it ends 1.85
//! below, so that three chins of four are inside as a whole while the mouth is shut.
//!
//! The picture is first reduced to two pixels for one of the crop, antialiased, on a grid that turns and moves with the
//! face; each pixel of the crop is the mean of four places in it, read bilinearly. So nothing depends on where the
//! picture's own pixels lie, and slow motion stays smooth.

use affekt_core::RgbImage;
use affekt_nn::frames::{Turn, turn};
use candle_core::Device;
use rayon::prelude::*;

use crate::crop::CROP_SIZE;
use crate::resize::preview_part;
use crate::{Landmarks, Point, Rect};

/// Name of the recipe, for the feature spec; a change of any number in this file needs a new one.
pub const RECIPE: &str = "align-five-112-v1";

/// Distance of the eyes in the crop, in pixels.
const EYES: f32 = CROP_SIZE as f32 / 2.6;

/// How far the eyes lie above the crop's middle, in eye distances.
const ABOVE: f32 = 0.55;

const MIDDLE: f32 = CROP_SIZE as f32 / 2.0;

/// Where landmarks lie in the crop, in its pixels.
pub const TEMPLATE: Landmarks = [at(-0.5, 0.0), at(0.5, 0.0), at(0.0, 0.57), at(-0.41, 1.0), at(0.41, 1.0)];

/// A place in the crop, in eye distances from the point between the eyes.
const fn at(right: f32, down: f32) -> Point {
    Point { x: MIDDLE + right * EYES, y: MIDDLE + (down - ABOVE) * EYES }
}

/// Least spread of landmarks, as the root of their mean squared distance from their centre, in pixels.
const MIN_SPREAD: f64 = 0.5;

/// Least correlation of landmarks with the template: those of a face in profile have 0.8.
const MIN_AGREEMENT: f64 = 0.5;

/// Pixels of the reduced picture for one of the crop.
const FINE: usize = 2;

/// (x, y) becomes (`a` x - `b` y + `x`, `b` x + `a` y + `y`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    /// Scale times cosine of the angle.
    pub a: f64,
    /// Scale times sine of the angle.
    pub b: f64,
    /// Shift to the right.
    pub x: f64,
    /// Shift down.
    pub y: f64,
}

impl Similarity {
    /// The transform that takes `from` nearest to `to`; `None` where the points lie in one place, are no numbers or
    /// have nothing in common with `to`.
    pub fn fit(from: &Landmarks, to: &Landmarks) -> Option<Self> {
        let ((from_x, from_y), (to_x, to_y)) = (mean(from), mean(to));
        let (mut along, mut across, mut spread, mut wanted) = (0.0, 0.0, 0.0, 0.0);
        for (from, to) in from.iter().zip(to) {
            let (x, y) = (f64::from(from.x) - from_x, f64::from(from.y) - from_y);
            let (u, v) = (f64::from(to.x) - to_x, f64::from(to.y) - to_y);
            along += x * u + y * v;
            across += x * v - y * u;
            spread += x * x + y * y;
            wanted += u * u + v * v;
        }
        let agreement = along.hypot(across) / (spread * wanted).sqrt();
        // Written so that a NaN fails.
        let usable = spread >= from.len() as f64 * MIN_SPREAD * MIN_SPREAD && agreement >= MIN_AGREEMENT;
        if !usable || !spread.is_finite() {
            return None;
        }
        let (a, b) = (along / spread, across / spread);
        Some(Self { a, b, x: to_x - (a * from_x - b * from_y), y: to_y - (b * from_x + a * from_y) })
    }

    /// Where `point` comes to lie.
    pub fn apply(&self, point: Point) -> Point {
        let (x, y) = (f64::from(point.x), f64::from(point.y));
        Point { x: (self.a * x - self.b * y + self.x) as f32, y: (self.b * x + self.a * y + self.y) as f32 }
    }

    /// The way back.
    fn inverse(&self) -> Self {
        let square = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / square, -self.b / square);
        Self { a, b, x: -(a * self.x - b * self.y), y: -(b * self.x + a * self.y) }
    }

    fn scale(&self) -> f64 {
        self.a.hypot(self.b)
    }
}

fn mean(points: &Landmarks) -> (f64, f64) {
    let count = points.len() as f64;
    let sum = |value: fn(&Point) -> f32| points.iter().map(|point| f64::from(value(point))).sum::<f64>();
    (sum(|point| point.x) / count, sum(|point| point.y) / count)
}

/// The face with these landmarks, upright in 112 x 112 pixels, black outside the picture; `None` where the landmarks
/// are none of a face, see [`Similarity::fit`].
pub fn align(image: &RgbImage, landmarks: &Landmarks) -> Option<RgbImage> {
    let back = Similarity::fit(landmarks, &TEMPLATE)?.inverse();
    Some(match Reduced::around(image, &back) {
        Some(reduced) => reduced.turned(),
        None => RgbImage::black(CROP_SIZE, CROP_SIZE),
    })
}

/// [`align`] of several faces, the turning done on a card: the same bytes.
///
/// # Errors
/// What candle reports.
pub fn align_on(
    device: &Device,
    faces: &[(&RgbImage, &Landmarks)],
) -> candle_core::Result<Vec<Option<RgbImage>>> {
    let reduced = |(image, landmarks): &(&RgbImage, &Landmarks)| {
        let back = Similarity::fit(landmarks, &TEMPLATE)?.inverse();
        Some(Reduced::around(image, &back))
    };
    let reduced: Vec<Option<Option<Reduced>>> = faces.par_iter().map(reduced).collect();
    let shown: Vec<Turn> = reduced.iter().flatten().flatten().map(Reduced::turn).collect();
    let crops = if shown.is_empty() { Vec::new() } else { turn(&shown, CROP_SIZE, device)? };
    let mut crops = crops.chunks_exact(3 * CROP_SIZE * CROP_SIZE);
    let mut crop = |shows: &Option<Reduced>| match shows.as_ref().and_then(|_| crops.next()) {
        Some(data) => RgbImage { width: CROP_SIZE, height: CROP_SIZE, data: data.to_vec() },
        None => RgbImage::black(CROP_SIZE, CROP_SIZE),
    };
    Ok(reduced.iter().map(|fitted| fitted.as_ref().map(&mut crop)).collect())
}

/// The part of a picture that a crop may show, reduced to [`FINE`] pixels for one of the crop.
struct Reduced {
    image: RgbImage,
    /// From pixels of the crop to those of `image`.
    way: Similarity,
    /// The picture's borders, in pixels of `image`.
    borders: Rect,
}

impl Reduced {
    /// `back` leads from the crop to the picture. `None` where nothing of the picture shows.
    fn around(image: &RgbImage, back: &Similarity) -> Option<Self> {
        let step = back.scale() / FINE as f64;
        let middle = back.apply(Point { x: MIDDLE, y: MIDDLE });
        let (x, y) = (f64::from(middle.x), f64::from(middle.y));
        // The turned square reaches so far from its middle, in steps, and one more for reading between pixels.
        let turned = (back.a.abs() + back.b.abs()) / back.scale();
        let reach = (f64::from(MIDDLE) * FINE as f64 * turned).ceil() + 1.0;
        let columns = whole_steps(x - reach * step, step, 2.0 * reach, image.width)?;
        let rows = whole_steps(y - reach * step, step, 2.0 * reach, image.height)?;
        let part = (columns.0, rows.0, columns.1 as f64 * step, rows.1 as f64 * step);
        let way = Similarity {
            a: back.a / step,
            b: back.b / step,
            x: (back.x - columns.0) / step,
            y: (back.y - rows.0) / step,
        };
        let borders = Rect::new(
            (-columns.0 / step) as f32,
            (-rows.0 / step) as f32,
            (image.width as f64 / step) as f32,
            (image.height as f64 / step) as f32,
        );
        Some(Self { image: preview_part(image, part, columns.1, rows.1), way, borders })
    }

    /// What a card needs to make the crop.
    fn turn(&self) -> Turn<'_> {
        let Similarity { a, b, x, y } = self.way;
        Turn {
            size: (self.image.width, self.image.height),
            data: &self.image.data,
            way: [a, b, x, y],
            borders: [self.borders.x, self.borders.y, self.borders.right(), self.borders.bottom()],
        }
    }

    /// The crop.
    fn turned(&self) -> RgbImage {
        let mut crop = RgbImage::black(CROP_SIZE, CROP_SIZE);
        for (index, pixel) in crop.data.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let (u, v) = ((index % CROP_SIZE) as f32, (index / CROP_SIZE) as f32);
            let mut sum = [0.0; 3];
            for (right, down) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
                let place = self.way.apply(Point { x: u + right, y: v + down });
                self.add(place, &mut sum);
            }
            *pixel = sum.map(|sum| (sum / 4.0 + 0.5) as u8);
        }
        crop
    }

    /// Adds the colour at `place`, darker by how much of its pixel lies beyond the borders.
    fn add(&self, place: Point, sum: &mut [f32; 3]) {
        let inside =
            |at: f32, from: f32, to: f32| (at - from + 0.5).clamp(0.0, 1.0) * (to - at + 0.5).clamp(0.0, 1.0);
        let shown = inside(place.x, self.borders.x, self.borders.right())
            * inside(place.y, self.borders.y, self.borders.bottom());
        if shown <= 0.0 {
            return;
        }
        let (width, height) = (self.image.width, self.image.height);
        let x = (place.x - 0.5).clamp(0.0, (width - 1) as f32);
        let y = (place.y - 0.5).clamp(0.0, (height - 1) as f32);
        let (left, top) = (x as usize, y as usize);
        let (across, down) = (x - left as f32, y - top as f32);
        let (right, bottom) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
        let corners = [
            (left, top, (1.0 - across) * (1.0 - down)),
            (right, top, across * (1.0 - down)),
            (left, bottom, (1.0 - across) * down),
            (right, bottom, across * down),
        ];
        for (x, y, weight) in corners {
            let at = 3 * (y * width + x);
            for (sum, &value) in sum.iter_mut().zip(&self.image.data[at..at + 3]) {
                *sum += f32::from(value) * weight * shown;
            }
        }
    }
}

/// Of `count` steps of length `step` from `from` on, those that lie wholly within 0 to `extent`: where the first
/// begins, and how many. `None` where there is none.
fn whole_steps(from: f64, step: f64, count: f64, extent: usize) -> Option<(f64, usize)> {
    let first = (-from / step).ceil().clamp(0.0, count);
    let last = ((extent as f64 - from) / step).floor().clamp(0.0, count);
    (last > first).then_some((from + first * step, (last - first) as usize))
}
