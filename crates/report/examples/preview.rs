//! Throw-away.
#![allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "throw-away"
)]
use affekt_core::*;
use affekt_report::exhibit::*;
use affekt_report::prediction::*;
use affekt_report::*;
use serde_json::Value;

fn base(input: &str, dur: f64) -> (Prediction, Exhibit) {
    let d = Digest::of(b"x");
    let spec = |kind, encoder: &str, layers: Option<i32>, pre: &[&str], width, row: &str| FeatureSpec {
        kind,
        encoder: encoder.into(),
        weights: d.clone(),
        layers: layers.map(LayerRule::entry),
        preprocessing: pre.iter().map(|p| p.to_string()).collect(),
        width,
        dtype: "f32".into(),
        row: row.into(),
    };
    let p = Prediction {
        input: input.into(), duration_s: Seconds(dur), bundle: "tiny".into(), label: Label::Positive,
        text_source: Some(TextSource::Transcript),
        valence: Valence { with_text: Some(1.234), without_text: -0.321 },
        attention: Attention { with_text: Some(Shares { audio: 0.31, text: 0.58, video: 0.11 }), without_text: Shares { audio: 0.44, text: 0.065, video: 0.495 } },
        timeline: vec![Window { start: Seconds(0.0), end: Seconds(dur), with_text: Some(1.234), without_text: Some(-0.321) }],
        faces: Faces { frames: 200, with_face: 192, coverage: 0.96, tracks: 2 },
        audio: affekt_report::prediction::Audio { present: true, silent: false, seconds: Seconds(dur) },
        simulated: Simulated { hypothesis: Some("the minister answered a question".into()), tokens: 14, score: Some(-1.42), looped: false },
        warnings: vec!["bundle tiny is untrained: its numbers carry no meaning".into(), "2 faces compete for the speaker: the largest, most persistent one was taken (weight 75.1 against 61.0)".into()],
        timing_s: Timing { stages: vec![(Stage::Load, Seconds(0.012)), (Stage::Decode, Seconds(0.21)), (Stage::Faces, Seconds(0.62)), (Stage::Audio, Seconds(0.13)), (Stage::Video, Seconds(0.4)), (Stage::Text, Seconds(0.03)), (Stage::Simulate, Seconds(0.22)), (Stage::Fuse, Seconds(0.004))], total: Seconds(1.63) },
    };
    let net = |n: &str, l: &str, s: &str| Weights {
        network: n.into(),
        sha256: Digest::of(n.as_bytes()).to_string(),
        licence: l.into(),
        source: s.into(),
    };
    let e = Exhibit {
        media: vec![
            ("Container".into(), "QuickTime / MOV".into()),
            ("Picture".into(), "H.264, 512 x 512, 25 fps".into()),
            ("Sound".into(), "AAC, 48000 Hz, 2 channels".into()),
            ("Size".into(), "1.2 MB".into()),
        ],
        pictures: vec![],
        envelope: Envelope::default(),
        seen: vec![Span { start: Seconds(0.0), end: Some(Seconds(dur)) }],
        words: vec![Words {
            start: Seconds(0.0),
            end: Seconds(dur),
            transcript: Some(
                "And so when we talk about this, it is not just about one bill: it's about who we are."
                    .into(),
            ),
            hypothesis: Some(
                "and so when we talked about this it is just about won bill its about who we are to".into(),
            ),
        }],
        views: Views {
            with_text: Some([0.22, 0.18, 0.14, 0.1, 0.12, 0.2, 0.04]),
            without_text: [0.25, 0.1, 0.12, 0.23, 0.15, 0.05, 0.1],
        },
        features: vec![
            spec(
                FeatureKind::Audio,
                "wavlm",
                Some(-5),
                &["decode-16k-mono-v1", "normalize-hf-v1"],
                1024,
                "20ms",
            ),
            spec(
                FeatureKind::Speech,
                "wavlm",
                Some(-1),
                &["decode-16k-mono-v1", "normalize-hf-v1"],
                1024,
                "20ms",
            ),
            spec(
                FeatureKind::Video,
                "manet",
                None,
                &[
                    "rustface-0.1.7-288",
                    "track-10hz-smooth3-v1",
                    "crop-box-112-v1",
                    "resize-224-pil-bilinear-v1",
                ],
                1024,
                "frame",
            ),
            spec(FeatureKind::Text, "llama", Some(-4), &["bos-v1"], 4096, "token"),
            spec(
                FeatureKind::Simulated,
                "llama",
                Some(-4),
                &[
                    "decode-16k-mono-v1",
                    "normalize-hf-v1",
                    &format!("speech -1 of {d}"),
                    &format!("projector {d}"),
                    "prompt \"USER: Transcribe speech to text. Output the transcription directly without redundant content. Ensure that the output is not duplicated. \\n ASSISTANT:\"",
                    "beams 4 max 200 mode Best",
                ],
                4096,
                "token",
            ),
        ],
        networks: vec![
            net("wavlm", "MIT OR Apache-2.0", "drawn by models/tiny/generate.py"),
            net(
                "manet",
                "MIT",
                "https://huggingface.co/some/where/very/long/path/to/a/file/model.safetensors",
            ),
            net("llama", "non-commercial, see the page of the authors", "lmsys/vicuna-7b-v1.5"),
            net("slam", "MIT OR Apache-2.0", "drawn by models/tiny/generate.py"),
            net("sdumc", "MIT OR Apache-2.0", "drawn by models/tiny/generate.py"),
        ],
        bundle:
            "Every network of the system at a tiny size, with drawn weights: for trying out and for tests."
                .into(),
    };
    (p, e)
}
fn real(dir: &str) -> (Prediction, Exhibit) {
    let d = format!("/tmp/preview/{dir}/");
    let m: Value = serde_json::from_slice(&std::fs::read(d.clone() + "meta.json").unwrap()).unwrap();
    let dur = m["dur"].as_f64().unwrap();
    let (p, mut e) = base(m["name"].as_str().unwrap(), dur);
    let steps: Vec<(f32, f32)> = m["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s[0].as_f64().unwrap() as f32, s[1].as_f64().unwrap() as f32))
        .collect();
    e.envelope = Envelope { start: Seconds(0.0), step: Seconds(dur / steps.len() as f64), steps };
    for (i, q) in m["pics"].as_array().unwrap().iter().enumerate() {
        let face = q["face"].as_array().map(|f| [0, 1, 2, 3].map(|k| f[k].as_f64().unwrap() as f32));
        e.pictures.push(Picture {
            time: Seconds(q["time"].as_f64().unwrap()),
            width: q["w"].as_u64().unwrap() as usize,
            height: q["h"].as_u64().unwrap() as usize,
            jpeg: std::fs::read(format!("{d}f{i}.jpg")).unwrap(),
            face,
            crop: face.and_then(|_| std::fs::read(format!("{d}c{i}.jpg")).ok()),
        });
    }
    (p, e)
}
fn rnd(k: u64) -> f64 {
    ((k.wrapping_mul(0x9E3779B97F4A7C15) ^ (k >> 3).wrapping_mul(0xD1B54A32D192ED03)) >> 11) as f64
        / (1u64 << 53) as f64
}
fn windows(n: usize, dur: f64) -> Vec<Window> {
    (0..n)
        .map(|i| {
            let (a, b) = (dur * i as f64 / n as f64, dur * (i + 1) as f64 / n as f64);
            let s = (i as f64 * 7.0 / n as f64).sin() * 1.8 + rnd(i as u64 + 5) - 0.5;
            Window {
                start: Seconds(a),
                end: Seconds(b),
                with_text: (i % 11 != 4).then_some(s),
                without_text: (i % 17 != 9).then_some(s * 0.6 + rnd(i as u64 * 31) - 0.5),
            }
        })
        .collect()
}
fn save(name: &str, entries: Vec<Entry>) {
    let page = Page {
        title: "Sentiment of recordings".into(),
        program: "affekt 0.1.0".into(),
        command: format!("affekt predict {name}.mp4 --transcript @words.txt --report {name}.html"),
        made: "2026-11-21 19:15 UTC".into(),
        entries,
    };
    let t = std::time::Instant::now();
    let html = page.html();
    println!("{name}: {} bytes in {:?}", html.len(), t.elapsed());
    std::fs::write(format!("/tmp/preview/{name}.html"), html).unwrap();
}
fn main() {
    let (p, e) = real("hdtf");
    save("one", vec![Entry::judged(p, e)]);
    // 15 s clip in 3 windows, no trained warning, looped
    let (mut p, mut e) = real("lp");
    p.timeline = windows(4, p.duration_s.0);
    p.warnings.clear();
    p.label = Label::Negative;
    p.valence.with_text = Some(-3.412);
    p.simulated.looped = true;
    e.seen = vec![
        Span { start: Seconds(0.0), end: Some(Seconds(3.1)) },
        Span { start: Seconds(4.8), end: Some(Seconds(14.2)) },
    ];
    let w = e.words[0].clone();
    e.words = p
        .timeline
        .iter()
        .enumerate()
        .map(|(i, t)| Words {
            start: t.start,
            end: t.end,
            transcript: (i != 2).then(|| w.transcript.clone().unwrap()),
            hypothesis: (i != 1).then(|| w.hypothesis.clone().unwrap()),
        })
        .collect();
    save("looped", vec![Entry::judged(p.clone(), e.clone())]);
    let looped = (p, e);
    // 3 h
    let (mut p, mut e) = real("grid");
    p.input = "lectures/2026/Hearing of the committee, part 1.mkv".into();
    p.duration_s = Seconds(10_800.0);
    p.timeline = windows(600, 10_800.0);
    p.audio.seconds = Seconds(10_800.0);
    p.faces = Faces { frames: 270_000, with_face: 240_123, coverage: 0.889, tracks: 7 };
    p.timing_s.total = Seconds(4_234.0);
    for s in &mut p.timing_s.stages {
        s.1.0 *= 2600.0;
    }
    p.warnings.push("plain text was divided by speech duration: times of words are estimates".into());
    e.envelope.step = Seconds(10_800.0 / e.envelope.steps.len() as f64);
    for (i, q) in e.pictures.iter_mut().enumerate() {
        q.time = Seconds(900.0 * i as f64 + 400.0);
    }
    e.seen = (0..3000)
        .filter(|i| rnd(*i) < 0.85 && i % 400 > 40)
        .map(|i| Span { start: Seconds(i as f64 * 3.6), end: Some(Seconds(i as f64 * 3.6 + 2.9)) })
        .collect();
    let w = e.words[0].clone();
    e.words = p.timeline.iter().map(|t| Words { start: t.start, end: t.end, ..w.clone() }).collect();
    save("long", vec![Entry::judged(p.clone(), e.clone())]);
    let long = (p, e);
    // audio only
    let (mut p, mut e) = real("hdtf");
    p.input = "voice memo.m4a".into();
    p.valence.with_text = None;
    p.attention.with_text = None;
    p.text_source = None;
    p.label = Label::Neutral;
    e.views.with_text = None;
    e.pictures.clear();
    e.seen.clear();
    p.faces = Faces { frames: 0, with_face: 0, coverage: 0.0, tracks: 0 };
    p.timeline[0].with_text = None;
    e.words[0].transcript = None;
    let audio = (p, e);
    // 0.2 s silent, no words
    let (mut p, mut e) = base("C:\\clips\\\u{202e}gpj.exe <b>&\"quoted\"</b> \u{1f600} مقابلة.mp4", 0.2);
    p.audio.silent = true;
    p.simulated = Simulated::default();
    e.words.clear();
    e.envelope = Envelope { start: Seconds(0.0), step: Seconds(0.01), steps: vec![(0.0, 0.0); 20] };
    p.valence.with_text = None;
    p.attention.with_text = None;
    p.text_source = None;
    e.views.with_text = None;
    p.timeline.clear();
    let short = (p, e);
    save("audio", vec![Entry::judged(audio.0.clone(), audio.1.clone())]);
    save("short", vec![Entry::judged(short.0.clone(), short.1.clone())]);
    let fail = |i: &str, m: &str, h: Option<&str>| {
        Entry::Failed(Failure {
            input: i.into(),
            error: affekt_report::failure::Reason {
                kind: ErrorKind::NotMedia,
                message: m.into(),
                hint: h.map(Into::into),
            },
        })
    };
    let j = |x: (Prediction, Exhibit)| Entry::judged(x.0, x.1);
    save(
        "several",
        vec![
            j(real("hdtf")),
            j(looped),
            j(audio),
            fail(
                "inbox/photo.mp4",
                "inbox/photo.mp4 is a picture (PNG), not a recording: there is nothing to hear and one frame to see",
                Some("give a video or an audio file; `affekt faces` takes pictures"),
            ),
            j(long),
            j(short),
            fail("missing.mkv", "missing.mkv: no such file", None),
        ],
    );
}
