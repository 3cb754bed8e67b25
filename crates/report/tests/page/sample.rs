//! Made-up results of every kind.

use affekt_core::{Digest, ErrorKind, FeatureKind, FeatureSpec, LayerRule, Seconds, Span, Stage, TextSource};
use affekt_report::exhibit::{Envelope, Picture, Views, Weights, Words};
use affekt_report::failure::Reason;
use affekt_report::prediction::{Attention, Audio, Faces, Label, Shares, Simulated, Timing, Valence, Window};
use affekt_report::{Entry, Exhibit, Failure, Page, Prediction};

/// Text that breaks whatever does not escape it.
pub const NASTY: &str =
    "<script>alert(\"1\")</script> & 'two' </style> \u{1f600} \u{5e9}\u{5dc}\u{5d5}\u{5dd} ]]> <!--";

/// A clip of 8 seconds with everything.
pub fn clip() -> (Prediction, Exhibit) {
    let prediction = Prediction {
        input: "talks/interview.mp4".into(),
        duration_s: Seconds(8.0),
        bundle: "tiny".into(),
        fusion: None,
        label: Label::Positive,
        text_source: Some(TextSource::Transcript),
        valence: Valence { with_text: Some(3.456), without_text: -0.321 },
        attention: Attention {
            with_text: Some(Shares { audio: 0.31, text: 0.58, video: 0.11 }),
            without_text: Shares { audio: 0.44, text: 0.065, video: 0.495 },
        },
        timeline: timeline(2, 8.0),
        faces: Faces { frames: 12_345, with_face: 6_789, coverage: 0.55, tracks: 3 },
        audio: Audio { present: true, silent: false, seconds: Seconds(7.9) },
        simulated: Simulated {
            hypothesis: Some("i loved at".into()),
            tokens: 14,
            score: Some(-1.42),
            looped: false,
        },
        warnings: vec![
            "bundle tiny is untrained: its numbers carry no meaning".into(),
            "2 faces compete".into(),
            "the sound ends 0.1 s before the picture".into(),
        ],
        timing_s: Timing {
            stages: vec![
                (Stage::Load, Seconds(0.012)),
                (Stage::Decode, Seconds(0.21)),
                (Stage::Fuse, Seconds(1.5)),
            ],
            total: Seconds(1.722),
        },
    };
    (prediction, exhibit())
}

fn exhibit() -> Exhibit {
    let spec = |kind, layers: Option<i32>, width| FeatureSpec {
        kind,
        encoder: "wavlm".into(),
        weights: Digest::of(b"weights"),
        layers: layers.map(LayerRule::entry),
        preprocessing: vec!["decode-16k-mono-v1".into(), format!("prompt {NASTY:?}")],
        width,
        dtype: "f16".into(),
        row: "20ms".into(),
    };
    Exhibit {
        media: vec![("Container".into(), "Matroska".into()), ("Picture".into(), "H.264, 640 x 360".into())],
        pictures: pictures(3),
        envelope: Envelope {
            start: Seconds(0.0),
            step: Seconds(0.01),
            steps: (0..790).map(|at| (-0.001 * at as f32, 0.001 * at as f32)).collect(),
        },
        seen: vec![
            Span { start: Seconds(0.5), end: Some(Seconds(3.0)) },
            Span { start: Seconds(5.0), end: None },
        ],
        words: vec![words(0.0, 4.0), words(4.0, 8.0)],
        views: Views {
            with_text: Some([0.22, 0.18, 0.14, 0.1, 0.12, 0.2, 0.04]),
            without_text: [0.25, 0.1, 0.12, 0.23, 0.15, 0.05, 0.1],
        },
        features: vec![spec(FeatureKind::Audio, Some(-5), 1024), spec(FeatureKind::Video, None, 512)],
        networks: vec![network("wavlm"), network("manet")],
        bundle: "Every network at a tiny size.".into(),
        caution: Some("Untrained.".into()),
    }
}

/// `count` small pictures; every second one without a face.
pub fn pictures(count: usize) -> Vec<Picture> {
    let picture = |index: usize| Picture {
        time: Seconds(index as f64 + 0.5),
        width: 320,
        height: 180,
        jpeg: vec![0xff, 0xd8, 0xff, 0xd9],
        face: index.is_multiple_of(2).then_some([100.0, 40.0, 60.5, 60.5]),
        crop: index.is_multiple_of(2).then(|| vec![0xff, 0xd8, 0xff, 0xd9]),
    };
    (0..count).map(picture).collect()
}

/// Words of a window.
pub fn words(start: f64, end: f64) -> Words {
    let (start, end) = (Seconds(start), Seconds(end));
    Words { start, end, transcript: Some("I loved it.".into()), hypothesis: Some("i loved at".into()) }
}

fn network(name: &str) -> Weights {
    Weights {
        network: name.into(),
        sha256: Digest::of(name.as_bytes()).to_string(),
        licence: "MIT OR Apache-2.0".into(),
        source: format!("https://example.org/{name}?a=1&b=2"),
    }
}

/// `count` windows over `seconds`; some without one of the two valences, or both.
pub fn timeline(count: usize, seconds: f64) -> Vec<Window> {
    let window = |index: usize| Window {
        start: Seconds(seconds * index as f64 / count as f64),
        end: Seconds(seconds * (index + 1) as f64 / count as f64),
        with_text: (index % 11 != 4).then_some((index as f64).sin() * 3.5),
        without_text: (index % 17 != 9).then_some((index as f64).cos() * 2.0),
    };
    (0..count).map(window).collect()
}

/// A recording of three hours in `count` windows, with its words.
pub fn recording(count: usize) -> (Prediction, Exhibit) {
    let (mut prediction, mut exhibit) = clip();
    prediction.duration_s = Seconds(10_800.0);
    prediction.timeline = timeline(count, 10_800.0);
    exhibit.words = prediction.timeline.iter().map(|window| words(window.start.0, window.end.0)).collect();
    exhibit.pictures.clear();
    (prediction, exhibit)
}

/// Sound only, without transcript.
pub fn memo() -> (Prediction, Exhibit) {
    let (mut prediction, mut exhibit) = clip();
    prediction.input = "memo.m4a".into();
    prediction.faces = Faces { frames: 0, with_face: 0, coverage: 0.0, tracks: 0 };
    (exhibit.pictures, exhibit.seen) = (Vec::new(), Vec::new());
    prediction.valence.with_text = None;
    prediction.attention.with_text = None;
    prediction.text_source = None;
    exhibit.views.with_text = None;
    prediction.timeline.iter_mut().for_each(|window| window.with_text = None);
    exhibit.words.iter_mut().for_each(|words| words.transcript = None);
    (prediction, exhibit)
}

/// A fifth of a second of which nothing is known but a number.
pub fn nothing() -> (Prediction, Exhibit) {
    let (mut prediction, mut exhibit) = memo();
    prediction.duration_s = Seconds(0.2);
    prediction.timeline.clear();
    prediction.audio = Audio { present: false, silent: true, seconds: Seconds(0.0) };
    prediction.simulated = Simulated::default();
    prediction.warnings.clear();
    prediction.timing_s = Timing::default();
    exhibit.envelope = Envelope::default();
    (exhibit.media, exhibit.words) = (Vec::new(), Vec::new());
    (exhibit.features, exhibit.networks) = (Vec::new(), Vec::new());
    exhibit.bundle.clear();
    (prediction, exhibit)
}

/// An input that failed.
pub fn failed() -> Entry {
    let error = Reason {
        kind: ErrorKind::NotMedia,
        message: format!("not media: {NASTY}"),
        hint: Some("give a video".into()),
    };
    Entry::Failed(Failure { input: "photo.mp4".into(), error })
}

/// A judged input.
pub fn judged((prediction, exhibit): (Prediction, Exhibit)) -> Entry {
    Entry::judged(prediction, exhibit)
}

/// A page.
pub fn page(entries: Vec<Entry>) -> Page {
    Page {
        title: "Sentiment".into(),
        program: "affekt 0.1.0".into(),
        command: "affekt predict 'a b.mp4' --report out.html".into(),
        made: "2026-11-21 19:15 UTC".into(),
        entries,
    }
}

/// A page of every kind of input.
pub fn everything() -> Page {
    page(vec![judged(clip()), judged(memo()), failed(), judged(nothing()), judged(recording(40))])
}
