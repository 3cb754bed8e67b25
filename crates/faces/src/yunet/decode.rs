//! From the network's numbers to faces.

use crate::{Detection, Point, Rect};

use super::model::OUTPUTS;

/// Faces scored below are dropped.
pub const MIN_SCORE: f32 = 0.6;

/// Overlap (IoU) beyond which the lower-scored of two boxes is the same face.
pub const SAME_FACE: f32 = 0.3;

/// Boxes that are compared with each other, the best first. A picture full of faces has a few hundred.
const MAX_BOXES: usize = 5000;

/// The faces that one scale sees. `seen` holds for every place of its grid, `columns` to a row, class, object, box
/// (centre from the place, logarithms of the size) and landmarks (from the place), in units of `stride` pixels.
pub fn faces(seen: &[f32], columns: usize, stride: usize) -> impl Iterator<Item = Detection> {
    let stride = stride as f32;
    seen.as_chunks::<OUTPUTS>().0.iter().enumerate().filter_map(move |(place, numbers)| {
        let [class, object, x, y, width, height, landmarks @ ..] = numbers;
        let score = (sigmoid(*class) * sigmoid(*object)).sqrt();
        if score < MIN_SCORE {
            return None;
        }
        let (column, row) = ((place % columns) as f32, (place / columns) as f32);
        let (width, height) = (width.exp() * stride, height.exp() * stride);
        let (x, y) = ((column + x) * stride - width / 2.0, (row + y) * stride - height / 2.0);
        let bbox = Rect::new(x, y, width, height);
        let landmarks = std::array::from_fn(|index| Point {
            x: (landmarks[2 * index] + column) * stride,
            y: (landmarks[2 * index + 1] + row) * stride,
        });
        // An exponential may overflow although its exponent is finite.
        let finite = (bbox.right() + bbox.bottom()).is_finite();
        finite.then_some(Detection { bbox, score, landmarks: Some(landmarks) })
    })
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// One box for each face, best first.
pub fn distinct(mut found: Vec<Detection>) -> Vec<Detection> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(MAX_BOXES);
    let mut kept: Vec<Detection> = Vec::new();
    for face in found {
        if kept.iter().all(|better| better.bbox.iou(&face.bbox) <= SAME_FACE) {
            kept.push(face);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that say: a face, of `size` strides, in the middle of the place.
    fn numbers(logit: f32, size: f32) -> [f32; OUTPUTS] {
        let mut numbers = [0.5; OUTPUTS];
        numbers[0] = logit;
        numbers[1] = logit;
        numbers[4] = size.ln();
        numbers[5] = size.ln();
        numbers
    }

    #[test]
    fn a_place_becomes_a_box_around_it() {
        let seen = [numbers(-9.0, 1.0), numbers(-9.0, 1.0), numbers(-9.0, 1.0), numbers(2.0, 4.0)].concat();
        let found: Vec<_> = faces(&seen, 2, 8).collect();
        let [face] = found[..] else { panic!("{found:?}") };
        let centre = face.bbox.centre();
        assert!((centre.x - 12.0).abs() < 1e-4 && (centre.y - 12.0).abs() < 1e-4, "{face:?}");
        assert!((face.bbox.width - 32.0).abs() < 1e-4 && (face.score - 0.880_797).abs() < 1e-5, "{face:?}");
        assert_eq!(face.landmarks, Some([Point { x: 12.0, y: 12.0 }; 5]));
    }

    #[test]
    fn unlikely_and_endless_boxes_are_dropped() {
        assert_eq!(faces(&numbers(0.4, 1.0), 1, 8).count(), 0);
        let mut endless = numbers(9.0, 1.0);
        endless[4] = 1e4;
        assert_eq!(faces(&endless, 1, 8).count(), 0);
        assert_eq!(faces(&[], 1, 8).count(), 0);
    }

    #[test]
    fn of_overlapping_boxes_the_best_stays() {
        let at =
            |x: f32, score: f32| Detection { bbox: Rect::new(x, 0.0, 10.0, 10.0), score, landmarks: None };
        let kept = distinct(vec![at(0.0, 0.7), at(1.0, 0.9), at(30.0, 0.8), at(8.0, 0.65)]);
        assert_eq!(kept.iter().map(|face| face.score).collect::<Vec<_>>(), [0.9, 0.8, 0.65]);
        let crowd = (0..20_000).map(|x| at(x as f32 * 11.0, 0.7)).collect();
        assert_eq!(distinct(crowd).len(), MAX_BOXES);
    }
}
