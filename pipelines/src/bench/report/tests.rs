//! What follows from measurements that are made up.

use affekt_core::Span;

use super::*;
use crate::bench::Spent;
use crate::bench::stages::{Cutting, Measured};
use crate::dataset::Manifest;

/// Ten clips of 6 s in two recordings of 40 s.
fn clips() -> Clips {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    for (video, number) in ["a", "b"].into_iter().flat_map(|video| (0..5).map(move |number| (video, number)))
    {
        let (start, end) = (8 * number, 8 * number + 6);
        lines += &format!(
            "{{\"id\":\"{video}_{number}\",\"media\":\"{video}.mp4\",\"start\":{start},\"end\":{end}}}\n"
        );
        std::fs::write(folder.path().join(format!("{video}.mp4")), "a recording").unwrap();
    }
    let path = folder.path().join("clips.jsonl");
    std::fs::write(&path, lines).unwrap();
    let source = crate::dataset::Source { dataset: path.to_str().unwrap(), root: None, labels: None };
    let manifest = Manifest::read(&source).unwrap().sound().unwrap();
    let clips = Clips::of(&manifest, 10, |_| Some(40.0)).unwrap();
    // What `extract` is given names the same.
    let saved = folder.path().join("saved.jsonl");
    clips.save(&saved).unwrap();
    let source = crate::dataset::Source { dataset: saved.to_str().unwrap(), root: None, labels: None };
    let again = Manifest::read(&source).unwrap().sound().unwrap();
    let spans = |rows: &[crate::dataset::Row]| {
        rows.iter().map(|row| (row.id.clone(), row.span)).collect::<Vec<(_, Span)>>()
    };
    assert_eq!(spans(&again.rows), spans(&clips.rows));
    clips
}

fn measured(stage: Stage, in_flow: bool, wall: f64, cpu: f64) -> Measured {
    Measured {
        stage,
        workers: 2,
        in_flow,
        clips: 10,
        seconds: 60.0,
        video_seconds: 80.0,
        spent: Spent { wall, cpu },
    }
}

fn stages() -> Stages {
    Stages {
        measured: vec![
            measured(Stage::Decode, false, 3.0, 3.0),
            measured(Stage::Faces, true, 5.0, 10.0),
            measured(Stage::Audio, true, 1.0, 2.0),
            // Half of the clips, as long as the others.
            Measured { clips: 5, seconds: 30.0, ..measured(Stage::Video, true, 2.0, 4.0) },
            measured(Stage::Text, true, 0.1, 0.1),
        ],
        cutting: Cutting { decode: 3.0, faces: 6.0, frames: 1_800, with_face: 1_800 },
        failed: 0,
    }
}

fn report(device: &str, wall: f64) -> Report {
    let machine = Machine { cores: 2, device: device.into(), bundle: "tiny".into() };
    let spent = Spent { wall, cpu: 21.0 };
    let whole = Whole {
        spent,
        start_stop: 0.2,
        around: Some(0.1),
        limit: Some("decode".into()),
        peak_memory: Some(1),
    };
    Report::new(machine, vec![FeatureKind::Audio], &clips(), None, &stages(), &whole)
}

#[test]
fn on_the_cores_all_stages_share_them() {
    let report = report("cpu", 11.0);
    // 1.0 for faces, 0.2 for audio, 0.8 for video, 0.01 for text.
    assert!((report.bound.cpu_s_per_clip - 2.01).abs() < 1e-9, "{:?}", report.bound);
    assert!((report.bound.clips_per_s - 2.0 / 2.01).abs() < 1e-9);
    assert_eq!(
        (report.bound.resource, report.bound.stage, report.bound.device_s_per_clip),
        ("cores", Stage::Faces, None)
    );
    assert!((report.whole.ratio - 10.05 / 11.0).abs() < 1e-9, "{:?}", report.whole);
    assert!((report.whole.times_real_time - 60.0 / 11.0).abs() < 1e-9);
    // Decoding passes over the recordings, a network over the clips.
    let real_time: Vec<f64> = report.stages.iter().map(|row| row.times_real_time).collect();
    assert_eq!(real_time[1..4], [16.0, 60.0, 15.0]);
    assert_eq!(
        (report.data.videos, report.data.clips, report.data.video_s, report.data.clip_s),
        (2, 10, 80.0, 60.0)
    );
}

#[test]
fn a_device_of_its_own_is_another_resource() {
    let bound = report("cuda", 7.0).bound;
    // 0.1 for audio, 0.4 for video, 0.01 for text; the cores need 1.005.
    assert!((bound.device_s_per_clip.unwrap() - 0.51).abs() < 1e-9, "{bound:?}");
    assert_eq!(bound.resource, "cores");
}

#[test]
fn each_stage_grows_with_what_it_works_on() {
    let projection = report("cpu", 11.0).projection;
    let hours = |stage: Stage| projection.stages.iter().find(|share| share.stage == stage).unwrap().hours;
    // 3 s of 80 s of video, 6 s of 1,800 frames, 1 s of 60 s of clips; on two cores.
    let faces = (3.0 / 80.0 * 65.0 + 6.0 / 1_800.0 * 30.0 * 46.0 + 1.0 / 60.0 * 46.0) / 2.0;
    assert!((hours(Stage::Faces) - faces).abs() < 1e-9, "{} {faces}", hours(Stage::Faces));
    assert!((hours(Stage::Video) - 4.0 / 30.0 * 46.0 / 2.0).abs() < 1e-9);
    assert!((hours(Stage::Text) - 0.01 * 22_856.0 / 3600.0 / 2.0).abs() < 1e-9);
    let all: f64 = projection.stages.iter().map(|share| share.hours).sum();
    assert!((projection.hours - all * 11.0 / 10.05).abs() < 1e-9);
}
