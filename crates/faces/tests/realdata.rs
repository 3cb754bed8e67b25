//! The embedded detector and the tracker on real clips and pictures; skipped where there are none.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use affekt_core::{Frame, RgbImage, Seconds};
use affekt_faces::{FaceDetector, FaceTrack, Rect, RustFace, Tracker, read_image};
use affekt_testkit::realdata;

/// Frames that are looked at of each clip: two seconds are enough to judge and quick enough for every run.
const TALKING_FRAMES: usize = 50;

/// Tracks the first `frames` of a clip, which the `ffmpeg` command decodes, as if at 25 frames a second.
fn track(path: &Path, frames: usize) -> FaceTrack {
    let reference = Reference::of(path);
    let size = format!("{}x{}", reference.width, reference.height);
    let mut decoder = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-frames:v", &frames.to_string(), "-fps_mode", "passthrough", "-s", &size])
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = decoder.stdout.take().unwrap();
    let mut detector = RustFace::new(RustFace::VIDEO_LINES).unwrap();
    let mut tracker = Tracker::new(&mut detector);
    for index in 0.. {
        let mut image = RgbImage::black(reference.width, reference.height);
        if pipe.read_exact(&mut image.data).is_err() {
            break;
        }
        tracker.push(Frame { index, time: Seconds(index as f64 / 25.0), image }).unwrap();
    }
    assert!(decoder.wait().unwrap().success(), "{}", path.display());
    tracker.finish().unwrap()
}

/// What the `yunet_reference.tsv` beside a clip says about it.
struct Reference {
    width: usize,
    height: usize,
    frame: usize,
    bbox: Option<Rect>,
}

impl Reference {
    fn of(path: &Path) -> Self {
        let table = std::fs::read_to_string(path.with_file_name("yunet_reference.tsv")).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut rows = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let row = rows.find(|row| row[0] == name).unwrap_or_else(|| panic!("the reference has no {name}"));
        let corners = row[7].trim_matches(['[', ']']).split(", ").map(|number| number.parse().ok());
        let corners: Option<Vec<f32>> = corners.collect();
        Self {
            width: row[2].parse().unwrap(),
            height: row[3].parse().unwrap(),
            frame: row[6].parse().unwrap_or(0),
            bbox: corners.map(|c| Rect::new(c[0], c[1], c[2], c[3])),
        }
    }
}

#[test]
fn talking_heads_are_covered_where_the_reference_has_them() {
    let Some(clips) = realdata::files("video", &["mpg", "mp4"]) else { return };
    for clip in clips {
        let track = track(&clip, TALKING_FRAMES);
        assert!(track.coverage() >= 0.95, "{}: {}", clip.display(), track.coverage());
        assert_eq!((track.tracks.len(), track.warning()), (1, None), "{}", clip.display());
        let reference = Reference::of(&clip);
        let face = track.faces[reference.frame].as_ref().unwrap();
        // SeetaFace's squares leave out forehead and include cheeks, where YuNet's boxes do the reverse.
        let overlap = face.bbox.iou(&reference.bbox.unwrap());
        assert!(overlap > 0.5, "{}: {overlap}", clip.display());
    }
}

#[test]
fn where_nobody_is_nobody_is_found() {
    let Some(clips) = realdata::files("video_awkward", &["mp4"]) else { return };
    let clip = clips.iter().find(|clip| clip.ends_with("pyfeat_no_face.mp4")).unwrap();
    let track = track(clip, 1000);
    let fired = track.marks.iter().filter(|marks| !marks.is_empty()).count();
    assert!(track.frames() >= 90 && fired * 20 <= track.frames(), "{fired} of {}", track.frames());
    assert_eq!((track.with_face(), track.tracks.len()), (0, 0));
}

#[test]
fn a_face_for_half_the_clip_is_half_covered() {
    let Some(clips) = realdata::files("video_awkward", &["mov"]) else { return };
    let clip = clips.iter().find(|clip| clip.ends_with("pyfeat_face_noface.mov")).unwrap();
    let track = track(clip, 1000);
    // The reference detector finds a face in 15 of 34 sampled frames.
    assert!((track.coverage() - 15.0 / 34.0).abs() < 0.05, "{}", track.coverage());
}

#[test]
fn pictures_are_searched_at_full_detail() {
    let Some(pictures) = realdata::files("faces", &["jpg", "png"]) else { return };
    let table = std::fs::read_to_string(pictures[0].with_file_name("yunet_reference.tsv")).unwrap();
    let mut detector = RustFace::new(RustFace::STILL_LINES).unwrap();
    for path in pictures {
        let name = path.file_name().unwrap().to_str().unwrap();
        let expected = table.lines().find(|line| line.starts_with(name)).unwrap().split('\t').nth(3).unwrap();
        let expected: usize = expected.parse().unwrap();
        let found = detector.detect(&read_image(&path).unwrap()).unwrap();
        println!("{name}: {} faces, the reference has {expected}", found.len());
        assert!(2 * found.len() >= expected, "{name}: {} of {expected}", found.len());
        assert!(expected > 0 || found.is_empty(), "{name}: {found:?}");
    }
}
