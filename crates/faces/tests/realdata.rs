//! The embedded detector and the tracker on real clips and pictures; skipped where there are none.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use affekt_core::{Frame, RgbImage, Seconds};
use affekt_faces::{FaceDetector, FaceTrack, Rect, RustFace, Tracker, read_image};
use affekt_testkit::realdata;

/// Frames that are looked at of each clip: two seconds are enough to judge and quick enough for every run.
const FRAMES: usize = 50;

/// Tracks the first frames of a clip, which the `ffmpeg` command decodes at 25 frames a second.
fn track(path: &Path) -> FaceTrack {
    let mut detector = RustFace::new(RustFace::VIDEO_LINES).unwrap();
    let mut tracker = Tracker::new(&mut detector);
    let (width, height) = size(path);
    let mut decoder = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-r", "25", "-frames:v", &FRAMES.to_string(), "-s", &format!("{width}x{height}")])
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = decoder.stdout.take().unwrap();
    for index in 0.. {
        let mut image = RgbImage::black(width, height);
        if pipe.read_exact(&mut image.data).is_err() {
            break;
        }
        tracker.push(Frame { index, time: Seconds(index as f64 / 25.0), image }).unwrap();
    }
    assert!(decoder.wait().unwrap().success());
    tracker.finish().unwrap()
}

/// Width and height as the reference has them, upright.
fn size(path: &Path) -> (usize, usize) {
    let row = row_of(path);
    (row[2].parse().unwrap(), row[3].parse().unwrap())
}

/// The row about `path` in the `yunet_reference.tsv` beside it.
fn row_of(path: &Path) -> Vec<String> {
    let table = std::fs::read_to_string(path.with_file_name("yunet_reference.tsv")).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let row = table.lines().map(|line| line.split('\t').map(String::from).collect::<Vec<_>>());
    row.into_iter().flatten_row(name)
}

trait FindRow {
    fn flatten_row(self, name: &str) -> Vec<String>;
}

impl<I: Iterator<Item = Vec<String>>> FindRow for I {
    fn flatten_row(mut self, name: &str) -> Vec<String> {
        self.find(|row| row[0] == name).unwrap_or_else(|| panic!("the reference has no {name}"))
    }
}
