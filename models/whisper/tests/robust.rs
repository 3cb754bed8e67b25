//! Recordings, weights, vocabularies and settings that do not fit.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use affekt_core::{ErrorKind, Explain};
use affekt_nn::finite::NotFinite;
use affekt_testkit::golden::Golden;
use affekt_testkit::noise;
use affekt_weights::Checkpoint;
use affekt_whisper::{Config, Error, KEYS, Options, Recognition, Vocabulary, Whisper};
use candle_core::{DType, Device, Tensor};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.safetensors"))
}

fn config() -> Config {
    serde_json::from_str(&Golden::open(golden("tiny")).metadata("config")).unwrap()
}

fn load(weights: &Path, dtype: DType) -> Result<Whisper, affekt_weights::Error> {
    let config = config();
    Checkpoint::open(weights).unwrap().load(&KEYS, dtype, &Device::Cpu, |vb| Whisper::load(vb, &config))
}

/// The network with weights that `change` made.
fn changed(change: impl FnOnce(&mut HashMap<String, Tensor>)) -> Result<Whisper, affekt_weights::Error> {
    let mut tensors = candle_core::safetensors::load(golden("tiny.weights"), &Device::Cpu).unwrap();
    change(&mut tensors);
    let folder = std::env::temp_dir().join(format!("affekt-whisper-{:?}", std::thread::current().id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("changed.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    let network = load(&path, DType::F32);
    std::fs::remove_dir_all(folder).unwrap();
    network
}

fn network() -> Whisper {
    load(&golden("tiny.weights"), DType::F32).unwrap()
}

fn vocabulary() -> Vocabulary {
    Vocabulary {
        start: 97,
        end: 96,
        transcribe: Some(101),
        no_speech: Some(102),
        no_timestamps: 103,
        first_timestamp: 104,
        languages: BTreeMap::from([("en".into(), 98), ("de".into(), 99)]),
    }
}

fn sound(samples: usize) -> Vec<f32> {
    noise(0.0, 0.1, samples).to_vec1().unwrap()
}

fn recognise(network: &Whisper, samples: &[f32]) -> Result<Recognition, Error> {
    network.recognise(samples, &vocabulary(), &Options::default())
}

#[test]
fn without_ten_milliseconds_of_sound_there_are_no_segments() {
    let network = network();
    for samples in [0, 1, 159] {
        assert_eq!(recognise(&network, &sound(samples)).unwrap(), Recognition::default(), "{samples}");
    }
    for code in ["de", "DE"] {
        let options = Options { language: Some(code.into()) };
        let got = network.recognise(&[], &vocabulary(), &options).unwrap();
        assert_eq!((got.language.as_deref(), got.segments.len()), (Some("de"), 0));
    }
}

#[test]
fn recordings_of_odd_lengths_end_where_they_end() {
    let network = network();
    for samples in [160, 161, 400, 8000, 479_999, 480_001, 480_159, 480_160] {
        let got = recognise(&network, &sound(samples)).unwrap();
        let mut last = 0.0;
        for segment in &got.segments {
            let (start, end) = (segment.start.0, segment.end.0);
            assert!(
                last <= start && start <= end && end <= samples as f64 / 16_000.0 + 1e-6,
                "{samples}: {segment:?}"
            );
            assert!(segment.log_probability <= 0.0 && (0.0..=1.0).contains(&segment.no_speech));
            assert!(!segment.tokens.is_empty() && segment.tokens.iter().all(|&token| token < 96));
            last = start;
        }
    }
}

/// One number decides whether a window is silent and is told of its segments: none comes out that the rule leaves out.
#[test]
fn segments_of_a_window_have_the_log_probability_that_the_rule_for_silence_reads() {
    let segments = recognise(&network(), &sound(1_000_000)).unwrap().segments;
    for segment in &segments {
        assert!(segment.no_speech <= 0.6 || segment.log_probability >= -1.0, "{segment:?}");
    }
    // No two windows hear the same, so that the probability of silence tells them apart.
    let same: Vec<_> = segments.windows(2).filter(|pair| pair[0].no_speech == pair[1].no_speech).collect();
    assert!(!same.is_empty(), "{segments:?}");
    assert!(same.iter().all(|pair| pair[0].log_probability == pair[1].log_probability), "{same:?}");
}

#[test]
fn silence_and_thunder_are_heard_without_a_fault() {
    for samples in [vec![0.0; 16_000], vec![1e30; 16_000], vec![f32::MIN_POSITIVE; 16_000]] {
        recognise(&network(), &samples).unwrap();
    }
}

#[test]
fn the_same_recording_gives_the_same_result_at_every_run() {
    let (network, samples) = (network(), sound(700_000));
    let first = recognise(&network, &samples).unwrap();
    assert!(!first.segments.is_empty());
    assert_eq!(recognise(&network, &samples).unwrap(), first);
}

#[test]
fn a_text_that_repeats_itself_is_flagged() {
    // The states are the same at every step, and so is the likeliest word.
    let network = changed(|tensors| {
        let name = "model.decoder.layer_norm.weight";
        let zeros = tensors[name].zeros_like().unwrap();
        tensors.insert(name.into(), zeros);
    });
    let got = recognise(&network.unwrap(), &sound(16_000)).unwrap();
    assert!(!got.segments.is_empty() && got.segments.iter().all(|segment| segment.looped), "{got:?}");
}

#[test]
fn samples_that_are_not_finite_are_refused() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut samples = sound(16_000);
        samples[9000] = bad;
        let error = recognise(&network(), &samples).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadInput);
        assert!(error.to_string().contains("the input waveform"), "{error}");
    }
}

#[test]
fn broken_weights_are_named_by_the_part_that_holds_them() {
    for (name, part) in [
        ("model.encoder.layers.1.fc1.weight", "model.encoder"),
        ("model.decoder.layers.0.encoder_attn.v_proj.bias", "model.decoder"),
    ] {
        let network = changed(|tensors| {
            let broken = (tensors[name].ones_like().unwrap() * f64::INFINITY).unwrap();
            tensors.insert(name.into(), broken);
        });
        let error = recognise(&network.unwrap(), &sound(16_000)).unwrap_err();
        let Error::Tensor(inner) = &error else { panic!("{error}") };
        assert_eq!(NotFinite::of(inner).unwrap().layer, part);
        assert_eq!(error.kind(), ErrorKind::BadModel);
    }
}

#[test]
fn weights_are_read_strictly() {
    let keys = |result: Result<Whisper, affekt_weights::Error>| result.err().unwrap().to_string();
    let missing = changed(|tensors| drop(tensors.remove("model.encoder.layers.1.fc2.bias")));
    assert!(keys(missing).contains("model.encoder.layers.1.fc2.bias"));
    let extra = changed(|tensors| {
        let copy = tensors["model.encoder.conv1.bias"].clone();
        tensors.insert("model.encoder.layers.2.fc2.bias".into(), copy);
    });
    assert!(keys(extra).contains("model.encoder.layers.2.fc2.bias"));
    let tied = changed(|tensors| {
        let head = tensors["model.decoder.embed_tokens.weight"].clone();
        tensors.insert("proj_out.weight".into(), head);
        tensors.remove("model.encoder.embed_positions.weight");
    });
    assert!(tied.is_ok());
    assert!(keys(load(&golden("tiny.weights"), DType::F16)).contains("f32"));
}

#[test]
fn languages_and_vocabularies_of_other_networks_are_refused() {
    let network = network();
    let options = Options { language: Some("tlh".into()) };
    let error = network.recognise(&[], &vocabulary(), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadConfig);
    assert!(error.to_string().contains("\"tlh\"") && error.to_string().contains("de, en"), "{error}");
    let larger = Vocabulary { first_timestamp: 105, ..vocabulary() };
    let error = network.recognise(&[], &larger, &Options::default()).unwrap_err();
    assert!(matches!(error, Error::Vocabulary { id: 1605, vocab_size: 1605, .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::BadModel);
    assert!(error.hint().unwrap().contains("tokenizer.json"));
}

#[test]
fn a_network_for_english_needs_no_language_and_takes_no_other() {
    let english = Vocabulary { transcribe: None, languages: BTreeMap::new(), ..vocabulary() };
    let recognise = |language: Option<&str>| {
        let options = Options { language: language.map(Into::into) };
        network().recognise(&sound(16_000), &english, &options)
    };
    assert_eq!(recognise(None).unwrap().language.as_deref(), Some("en"));
    assert_eq!(recognise(Some("EN")).unwrap().language.as_deref(), Some("en"));
    assert!(matches!(recognise(Some("de")), Err(Error::Language { .. })));
}

#[test]
fn tensors_of_other_shapes_are_refused_with_their_numbers() {
    let network = network();
    let zeros = |dims: &[usize]| Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap();
    let error = network.encode(&zeros(&[1, 128, 3000])).unwrap_err().to_string();
    assert!(error.contains("128 mel bands of 3000 frames, wanted 80 of 3000"), "{error}");
    assert!(network.decoder(zeros(&[1, 1499, 24])).is_err());
    let mut decoder = network.decoder(zeros(&[1, 1500, 24])).unwrap();
    assert!(decoder.logits(&[97; 129], 0).unwrap_err().to_string().contains("129 tokens"));
    assert!(decoder.logits(&[], 0).is_err());
}
