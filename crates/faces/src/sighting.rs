//! One face at one moment, and what lies between two of them.

use crate::{Detection, Landmarks, Point, Rect};

/// A face in a frame: seen on a key frame, or made of those that were.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting {
    pub(crate) position: usize,
    pub(crate) time: f64,
    pub(crate) bbox: Rect,
    pub(crate) score: f32,
    pub(crate) landmarks: Option<Landmarks>,
}

impl Sighting {
    /// What was `found` in the frame at `position`.
    pub(crate) fn new(position: usize, time: f64, found: &Detection) -> Self {
        Self { position, time, bbox: found.bbox, score: found.score, landmarks: found.landmarks }
    }

    /// Smoothed with its neighbours, weights 1 2 1; place, time and score stay.
    pub(crate) fn smoothed(&self, before: &Self, next: &Self) -> Self {
        let (bbox, landmarks) = before.mixed(next, 0.5);
        let sides = Self { bbox, landmarks, ..*self };
        let (bbox, landmarks) = self.mixed(&sides, 0.5);
        Self { bbox, landmarks, ..*self }
    }

    /// What lies at `position`, `time` on the way to `to`.
    pub(crate) fn towards(&self, to: &Self, position: usize, time: f64) -> Self {
        let by_time = (time - self.time) / (to.time - self.time);
        let by_position = (position - self.position) as f64 / (to.position - self.position) as f64;
        // Times that do not increase say nothing.
        let t = if (0.0..=1.0).contains(&by_time) { by_time } else { by_position } as f32;
        let score = self.score + (to.score - self.score) * t;
        let (bbox, landmarks) = self.mixed(to, t);
        Self { position, time, bbox, score, landmarks }
    }

    /// Box and landmarks at the fraction `t` of the way to `to`. Where only one of the two has landmarks, they stay at
    /// their places in the box: the face is the same, the detector did not see so much of it.
    fn mixed(&self, to: &Self, t: f32) -> (Rect, Option<Landmarks>) {
        let bbox = self.bbox.lerp(&to.bbox, t);
        let landmarks = match (self.landmarks, to.landmarks) {
            (Some(from), Some(to)) => Some(std::array::from_fn(|index| from[index].lerp(&to[index], t))),
            (Some(from), None) => Some(from.map(|point| carried(point, &self.bbox, &bbox))),
            (None, Some(to_points)) => Some(to_points.map(|point| carried(point, &to.bbox, &bbox))),
            (None, None) => None,
        };
        (bbox, landmarks)
    }
}

/// The place in `to` where `point` lies in `from`.
fn carried(point: Point, from: &Rect, to: &Rect) -> Point {
    let scale = |to: f32, from: f32| if from > 0.0 { to / from } else { 1.0 };
    Point {
        x: to.x + (point.x - from.x) * scale(to.width, from.width),
        y: to.y + (point.y - from.y) * scale(to.height, from.height),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(position: usize, x: f32, side: f32, with_landmarks: bool) -> Sighting {
        let at = |u: f32, v: f32| Point { x: x + u * side, y: v * side };
        let points = [at(0.3, 0.4), at(0.7, 0.4), at(0.5, 0.6), at(0.35, 0.8), at(0.65, 0.8)];
        Sighting {
            position,
            time: position as f64 / 10.0,
            bbox: Rect::new(x, 0.0, side, side),
            score: 1.0,
            landmarks: with_landmarks.then_some(points),
        }
    }

    fn near(got: &Sighting, want: &Sighting) {
        let pairs = got.landmarks.unwrap().into_iter().zip(want.landmarks.unwrap());
        for (got, want) in pairs {
            assert!((got.x - want.x).hypot(got.y - want.y) < 1e-3, "{got:?} {want:?}");
        }
    }

    #[test]
    fn landmarks_move_with_the_box_even_where_one_end_has_none() {
        let want = seen(5, 50.0, 60.0, true);
        for (first, last) in [(true, true), (true, false), (false, true)] {
            let between = seen(0, 0.0, 20.0, first).towards(&seen(10, 100.0, 100.0, last), 5, 0.5);
            assert_eq!(between.bbox, want.bbox);
            near(&between, &want);
        }
        let none = seen(0, 0.0, 20.0, false).towards(&seen(10, 9.0, 20.0, false), 5, 0.5);
        assert_eq!(none.landmarks, None);
    }

    #[test]
    fn smoothing_weighs_one_two_one() {
        let [before, now, next] = [(0, 0.0), (1, 10.0), (2, 40.0)].map(|(at, x)| seen(at, x, 50.0, true));
        let smooth = now.smoothed(&before, &next);
        assert_eq!((smooth.position, smooth.bbox.x), (1, 15.0));
        near(&smooth, &seen(1, 15.0, 50.0, true));
        let missing = Sighting { landmarks: None, ..now };
        near(&missing.smoothed(&before, &next), &seen(1, 15.0, 50.0, true));
    }

    #[test]
    fn empty_boxes_make_no_wild_points() {
        let empty = Sighting { bbox: Rect::default(), ..seen(0, 3.0, 9.0, true) };
        let mixed = empty.towards(&seen(2, 5.0, 9.0, false), 1, 0.1);
        assert!(mixed.landmarks.unwrap().iter().all(|point| point.x.is_finite() && point.y.is_finite()));
    }
}
