use affekt_core::Seconds;

use super::super::inventory::{Durations, take};
use super::super::{Kind, Manifest, Severity, Split};
use super::{kinds, of_rows, row};

/// What is off in clips of `v.mp4`, which is of this length; its absence aside.
fn told(manifest: &Manifest, duration: Result<Option<Seconds>, String>) -> Vec<(Kind, String)> {
    let inventory = take(manifest, &Durations::from([("v.mp4".into(), duration)]));
    let present = inventory.problems.into_iter().filter(|problem| problem.kind != Kind::MissingMedia);
    present.map(|problem| (problem.kind, problem.clip.unwrap_or_default())).collect()
}

#[test]
fn spans_end_with_their_recording() {
    let clips = of_rows(vec![
        row("v", 0, 0.0, Some(1.0)),
        row("v", 1, 9.0, Some(10.1)),
        row("v", 2, 10.0, None),
        row("v", 3, 1.0, Some(2.0)),
    ]);
    assert_eq!(
        told(&clips, Ok(Some(Seconds(10.0)))),
        [(Kind::SpanOutsideMedia, "v_2".into()), (Kind::Overlap, "v_2".into())]
    );
    let tight = told(&clips, Ok(Some(Seconds(9.99))));
    assert_eq!(tight.iter().filter(|(kind, _)| *kind == Kind::SpanOutsideMedia).count(), 2);
    assert_eq!(told(&clips, Ok(None))[1], (Kind::UnknownDuration, String::new()));
    assert_eq!(told(&clips, Err("v.mp4: is empty".into()))[0], (Kind::UnreadableMedia, String::new()));
}

#[test]
fn overlaps_are_warnings_and_name_the_longest_clip_before() {
    let spans = [(0.0, 5.0), (1.0, 2.0), (3.0, 6.0), (5.9995, 7.0), (7.0, 8.0)];
    let clips = spans.iter().enumerate().map(|(at, &(start, end))| row("v", at, start, Some(end)));
    let inventory = take(&of_rows(clips.collect()), &Durations::new());
    let overlaps: Vec<_> =
        inventory.problems.iter().filter(|problem| problem.kind == Kind::Overlap).collect();
    let messages: Vec<&str> = overlaps.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(messages, ["v_1 shares 1.000 s with v_0", "v_2 shares 2.000 s with v_0"]);
    assert!(overlaps.iter().all(|problem| problem.severity == Severity::Warning));
}

#[test]
fn hours_are_counted_by_split() {
    let mut clips = vec![row("v", 0, 0.0, Some(36.0)), row("v", 1, 36.0, None), row("w", 0, 0.0, Some(3.6))];
    (clips[0].split, clips[1].split) = (Some(Split::Test), Some(Split::Test));
    (clips[0].label, clips[0].text) = (Some(3.5), Some("hi".into()));
    let inventory = take(&of_rows(clips), &Durations::from([("v.mp4".into(), Ok(Some(Seconds(72.0))))]));
    assert_eq!(
        kinds(&inventory.problems),
        [Kind::MissingMedia, Kind::MissingMedia, Kind::LabelRange, Kind::NoSplit]
    );
    let summary = &inventory.summary;
    let test = &summary.splits["test"];
    assert_eq!((test.clips, test.videos, test.with_text, test.with_label), (2, 1, 1, 1));
    assert!((test.hours - 0.02).abs() < 1e-12);
    assert!((summary.splits["none"].hours - 0.001).abs() < 1e-12);
    assert_eq!((summary.all.clips, summary.all.videos, summary.probed), (3, 2, 1));
    assert_eq!((summary.errors, summary.warnings, summary.kinds["missing_media"]), (2, 2, 2));
}

#[test]
fn a_dataset_without_clips_is_an_error_of_no_hours() {
    let empty = of_rows(Vec::new());
    assert!(empty.duration().0.is_sign_positive());
    let inventory = take(&empty, &Durations::new());
    assert_eq!(kinds(&inventory.problems), [Kind::NoClips]);
    assert_eq!((inventory.summary.errors, inventory.summary.all.clips), (1, 0));
    assert_eq!(format!("{:.3}", inventory.summary.all.hours), "0.000");
}

#[test]
fn kinds_are_called_as_in_json() {
    for kind in [
        Kind::NoClips,
        Kind::MissingMedia,
        Kind::SpanOutsideMedia,
        Kind::Overlap,
        Kind::UnknownDuration,
        Kind::BadId,
    ] {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
    }
}
