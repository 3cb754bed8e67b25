//! The embedded detector on stills of `models/tiny/sample.mp4`, every 20th frame:
//! `ffmpeg -i sample.mp4 -vf "select='not(mod(n,20))'" -fps_mode passthrough -q:v 5 -bitexact sample.%d.jpg`.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::path::PathBuf;

use affekt_core::{Frame, Seconds};
use affekt_faces::{Album, FaceDetector, Rect, RustFace, Tracker, read_image};

fn stills() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 8);
    paths
}

#[test]
fn the_drawn_face_is_found_once_in_every_still() {
    for lines in [RustFace::VIDEO_LINES, RustFace::STILL_LINES] {
        let mut detector = RustFace::new(lines).unwrap();
        for path in stills() {
            let image = read_image(&path).unwrap();
            let found = detector.detect(&image).unwrap();
            assert_eq!(found.len(), 1, "{} at {lines} lines: {found:?}", path.display());
            // From ear to ear and from brow to chin, as drawn. The detector's boxes are square and at 288 lines up to a fifth too
            // large, so the measure is the usual one of detection: more than half in common.
            let overlap = found[0].bbox.iou(&Rect::new(158.0, 110.0, 165.0, 160.0));
            assert!(overlap > 0.5, "{} at {lines} lines: {overlap} {found:?}", path.display());
        }
    }
}

#[test]
fn a_batch_gives_what_single_pictures_give() {
    let images: Vec<_> = stills().iter().map(|path| read_image(path).unwrap()).collect();
    let mut detector = RustFace::new(RustFace::VIDEO_LINES).unwrap();
    let single: Vec<_> = images.iter().map(|image| detector.detect(image).unwrap()).collect();
    assert_eq!(detector.detect_batch(&images.iter().collect::<Vec<_>>()).unwrap(), single);
}

#[test]
fn stills_become_one_track_with_pictures_to_look_at() {
    let mut detector = RustFace::new(RustFace::VIDEO_LINES).unwrap();
    let mut tracker = Tracker::new(&mut detector);
    let mut album = Album::new(4, 320);
    for (index, path) in stills().iter().enumerate() {
        let time = Seconds(index as f64 * 0.25);
        let frame = Frame { index, time, image: read_image(path).unwrap() };
        album.see(&frame);
        tracker.push(frame).unwrap();
    }
    let track = tracker.finish().unwrap();
    assert_eq!((track.coverage(), track.tracks.len(), track.warning()), (1.0, 1, None));
    let folder = tempfile::tempdir().unwrap();
    let paths = album.save(&folder.path().join("made"), "sample", &track).unwrap();
    assert!(paths.len() >= 5 && paths.iter().all(|path| path.is_file()), "{paths:?}");
    let frame = read_image(&paths[1]).unwrap();
    assert_eq!((frame.width, frame.height), (320, 240));
}
