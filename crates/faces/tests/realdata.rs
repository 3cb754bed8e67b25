//! Detectors, tracker and cuts on real clips and pictures; skipped where there are none.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use affekt_core::{Frame, RgbImage, Seconds};
use affekt_faces::{Detection, Error, FaceDetector, FaceTrack, Rect, RustFace, Tracker, YuNet, read_image};
use affekt_testkit::realdata;
use affekt_weights::Checkpoint;
use candle_core::Device;

const VIDEO: [&str; 3] = ["mpg", "mp4", "mov"];

/// Hands every frame of a clip on, brought to `width` x `height` by the `ffmpeg` command.
fn decode(path: &Path, width: usize, height: usize, mut take: impl FnMut(RgbImage)) {
    let size = format!("{width}x{height}");
    let mut decoder = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-fps_mode", "passthrough", "-s", &size, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = decoder.stdout.take().unwrap();
    let mut image = RgbImage::black(width, height);
    while pipe.read_exact(&mut image.data).is_ok() {
        take(image.clone());
    }
    assert!(decoder.wait().unwrap().success(), "{}", path.display());
}

/// Tracks a clip as if at 25 frames a second.
fn track(path: &Path, detector: &mut dyn FaceDetector) -> FaceTrack {
    let reference = Reference::of(path);
    let mut tracker = Tracker::new(detector);
    let mut index = 0;
    decode(path, reference.width, reference.height, |image| {
        tracker.push(Frame { index, time: Seconds(index as f64 / 25.0), image }).unwrap();
        index += 1;
    });
    tracker.finish().unwrap()
}

/// What the `yunet_reference.tsv` beside a clip says about it.
struct Reference {
    width: usize,
    height: usize,
    /// Share of the frames that were looked at in which there is a face.
    coverage: f64,
    frame: usize,
    bbox: Option<Rect>,
}

impl Reference {
    fn of(path: &Path) -> Self {
        let table = std::fs::read_to_string(path.with_file_name("yunet_reference.tsv")).unwrap();
        let mut rows = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let row = rows.find(|row| row[0] == name(path)).unwrap_or_else(|| panic!("no {}", name(path)));
        let (with_face, seen) = row[4].split_once('/').unwrap();
        let corners = row[7].trim_matches(['[', ']']).split(", ").map(|number| number.parse().ok());
        let corners: Option<Vec<f32>> = corners.collect();
        Self {
            width: row[2].parse().unwrap(),
            height: row[3].parse().unwrap(),
            coverage: with_face.parse::<f64>().unwrap() / seen.parse::<f64>().unwrap(),
            frame: row[6].parse().unwrap_or(0),
            bbox: corners.map(|c| Rect::new(c[0], c[1], c[2], c[3])),
        }
    }
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

fn rustface() -> RustFace {
    RustFace::new(RustFace::VIDEO_LINES).unwrap()
}

fn yunet(clip: &Path) -> YuNet {
    let weights = clip.ancestors().nth(2).unwrap().join("face_detector/yunet_n_320_320.onnx");
    YuNet::load(&Checkpoint::open(&weights).unwrap(), YuNet::VIDEO_SIDE, &Device::Cpu).unwrap()
}

#[test]
fn talking_heads_are_covered_from_beginning_to_end() {
    let Some(clips) = realdata::files("video", &VIDEO) else { return };
    for clip in clips {
        let track = track(&clip, &mut rustface());
        println!("{}: {} of {}", name(&clip), track.with_face(), track.frames());
        assert!(track.coverage() >= 0.95, "{}: {}", name(&clip), track.coverage());
        assert_eq!((track.warnings(), track.cuts.len()), (vec![], 0), "{}", name(&clip));
        let reference = Reference::of(&clip);
        let face = track.faces[reference.frame].as_ref().unwrap();
        // SeetaFace's squares leave out forehead and include cheeks, where YuNet's boxes do the reverse.
        let overlap = face.bbox.iou(&reference.bbox.unwrap());
        assert!(overlap > 0.5, "{}: {overlap}", name(&clip));
    }
}

#[test]
fn yunet_covers_what_the_reference_covers() {
    for folder in ["video", "video_awkward"] {
        let Some(clips) = realdata::files(folder, &VIDEO) else { return };
        for clip in clips {
            let track = track(&clip, &mut yunet(&clip));
            let seen = track.marks.iter().filter(|marks| marks.iter().any(|mark| mark.track.is_some()));
            let (seen, want) = (seen.count() as f64 / track.frames() as f64, Reference::of(&clip).coverage);
            println!("{}: {seen:.3}, the reference {want:.3}", name(&clip));
            // The reference looks at every fifth frame alone; a track bridges what is missed between two sightings.
            assert!(seen >= want - 0.02, "{}: {seen} instead of {want}", name(&clip));
            assert!(want > 0.0 || seen == 0.0, "{}: {seen}", name(&clip));
            let aligned = track.faces.iter().flatten().all(|face| face.landmarks.is_some());
            assert!(aligned && track.recipe[2] == "align-five-112-v1");
            if folder == "video" {
                assert!(track.coverage() >= 0.99 && track.warnings().is_empty(), "{}", name(&clip));
            }
        }
    }
}

fn awkward(file: &str) -> Option<PathBuf> {
    let clips = realdata::files("video_awkward", &VIDEO)?;
    clips.into_iter().find(|clip| clip.ends_with(file))
}

#[test]
fn where_nobody_is_nobody_is_found() {
    let Some(clip) = awkward("pyfeat_no_face.mp4") else { return };
    for detector in [&mut rustface() as &mut dyn FaceDetector, &mut yunet(&clip)] {
        let track = track(&clip, detector);
        let fired = track.marks.iter().filter(|marks| !marks.is_empty()).count();
        assert!(track.frames() >= 90 && fired * 20 <= track.frames(), "{fired} of {}", track.frames());
        assert_eq!((track.with_face(), track.tracks.len()), (0, 0));
    }
}

#[test]
fn a_face_for_half_the_clip_is_half_covered() {
    let Some(clip) = awkward("pyfeat_face_noface.mov") else { return };
    let track = track(&clip, &mut rustface());
    // The reference detector finds a face in 15 of 34 sampled frames.
    assert!((track.coverage() - 15.0 / 34.0).abs() < 0.05, "{}", track.coverage());
    assert!(track.faces[71].is_some() && track.faces[72].is_none(), "the face ends with its scene");
    assert_eq!((track.cuts.as_slice(), track.warnings()), (&[72][..], vec![]));
}

/// Finds nothing, fast.
struct Blind;

impl FaceDetector for Blind {
    fn name(&self) -> &str {
        "blind"
    }

    fn detect(&mut self, _: &RgbImage) -> Result<Vec<Detection>, Error> {
        Ok(Vec::new())
    }
}

fn cuts<'i>(images: impl IntoIterator<Item = &'i RgbImage>) -> Vec<usize> {
    let mut blind = Blind;
    let mut tracker = Tracker::new(&mut blind);
    for (index, image) in images.into_iter().enumerate() {
        tracker.push(Frame { index, time: Seconds(index as f64 / 25.0), image: image.clone() }).unwrap();
    }
    tracker.finish().unwrap().cuts
}

/// Cuts inside the clips, by eye; the black frame before the second half belongs to it.
const CUTS: [(&str, &[usize]); 2] =
    [("multi_face_stage_hamilton.mp4", &[20, 82, 211]), ("pyfeat_face_noface.mov", &[72])];

/// Clips that show parts of the same shots.
const SAME_SHOT: [&str; 3] = ["pyfeat_single_face.mp4", "pyfeat_face_noface.mov", "pyfeat_no_face.mp4"];

/// Frames on each side of a joint.
const SIDE: usize = 30;

#[test]
fn a_joint_of_two_clips_is_a_cut_and_nothing_else_is() {
    let folders = ["video", "video_awkward"].map(|folder| realdata::files(folder, &VIDEO));
    let [Some(clips), Some(awkward)] = folders else { return };
    let mut ends = Vec::new();
    for clip in clips.iter().chain(&awkward) {
        let known = CUTS.iter().find(|(file, _)| *file == name(clip)).map_or(&[][..], |(_, cuts)| cuts);
        let mut images = Vec::new();
        decode(clip, 160, 120, |image| images.push(image));
        assert_eq!(cuts(&images), known, "{}", name(clip));
        let tail = images.split_off(images.len() - SIDE);
        images.truncate(SIDE);
        let known: Vec<usize> = known.iter().copied().filter(|&cut| cut < SIDE).collect();
        ends.push((name(clip), images, tail, known));
    }
    for (before, _, tail, _) in &ends {
        for (after, head, _, known) in &ends {
            if before == after || SAME_SHOT.contains(before) && SAME_SHOT.contains(after) {
                continue;
            }
            let want: Vec<usize> = [SIDE].into_iter().chain(known.iter().map(|cut| SIDE + cut)).collect();
            assert_eq!(cuts(tail.iter().chain(head)), want, "{before} and {after}");
        }
    }
}

#[test]
fn pictures_are_searched_at_full_detail() {
    let Some(pictures) = realdata::files("faces", &["jpg", "png"]) else { return };
    let table = std::fs::read_to_string(pictures[0].with_file_name("yunet_reference.tsv")).unwrap();
    let mut detector = RustFace::new(RustFace::STILL_LINES).unwrap();
    for path in pictures {
        let name = name(&path);
        let expected = table.lines().find(|line| line.starts_with(name)).unwrap().split('\t').nth(3).unwrap();
        let expected: usize = expected.parse().unwrap();
        let found = detector.detect(&read_image(&path).unwrap()).unwrap();
        println!("{name}: {} faces, the reference has {expected}", found.len());
        assert!(2 * found.len() >= expected, "{name}: {} of {expected}", found.len());
        assert!(expected > 0 || found.is_empty(), "{name}: {found:?}");
    }
}
