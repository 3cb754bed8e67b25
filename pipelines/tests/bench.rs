//! Generated datasets: as sound as a downloaded one, with a face in every frame.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]
#![cfg(feature = "media")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use affekt_core::{Silent, Span};
use affekt_faces::{RustFace, Tracker};
use affekt_media::{Piece, Want, stream};
use affekt_pipelines::bench::{Clips, Tree, lengths};
use affekt_pipelines::dataset::inventory::take;
use affekt_pipelines::dataset::{Manifest, Prober, Source, durations};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tiny/sample.mp4")
}

#[test]
fn a_generated_dataset_is_sound_and_shows_a_face_all_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let tree = Tree::write(folder.path(), 7, &sample(), "I really love this film.").unwrap();
    assert_eq!((tree.width, tree.height, tree.rate), (1280, 720, 30));
    let source = Source { dataset: "mosei", root: Some(folder.path()), labels: None };
    let manifest = Manifest::read(&source).unwrap().sound().unwrap();
    let durations = durations(&manifest, Prober::InProcess, &Silent);
    let inventory = take(&manifest, &durations);
    assert_eq!(inventory.problems, []);
    assert_eq!((inventory.summary.all.clips, inventory.summary.all.videos), (7, 2));
    assert_eq!(inventory.summary.all.with_text, 7);

    let mut found: Vec<f64> = manifest.rows.iter().map(|row| row.span.duration().unwrap().0).collect();
    let mut wanted = lengths::of(7);
    found.sort_by(f64::total_cmp);
    wanted.sort_by(f64::total_cmp);
    assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 2e-3), "{found:?} {wanted:?}");

    let clips =
        Clips::of(&manifest, 7, |media| durations[media].as_ref().ok().copied().flatten().map(|time| time.0));
    let clips = clips.unwrap();
    assert!((clips.seconds() - wanted.iter().sum::<f64>()).abs() < 0.02);
    let covered = clips.seconds() / clips.video_seconds();
    assert!((0.6..0.72).contains(&covered), "clips cover {covered} of the recordings");
    show_faces(&clips.recordings[1].0);
}

/// The shorter recording, as a whole: all of what the pictures of one round show, and the way from one to the next.
fn show_faces(media: &Path) {
    let mut detector = RustFace::new(RustFace::VIDEO_LINES).unwrap();
    let mut tracker = Tracker::new(&mut detector);
    let summary = stream(media, Span::ALL, Want::ALL, |piece| {
        if let Piece::Frame(frame) = piece {
            tracker.push(frame).unwrap();
        }
        ControlFlow::Continue(())
    });
    let summary = summary.unwrap();
    assert!(summary.warnings.is_empty() && summary.samples.is_some(), "{summary:?}");
    let track = tracker.finish().unwrap();
    assert!(track.frames() > 400, "{} frames", track.frames());
    assert_eq!((track.with_face(), track.tracks.len()), (track.frames(), 1));
    assert_eq!(track.cuts, [] as [usize; 0]);
}

#[test]
fn a_dataset_whose_recordings_are_absent_cannot_be_measured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clips.jsonl");
    std::fs::write(&path, "{\"id\":\"a\",\"media\":\"absent.mp4\"}\n").unwrap();
    let source = Source { dataset: path.to_str().unwrap(), root: None, labels: None };
    let error = Clips::of(&Manifest::read(&source).unwrap(), 1, |_| None).unwrap_err();
    assert!(error.to_string().contains("no recording"), "{error}");
}
