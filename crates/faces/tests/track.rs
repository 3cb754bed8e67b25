//! The tracker on drawn pictures, with a detector that finds white squares.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use affekt_core::{Frame, RgbImage, Seconds};
use affekt_faces::draw::canvas::fill;
use affekt_faces::{CROP_SIZE, Detection, Error, FaceDetector, FaceTrack, Rect, Tracker};

const WHITE: [u8; 3] = [255; 3];
/// A square of this colour is there, but the detector misses it.
const HIDDEN: [u8; 3] = [200; 3];

/// Finds the runs of white pixels in each of the bands of 100 rows: one square a band at most.
#[derive(Default)]
struct SquareDetector {
    pictures: usize,
}

impl FaceDetector for SquareDetector {
    fn name(&self) -> &str {
        "squares"
    }

    fn detect(&mut self, image: &RgbImage) -> Result<Vec<Detection>, Error> {
        self.pictures += 1;
        Ok((0..image.height / 100).filter_map(|band| square(image, band)).collect())
    }
}

fn square(image: &RgbImage, band: usize) -> Option<Detection> {
    let rows = 100 * band..100 * (band + 1);
    let white = |x: usize, y: usize| image.pixel(x, y) == WHITE;
    let inside: Vec<(usize, usize)> =
        rows.flat_map(|y| (0..image.width).map(move |x| (x, y))).filter(|&(x, y)| white(x, y)).collect();
    let (left, right) = (inside.iter().map(|p| p.0).min()?, inside.iter().map(|p| p.0).max()? + 1);
    let (top, bottom) = (inside.first()?.1, inside.last()?.1 + 1);
    let bbox = Rect::new(left as f32, top as f32, (right - left) as f32, (bottom - top) as f32);
    Some(Detection { bbox, score: 10.0, landmarks: None })
}

/// A square of a side, at a place, of a colour.
type Square = (i64, i64, i64, [u8; 3]);

/// A picture with so much in it that squares may come and go without a new scene.
fn room() -> RgbImage {
    let mut image = RgbImage::black(300, 200);
    for tile in 0..24 {
        let (column, row) = (tile % 6, tile / 6);
        if (column + row) % 2 == 1 {
            fill(&mut image, 50 * column, 50 * row, 50, 50, [0, 245, 245]);
        }
    }
    image
}

/// Tracks a clip at 30 frames a second, whose frame `i` shows `squares(i)`.
fn track(frames: usize, squares: impl Fn(usize) -> Vec<Square>) -> (FaceTrack, usize) {
    let mut detector = SquareDetector::default();
    let mut tracker = Tracker::new(&mut detector);
    for index in 0..frames {
        let mut image = room();
        for (x, y, side, colour) in squares(index) {
            fill(&mut image, x, y, side, side, colour);
        }
        tracker.push(Frame { index, time: Seconds(index as f64 / 30.0), image }).unwrap();
    }
    let result = tracker.finish().unwrap();
    assert_eq!((result.faces.len(), result.times.len(), result.marks.len()), (frames, frames, frames));
    (result, detector.pictures)
}

#[test]
fn a_square_that_moves_evenly_is_followed_exactly_between_key_frames() {
    let (result, pictures) = track(61, |i| vec![(20 + 3 * i as i64, 30, 60, WHITE)]);
    assert_eq!((result.with_face(), result.tracks.len(), pictures), (61, 1, 21));
    assert_eq!(result.tracks[0].detections, 21);
    for (index, face) in result.faces.iter().enumerate() {
        let face = face.as_ref().unwrap();
        assert_eq!(face.interpolated, index % 3 != 0, "frame {index}");
        assert_eq!((face.crop.width, face.crop.height), (CROP_SIZE, CROP_SIZE));
        // Smoothing bends the path at its two ends only.
        if (3..=57).contains(&index) {
            assert!((face.bbox.x - (20 + 3 * index) as f32).abs() < 0.01, "frame {index}: {:?}", face.bbox);
        }
    }
    let middle = result.faces[30].as_ref().unwrap();
    assert!(middle.crop.data.iter().filter(|&&value| value == 255).count() > CROP_SIZE * CROP_SIZE * 5 / 2);
}

#[test]
fn frames_without_a_face_keep_their_place() {
    let (result, _) = track(90, |i| if (30..60).contains(&i) { vec![] } else { vec![(50, 20, 70, WHITE)] });
    let seen: Vec<usize> = (0..90).filter(|&i| result.faces[i].is_some()).collect();
    assert_eq!(seen, (0..28).chain(60..90).collect::<Vec<_>>());
    assert_eq!(result.tracks.len(), 1, "one second away does not end a track");
    assert!((result.coverage() - 58.0 / 90.0).abs() < 1e-9);
}

#[test]
fn a_short_miss_is_bridged() {
    let (result, _) = track(60, |i| vec![(50, 20, 70, if (30..39).contains(&i) { HIDDEN } else { WHITE })]);
    assert_eq!((result.with_face(), result.tracks.len()), (60, 1));
    assert!((28..39).all(|i| result.faces[i].as_ref().unwrap().interpolated));
}

#[test]
fn a_long_absence_ends_a_track() {
    let (result, _) = track(180, |i| if (30..120).contains(&i) { vec![] } else { vec![(50, 20, 70, WHITE)] });
    assert_eq!(result.tracks.len(), 2);
    assert_eq!(result.speaker, Some(1), "the longer one");
    assert_eq!(result.with_face(), 60);
    assert!(result.marks[0][0].track == Some(0) && result.faces[0].is_none());
    assert!(result.warning().unwrap().contains("2 faces compete"));
}

#[test]
fn the_speaker_is_the_largest_and_most_persistent() {
    let small_all_along = (20, 110, 40, WHITE);
    let (result, _) =
        track(
            90,
            |i| {
                if i < 30 { vec![small_all_along, (150, 10, 80, WHITE)] } else { vec![small_all_along] }
            },
        );
    // 30 frames of 6400 pixels outweigh 90 of 1600.
    assert_eq!((result.tracks.len(), result.speaker), (2, Some(0)));
    assert_eq!(result.tracks[0].frames, 28);
    assert!(result.warning().is_some());
    let (result, _) =
        track(
            90,
            |i| {
                if i < 20 { vec![small_all_along, (150, 10, 60, WHITE)] } else { vec![small_all_along] }
            },
        );
    assert_eq!(result.speaker, Some(1), "20 frames of 3600 do not");
    assert_eq!(result.with_face(), 90);
}

#[test]
fn a_single_sighting_is_a_false_alarm_but_in_a_still_it_is_a_face() {
    let (result, _) = track(60, |i| if i == 30 { vec![(50, 20, 70, WHITE)] } else { vec![] });
    assert_eq!((result.with_face(), result.tracks.len(), result.speaker), (0, 0, None));
    assert_eq!(result.marks[30].len(), 1);
    assert_eq!(result.marks[30][0].track, None);
    let (still, _) = track(1, |_| vec![(50, 20, 70, WHITE), (10, 110, 30, WHITE)]);
    assert_eq!((still.with_face(), still.tracks.len(), still.speaker), (1, 2, Some(0)));
}

#[test]
fn no_face_and_no_frame_are_results() {
    let (result, _) = track(10, |_| vec![]);
    assert_eq!((result.frames(), result.coverage(), result.warning()), (10, 0.0, None));
    assert_eq!(result.valid(), [false; 10]);
    assert_eq!(track(0, |_| vec![]).0.frames(), 0);
}

#[test]
fn times_that_stand_still_or_run_backwards_are_taken() {
    let mut detector = SquareDetector::default();
    let mut tracker = Tracker::new(&mut detector);
    let times = [0.0, 0.0, 0.0, 0.04, -5.0, -5.0, 3.0, 2.9, 2.9, f64::NAN, 2.9];
    for (index, time) in times.into_iter().enumerate() {
        let mut image = RgbImage::black(200, 100);
        fill(&mut image, 50, 20, 60, 60, WHITE);
        tracker.push(Frame { index, time: Seconds(time), image }).unwrap();
    }
    let result = tracker.finish().unwrap();
    assert_eq!(result.frames(), times.len());
    assert!(result.faces.iter().flatten().all(|face| face.bbox.x.is_finite()));
}

#[test]
fn huge_frames_are_not_hoarded() {
    // 5,000 frames a second of 12 MB each: without a bound on bytes, a tenth of a second would hold 6 GB.
    let mut detector = SquareDetector::default();
    let mut tracker = Tracker::new(&mut detector);
    for index in 0..40 {
        let image = RgbImage::black(40_000, 100);
        tracker.push(Frame { index, time: Seconds(index as f64 / 5000.0), image }).unwrap();
    }
    assert_eq!(tracker.finish().unwrap().frames(), 40);
    assert!(detector.pictures > 10);
}

/// A clip of two rooms, the second from frame 25 on, with a square that stays where it is.
fn two_rooms(index: usize) -> RgbImage {
    let mut image = room();
    if index >= 25 {
        image.data.iter_mut().for_each(|value| *value = 245 - *value);
    }
    fill(&mut image, 100, 20, 70, 70, WHITE);
    image
}

#[test]
fn a_cut_ends_every_track_and_begins_others() {
    let mut detector = SquareDetector::default();
    let mut tracker = Tracker::new(&mut detector);
    for index in 0..60 {
        let frame = Frame { index, time: Seconds(index as f64 / 30.0), image: two_rooms(index) };
        tracker.push(frame).unwrap();
    }
    let result = tracker.finish().unwrap();
    assert_eq!((result.cuts.as_slice(), result.tracks.len(), result.speaker), (&[25][..], 2, Some(1)));
    assert_eq!((result.tracks[0].end, result.tracks[0].frames), (result.times[24], 25));
    assert_eq!((result.tracks[1].start, result.tracks[1].frames), (result.times[25], 35));
    let seen: Vec<usize> = (0..60).filter(|&i| result.faces[i].is_some()).collect();
    assert_eq!(seen, (25..60).collect::<Vec<_>>());
    // The frames beside the cut are seen, not guessed.
    assert!(!result.marks[24][0].interpolated && !result.marks[25][0].interpolated);
    assert_eq!(
        result.warnings(),
        ["the picture cuts once: the speaker's track holds 35 of 60 frames with a face"]
    );
}

#[test]
fn a_scene_of_few_frames_keeps_its_face() {
    // Scenes of 3, 4 and 5 frames: the last frame of one and the first of the next are always looked at.
    let shown = |index: usize| match index {
        0..20 | 23..27 => 0,
        _ => 30,
    };
    let mut detector = SquareDetector::default();
    let mut tracker = Tracker::new(&mut detector);
    for index in 0..32 {
        let frame = Frame { index, time: Seconds(index as f64 / 30.0), image: two_rooms(shown(index)) };
        tracker.push(frame).unwrap();
    }
    let result = tracker.finish().unwrap();
    assert_eq!((result.cuts.as_slice(), result.tracks.len()), (&[20, 23, 27][..], 4));
    assert!(result.marks.iter().all(|marks| marks.len() == 1 && marks[0].track.is_some()));
}

#[test]
fn the_result_names_its_recipe() {
    let (result, _) = track(1, |_| vec![]);
    assert_eq!(result.recipe, ["squares", "track-10hz-smooth3-v2", "crop-box-112-v1"]);
    assert_eq!(result.recipe, Tracker::recipe(&SquareDetector::default()));
}

/// Finds squares near the places that it is told, and counts how often it is asked for which.
#[derive(Default)]
struct NearDetector {
    whole: SquareDetector,
    near: usize,
}

impl FaceDetector for NearDetector {
    fn name(&self) -> &str {
        "near"
    }

    fn detect(&mut self, image: &RgbImage) -> Result<Vec<Detection>, Error> {
        self.whole.detect(image)
    }

    fn detect_near(&mut self, images: &[&RgbImage], places: &[Rect]) -> Option<Vec<Vec<Detection>>> {
        self.near += images.len();
        let near = |found: &Detection| places.iter().any(|place| place.iou(&found.bbox) > 0.1);
        let found =
            images.iter().map(|image| (0..2).filter_map(|band| square(image, band)).filter(near).collect());
        Some(found.collect())
    }
}

/// As [`track`], with the count of whole searches and of those near a face.
fn track_near(frames: usize, squares: impl Fn(usize) -> Vec<Square>) -> (FaceTrack, usize, usize) {
    let mut detector = NearDetector::default();
    let mut tracker = Tracker::new(&mut detector);
    for index in 0..frames {
        let mut image = RgbImage::black(300, 200);
        for (x, y, side, colour) in squares(index) {
            fill(&mut image, x, y, side, side, colour);
        }
        tracker.push(Frame { index, time: Seconds(index as f64 / 30.0), image }).unwrap();
    }
    (tracker.finish().unwrap(), detector.whole.pictures, detector.near)
}

#[test]
fn a_face_that_is_followed_is_searched_where_it_was() {
    let squares = |i: usize| vec![(20 + i as i64, 30, 60, WHITE)];
    let (result, whole, near) = track_near(121, squares);
    assert!(whole <= 12 && near >= 29, "{whole} whole, {near} near");
    let boxes = |track: &FaceTrack| track.marks.iter().map(|marks| marks[0].bbox.x).collect::<Vec<_>>();
    assert_eq!((result.with_face(), boxes(&result)), (121, boxes(&track(121, squares).0)));
}

#[test]
fn a_face_that_is_not_where_it_was_is_searched_everywhere() {
    let squares = |i: usize| vec![(if i < 45 { 10 } else { 200 }, 30, 60, WHITE)];
    let (result, whole, _) = track_near(90, squares);
    assert!(whole < 25, "{whole}");
    // Lost at the first key frame behind the jump, found again at once.
    assert_eq!(result.faces[46..].iter().flatten().count() + result.faces[..44].iter().flatten().count(), 44);
    assert!(result.marks[46..].iter().all(|marks| marks.iter().any(|mark| mark.bbox.x >= 200.0)));
}

#[test]
fn a_second_face_is_found_within_half_a_second() {
    let squares = |i: usize| {
        let second = (i >= 40).then_some((150, 110, 30, WHITE));
        std::iter::once((20, 20, 60, WHITE)).chain(second).collect()
    };
    let (result, ..) = track_near(120, squares);
    assert_eq!(result.tracks.len(), 2);
    let start = result.tracks[1].start.0;
    assert!((40.0 / 30.0..=40.0 / 30.0 + 0.55).contains(&start), "{start}");
}

#[test]
fn of_a_long_recording_some_crops_are_kept() {
    let mut detector = SquareDetector::default();
    let mut tracker = Tracker::new(&mut detector).keeping(10);
    for index in 0..300 {
        let mut image = RgbImage::black(300, 200);
        fill(&mut image, 50, 20, 70, 70, WHITE);
        tracker.push(Frame { index, time: Seconds(index as f64 / 30.0), image }).unwrap();
    }
    let result = tracker.finish().unwrap();
    let kept: Vec<usize> = (0..300).filter(|&i| result.faces[i].as_ref().unwrap().crop.width > 0).collect();
    assert!((10..20).contains(&kept.len()), "{kept:?}");
    assert!(kept.windows(2).all(|pair| pair[1] - pair[0] == kept[1] - kept[0]), "{kept:?}");
}
