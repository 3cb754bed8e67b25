//! Faces on a frame: boxes, landmarks, scores that do not hide each other.

use affekt_core::RgbImage;

use super::canvas::{Colour, LETTER, fill, label, outline};
use crate::{FaceTrack, Mark, Point, Rect};

/// The speaker's colour.
pub(super) const SPEAKER: Colour = [40, 220, 90];
/// Tracks that were not chosen.
pub(super) const OTHER: Colour = [255, 180, 40];
/// Faces that were not followed.
pub(super) const NOT_FOLLOWED: Colour = [190, 190, 190];
/// Landmarks.
pub(super) const LANDMARK: Colour = [255, 70, 200];

const BLACK: Colour = [0; 3];

/// From this length on of a frame's longer side, letters are twice as large.
const LARGE: usize = 480;

/// Scores of others are written where their boxes are so many letters wide, so that crowds stay readable.
const MIN_LETTERS: f32 = 2.5;

/// Draws `marks` of a frame that was reduced to `scale`: the speaker's box thick, all others thin, each with its score,
/// after a tilde where it is interpolated.
pub(super) fn draw(image: &mut RgbImage, marks: &[Mark], track: &FaceTrack, scale: f32) {
    let longest = image.width.max(image.height);
    let mut canvas = Canvas {
        scale,
        letters: if longest >= LARGE { 2 } else { 1 },
        line: (longest / 400).max(1) as i64,
        labels: Vec::new(),
        image,
    };
    let is_speaker = |mark: &&Mark| mark.track.is_some() && mark.track == track.speaker;
    // Boxes before labels and the speaker last, so that it lies on top; but its label comes first to its place.
    for mark in marks.iter().filter(|mark| !is_speaker(mark)).chain(marks.iter().filter(is_speaker)) {
        let thickness = canvas.line + if is_speaker(&mark) { 2 } else { 0 };
        canvas.face(mark, thickness, colour(mark, track));
    }
    for mark in marks.iter().filter(is_speaker).chain(marks.iter().filter(|mark| !is_speaker(mark))) {
        canvas.score(mark, is_speaker(&mark), colour(mark, track));
    }
}

fn colour(mark: &Mark, track: &FaceTrack) -> Colour {
    match mark.track {
        None => NOT_FOLLOWED,
        followed if followed == track.speaker => SPEAKER,
        Some(_) => OTHER,
    }
}

/// Size in pixels of a label with `line`.
fn label_size(line: &str, letters: usize) -> (i64, i64) {
    let side = (LETTER * letters) as i64;
    (line.chars().count() as i64 * side + 4, side + 4)
}

struct Canvas<'i> {
    image: &'i mut RgbImage,
    scale: f32,
    letters: usize,
    line: i64,
    labels: Vec<Rect>,
}

impl Canvas<'_> {
    fn face(&mut self, mark: &Mark, thickness: i64, colour: Colour) {
        let bbox = mark.bbox.scaled(self.scale);
        outline(self.image, &bbox, thickness, colour);
        let side = (bbox.width / 22.0).clamp(1.0, 3.0 * self.line as f32 + 3.0) as i64;
        for Point { x, y } in mark.landmarks.into_iter().flatten() {
            let place = |at: f32| (at * self.scale).round() as i64 - side / 2;
            fill(self.image, place(x), place(y), side, side, LANDMARK);
        }
    }

    fn score(&mut self, mark: &Mark, is_speaker: bool, colour: Colour) {
        let bbox = mark.bbox.scaled(self.scale);
        if !is_speaker && bbox.width < MIN_LETTERS * (LETTER * self.letters) as f32 {
            return;
        }
        let sign = if mark.interpolated { "~" } else { "" };
        // Scores of YuNet are shares of one, those of SeetaFace go up to a few tens.
        let digits = if mark.score <= 1.0 { 2 } else { 1 };
        let line = format!("{sign}{:.digits$}", mark.score);
        let (width, height) = label_size(&line, self.letters);
        let (width, height) = (width as f32, height as f32);
        let right = (self.image.width as f32 - width).max(0.0);
        let bottom = (self.image.height as f32 - height).max(0.0);
        // Above, below, then inside at the top and at the bottom.
        let places = [bbox.y - height, bbox.bottom(), bbox.y, bbox.bottom() - height];
        let mut places = places.map(|y| Rect::new(bbox.x.clamp(0.0, right), y, width, height)).into_iter();
        let free = |place: &Rect| {
            let hidden = self.labels.iter().any(|label| label.iou(place) > 0.0);
            // The time stands in the upper left corner.
            let over_time = place.x < 10.0 * height / 2.0 && place.y < height;
            !hidden && !over_time && (0.0..=bottom).contains(&place.y)
        };
        if let Some(place) = places.find(free) {
            let (x, y) = (place.x.round() as i64, place.y.round() as i64);
            label(self.image, x, y, self.letters as i64, colour, BLACK, &line);
            self.labels.push(place);
        }
    }
}

/// Writes `line` in the upper left corner.
pub(super) fn corner(image: &mut RgbImage, line: &str) {
    let letters = if image.width.max(image.height) >= LARGE { 2 } else { 1 };
    label(image, 0, 0, letters, BLACK, [255; 3], line);
}
