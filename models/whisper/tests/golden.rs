//! Against transformers: front end, states, logits, and what `generate` recognises; `golden.py` makes the references.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use affekt_testkit::golden::Golden;
use affekt_testkit::relative_error;
use affekt_weights::{Checkpoint, KeyTable};
use affekt_whisper::{Config, KEYS, Mel, Options, Recognition, Vocabulary, Whisper};
use candle_core::{DType, Device, Tensor};

const CLIPS: [(&str, usize); 3] = [("short", 91_234), ("window", 480_000), ("long", 1_234_567)];

fn step(state: u32) -> u32 {
    state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)
}

/// The waveform that `drawn` of `golden.py` makes.
fn drawn(samples: usize, seed: u32) -> Vec<f32> {
    let (mut state, mut level) = (seed, seed);
    let sample = |index: usize| {
        state = step(state);
        if index.is_multiple_of(4000) {
            level = step(level.wrapping_add(index as u32));
        }
        let period = 16 + (level >> 24) as usize % 64;
        let wave = if index % period < period / 2 { 0.5 } else { -0.5 };
        let noise = f64::from(state >> 8) / f64::from(1 << 24) - 0.5;
        ((noise * 0.25 + wave) * 0.5_f64.powi((level >> 16) as i32 % 9)) as f32
    };
    (0..samples).map(sample).collect()
}

struct Case {
    golden: Golden,
    weights: PathBuf,
    config: Config,
}

impl Case {
    fn open(folder: &Path, name: &str) -> Self {
        let golden = Golden::open(folder.join(format!("{name}.safetensors")));
        let config = serde_json::from_str(&golden.metadata("config")).unwrap();
        Self { golden, weights: folder.join(format!("{name}.weights.safetensors")), config }
    }

    fn tiny() -> Self {
        Self::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden"), "tiny")
    }

    fn network(&self) -> Whisper {
        self.with(&KEYS, &self.config)
    }

    fn with(&self, keys: &KeyTable, config: &Config) -> Whisper {
        let checkpoint = Checkpoint::open(&self.weights).unwrap();
        checkpoint.load(keys, DType::F32, &Device::Cpu, |vb| Whisper::load(vb, config)).unwrap()
    }

    /// Segments of `clip` as (start, end, tokens), by `form` of GELU.
    fn want(&self, form: &str, clip: &str) -> Vec<(f64, f64, Vec<u32>)> {
        let found: serde_json::Value = serde_json::from_str(&self.golden.metadata("found")).unwrap();
        let segments = found[format!("{form}.{clip}")].as_array().unwrap().clone();
        let number = |value: &serde_json::Value| (value.as_f64().unwrap() * 1e6).round() / 1e6;
        let tokens = |value: &serde_json::Value| serde_json::from_value(value.clone()).unwrap();
        segments.iter().map(|s| (number(&s["start"]), number(&s["end"]), tokens(&s["tokens"]))).collect()
    }
}

/// As in `golden.py`.
fn vocabulary() -> Vocabulary {
    let languages = [("en", 98), ("de", 99), ("fr", 100)].map(|(code, token)| (code.to_owned(), token));
    Vocabulary {
        start: 97,
        end: 96,
        transcribe: Some(101),
        no_speech: Some(102),
        no_timestamps: 103,
        first_timestamp: 104,
        languages: BTreeMap::from(languages),
    }
}

fn window(mel: &Mel, samples: &[f32]) -> Tensor {
    mel.spectrogram(samples).window(0, &Device::Cpu).unwrap()
}

/// Every `stride`th row of a matrix.
fn every(rows: &Tensor, stride: usize) -> Tensor {
    let kept: Vec<u32> = (0..rows.dim(0).unwrap()).step_by(stride).map(|row| row as u32).collect();
    rows.index_select(&Tensor::new(kept, &Device::Cpu).unwrap(), 0).unwrap()
}

#[test]
fn the_front_end_is_that_of_transformers() {
    let golden = Golden::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mel.safetensors"));
    for (clip, samples) in CLIPS {
        for bands in [80, 128] {
            let found = Mel::new(bands).spectrogram(&drawn(samples, 1));
            let frames = golden.tensor(&format!("{clip}.{bands}.frames")).to_vec1::<i64>().unwrap();
            // The reference's own forms are 1e-5 apart: the default one adds up in f32.
            for (form, tolerance) in [("exact", 2e-6), ("default", 3e-5)] {
                let want = golden.tensor(&format!("{clip}.{bands}.{form}"));
                let want = want.to_vec2::<f32>().unwrap(); // (frames, bands)
                for (&frame, want) in frames.iter().zip(&want) {
                    let got = found.window(frame as usize, &Device::Cpu).unwrap().get(0).unwrap();
                    let got = got.narrow(1, 0, 1).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                    let worst = got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    assert!(worst < tolerance, "{clip}, {bands} bands, frame {frame}, {form}: {worst:.1e}");
                }
            }
        }
    }
}

/// Errors of every encoder block (behind the final norm) and of the logits, against `form` of GELU.
fn errors(case: &Case, form: &str, stride: usize) -> Vec<(String, f64)> {
    let mel = window(&Mel::new(80), &drawn(480_000, 1));
    // The library gives no states between its blocks: networks that end after each of them do.
    let keys = KeyTable { ignored: &["proj_out.weight", "model.encoder.**"], ..KEYS };
    let mut errors = Vec::new();
    for layers in 1..=case.config.encoder_layers {
        let network = case.with(&keys, &Config { encoder_layers: layers, ..case.config.clone() });
        let got = every(&network.encode(&mel).unwrap().get(0).unwrap(), 50);
        let name = format!("{form}.encoder.{layers}");
        errors.push((name.clone(), relative_error(&got, &case.golden.tensor(&name))));
    }
    let network = case.network();
    let tokens: Vec<u32> = [97, 98, 101, 104].into_iter().chain(4..20).collect();
    let mut decoder = network.decoder(network.encode(&mel).unwrap()).unwrap();
    let want = case.golden.tensor(&format!("{form}.logits"));
    let got = decoder.logits(&tokens, 0).unwrap();
    let got = if want.dim(0).unwrap() == 1 { got.narrow(0, 19, 1).unwrap() } else { every(&got, stride) };
    errors.push((format!("{form}.logits"), relative_error(&got, &want)));
    errors
}

#[test]
fn every_encoder_block_and_the_logits_agree_with_transformers() {
    for (name, error) in errors(&Case::tiny(), "tanh", 3) {
        assert!(error < 1e-4, "{name}: {error:.1e}");
    }
}

#[test]
fn the_library_s_form_of_gelu_is_all_that_differs() {
    for (name, error) in errors(&Case::tiny(), "gelu", 3) {
        assert!(error < 1e-3, "{name}: {error:.1e}");
    }
}

fn check_recognition(case: &Case, clip: &str, samples: usize, form: &str) -> Recognition {
    let network = case.network();
    let options = Options { language: Some("de".into()) };
    let recording = drawn(samples, 1);
    let got = network.recognise(&recording, &vocabulary(), &options).unwrap();
    let length = samples as f64 / 16_000.0;
    let clamp = |time: f64| (time.min(length) * 1e6).round() / 1e6;
    // transformers goes on in the silence behind a short clip, and may end a segment there.
    let want = case.want(form, clip).into_iter().filter(|(start, ..)| *start < length);
    let want: Vec<_> = want.map(|(start, end, tokens)| (start, clamp(end), tokens)).collect();
    let segments = got.segments.iter();
    let found: Vec<_> = segments.map(|s| (s.start.0, s.end.0, s.tokens.clone())).collect();
    assert_eq!(found, want, "{clip}, {form}");
    assert_eq!(got.language.as_deref(), Some("de"));
    got
}

#[test]
fn recordings_of_every_length_are_recognised_as_by_generate() {
    let case = Case::tiny();
    for (clip, samples) in CLIPS {
        for form in ["tanh", "gelu"] {
            let got = check_recognition(&case, clip, samples, form);
            assert!(!got.segments.is_empty());
        }
    }
}

#[test]
fn the_language_is_that_of_detect_language() {
    let case = Case::tiny();
    let found: serde_json::Value = serde_json::from_str(&case.golden.metadata("found")).unwrap();
    let got = case.network().recognise(&drawn(480_000, 2), &vocabulary(), &Options::default()).unwrap();
    assert_eq!(got.language.as_deref(), found["tanh.language"].as_str());
}

#[test]
#[ignore = "needs 150 MB of weights: see golden.py --sized"]
fn at_the_size_of_whisper_tiny() {
    let folder = std::env::var("WHISPER_SIZED").expect("WHISPER_SIZED names the folder");
    let case = Case::open(Path::new(&folder), "sized");
    for form in ["tanh", "gelu"] {
        for (name, error) in errors(&case, form, 1) {
            let tolerance = if form == "tanh" { 1e-4 } else { 1e-3 };
            println!("{name}: {error:.1e}");
            assert!(error < tolerance, "{name}: {error:.1e}");
        }
        let start = Instant::now();
        let got = check_recognition(&case, "window", 480_000, form);
        let tokens: usize = got.segments.iter().map(|segment| segment.tokens.len()).sum();
        println!("{tokens} text tokens: {:?}", start.elapsed());
    }
    for (part, time) in times(&case) {
        println!("{part}: {time:?}");
    }
}

/// Best of several, for 30 s.
fn times(case: &Case) -> Vec<(String, Duration)> {
    let (network, recording) = (case.network(), drawn(480_000, 1));
    let mel = window(network.mel(), &recording);
    let encoded = network.encode(&mel).unwrap();
    let best = |repeats: usize, work: &dyn Fn()| {
        let time = |_| {
            let start = Instant::now();
            work();
            start.elapsed()
        };
        (0..repeats).map(time).min().unwrap()
    };
    let mut times = vec![
        ("front end".into(), best(20, &|| drop(network.mel().spectrogram(&recording)))),
        ("encoder".into(), best(3, &|| drop(network.encode(&mel).unwrap()))),
    ];
    for tokens in [50, 100, 200] {
        let ids = vec![5; tokens];
        // The first step also computes what is kept of the encoder's output.
        let decoder = RefCell::new(network.decoder(encoded.clone()).unwrap());
        let step = || drop(decoder.borrow_mut().logits(&ids, tokens - 1).unwrap());
        times.push((format!("a step behind {tokens} tokens"), best(5, &step)));
    }
    times
}
