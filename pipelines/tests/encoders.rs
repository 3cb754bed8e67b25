//! Encoders are loaded for the features asked for, and a batch is its clips.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::fs;
use std::path::{Path, PathBuf};

use affekt_core::{Digest, ErrorKind, Explain, FeatureKind, SampleRate, Waveform};
use affekt_pipelines::Error;
use affekt_pipelines::networks::Encoders;
use affekt_pipelines::recipe::{KINDS, Recipes, specs};
use affekt_testkit::{noise, relative_error};
use affekt_weights::{Bundle, Error as WeightsError};
use candle_core::{Device, Tensor};
use tempfile::TempDir;

use FeatureKind::{Audio, Simulated, Speech, Text, Video};

const CROPS: [&str; 2] = ["a-detector-v1", "a-crop-v1"];

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tiny")
}

fn encoders(features: &[FeatureKind]) -> Encoders {
    load(&Bundle::open(&tiny()).unwrap(), features).unwrap()
}

fn load(bundle: &Bundle, features: &[FeatureKind]) -> Result<Encoders, Error> {
    Encoders::load(bundle, &recipes(bundle), features, &Device::Cpu)
}

fn recipes(bundle: &Bundle) -> Recipes {
    Recipes::of(bundle).unwrap()
}

/// The tiny bundle without the files of the folders `without`, its `bundle.toml` changed by `edit`.
fn partial(without: &[&str], edit: impl Fn(String) -> String) -> (TempDir, Bundle) {
    let folder = tempfile::tempdir().unwrap();
    for network in ["wavlm", "manet", "llama", "slam", "sdumc"].iter().filter(|name| !without.contains(name))
    {
        fs::create_dir(folder.path().join(network)).unwrap();
        for file in fs::read_dir(tiny().join(network)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), folder.path().join(network).join(file.file_name())).unwrap();
        }
    }
    let manifest = fs::read_to_string(tiny().join("bundle.toml")).unwrap();
    fs::write(folder.path().join("bundle.toml"), edit(manifest)).unwrap();
    let bundle = Bundle::open(folder.path()).unwrap();
    (folder, bundle)
}

fn crops() -> Vec<String> {
    CROPS.map(str::to_owned).to_vec()
}

/// Noise of so many samples, each length another.
fn voice(samples: usize) -> Waveform {
    let samples = noise(0.01, 0.1 + samples as f32 * 1e-6, samples).to_vec1::<f32>().unwrap();
    Waveform { samples, rate: SampleRate::SPEECH }
}

fn missing_files(error: &Error) -> Vec<&str> {
    let Error::Weights(WeightsError::Missing { missing, .. }) = error else { panic!("{error}") };
    missing.iter().map(|missing| missing.file.as_str()).collect()
}

#[test]
fn only_what_the_features_need_is_loaded() {
    let loaded = |features: &[FeatureKind]| {
        let Encoders { voice, face, words, simulator, .. } = encoders(features);
        [voice.is_some(), face.is_some(), words.is_some(), simulator.is_some()]
    };
    for (features, wanted) in [
        (&[][..], [false; 4]),
        (&[Audio], [true, false, false, false]),
        (&[Speech], [true, false, false, false]),
        (&[Video], [false, true, false, false]),
        (&[Text], [false, false, true, false]),
        (&[Simulated], [false, false, false, true]),
        (&[Speech, Simulated], [true, false, false, true]),
        (&KINDS, [true; 4]),
    ] {
        assert_eq!(loaded(features), wanted, "{features:?}");
    }
}

#[test]
fn files_of_other_features_may_be_missing() {
    let (_folder, bundle) = partial(&["manet", "llama", "slam", "sdumc"], |manifest| manifest);
    load(&bundle, &[Audio, Speech]).unwrap();
    let error = load(&bundle, &KINDS).err().unwrap();
    // All at once, each once, and not those of the fusion model.
    assert_eq!(
        missing_files(&error),
        [
            "manet/config.json",
            "manet/model.safetensors",
            "llama/config.json",
            "llama/tokenizer.json",
            "llama/model.safetensors",
            "slam/config.json",
            "slam/model.safetensors"
        ]
    );
    let error = load(&bundle, &[Video]).err().unwrap();
    assert_eq!(missing_files(&error), ["manet/config.json", "manet/model.safetensors"]);
}

#[test]
fn weights_are_verified() {
    let (folder, bundle) = partial(&["sdumc"], |manifest| manifest);
    fs::write(folder.path().join("manet/model.safetensors"), b"other").unwrap();
    load(&bundle, &[Audio]).unwrap();
    let error = load(&bundle, &[Video]).err().unwrap();
    assert!(matches!(error, Error::Weights(WeightsError::Digest { .. })), "{error}");
}

#[test]
fn specs_need_no_weights_and_tell_the_widths_of_the_encoders() {
    let (folder, bundle) = partial(&["sdumc"], |manifest| manifest);
    for network in ["wavlm", "manet", "llama", "slam"] {
        fs::remove_file(folder.path().join(network).join("model.safetensors")).unwrap();
    }
    let all = specs(&bundle, &recipes(&bundle), &KINDS, &crops(), "f32").unwrap();
    assert_eq!(all.iter().map(|spec| spec.kind).collect::<Vec<_>>(), KINDS);
    let whole = encoders(&KINDS);
    let voice = whole.voice.unwrap().width();
    let widths = [voice, voice, whole.face.unwrap().width(), whole.words.unwrap().width()];
    assert_eq!(all.iter().map(|spec| spec.width).take(4).collect::<Vec<_>>(), widths);
    assert_eq!(all[4].width, whole.simulator.unwrap().width());
    let config = format!("manet config {}", Digest::of(&fs::read(tiny().join("manet/config.json")).unwrap()));
    assert_eq!(
        all[2].preprocessing,
        ["a-detector-v1", "a-crop-v1", "resize-224-pil-bilinear-v1", config.as_str()]
    );
}

#[test]
fn specs_are_those_that_are_asked_for() {
    let bundle = Bundle::open(&tiny()).unwrap();
    let kinds = |features: &[FeatureKind]| -> Vec<FeatureKind> {
        let specs = specs(&bundle, &recipes(&bundle), features, &crops(), "f16").unwrap();
        specs.iter().for_each(|spec| assert_eq!(spec.dtype, "f16"));
        specs.iter().map(|spec| spec.kind).collect()
    };
    assert_eq!(kinds(&[]), []);
    assert_eq!(kinds(&[Video, Audio, Video]), [Audio, Video]);
    assert_eq!(kinds(&[Simulated]), [Speech, Simulated]);
    assert_eq!(kinds(&[Simulated, Text, Speech]), [Speech, Text, Simulated]);
    let error = specs(&bundle, &recipes(&bundle), &[Audio], &crops(), "f64").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadConfig);
    assert!(error.to_string().contains("f64"), "{error}");
}

#[test]
fn a_width_that_the_loaded_network_does_not_have_is_no_spec() {
    // A quantised model that is not named as one: its configuration is inside, whatever stands in config.json.
    let (folder, bundle) = partial(&["sdumc"], |manifest| {
        let unnamed = manifest.replace("llama/model.safetensors", "llama/weights.bin");
        let (before, listed) = unnamed.split_once("[files.\"llama/weights.bin\"]\n").unwrap();
        let (_, after) = listed.split_once('\n').unwrap();
        format!("{before}[files.\"llama/weights.bin\"]\n{after}").replace("-4..-1", "-2..-1")
    });
    let quantised = tiny().join("../llama/tests/golden/tiny.gguf");
    fs::copy(quantised, folder.path().join("llama/weights.bin")).unwrap();
    let error = load(&bundle, &[Text]).err().unwrap();
    let Error::Width { kind: Text, found, wanted } = error else { panic!("{error}") };
    assert_eq!(
        wanted,
        Bundle::open(&tiny()).unwrap().config::<affekt_llama::Config>("llama").unwrap().hidden_size
    );
    assert_ne!(found, wanted);
    assert_eq!((error.kind(), error.hint().is_some()), (ErrorKind::BadModel, true));
}

#[test]
fn a_batch_is_its_clips_in_the_given_order() {
    let encoder = encoders(&[Audio, Speech]).voice.unwrap();
    for lengths in [
        &[31_000, 400, 16_000, 399, 64_321, 0, 8_000][..],
        &[399, 64_321, 8_000, 31_000, 0, 400, 16_000],
        &[0, 399],
        &[5_000, 5_000, 5_000],
        &[],
    ] {
        let clips: Vec<Waveform> = lengths.iter().map(|&length| voice(length)).collect();
        let batch = encoder.encode_batch(&clips.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(batch.len(), clips.len());
        for (clip, together) in clips.iter().zip(batch) {
            let alone = encoder.encode(clip).unwrap();
            let length = clip.samples.len();
            assert_eq!(alone.is_some(), encoder.frames(length) > 0, "{length}");
            assert_eq!(together.is_some(), alone.is_some(), "{length}");
            let (Some(together), Some(alone)) = (together, alone) else { continue };
            let close = |together: &Tensor, alone: &Tensor| {
                assert_eq!(together.dims(), [encoder.frames(length), encoder.width()], "{length}");
                let error = relative_error(together, alone);
                // Rounding: whoever is beside a clip decides how long its padding is.
                assert!(error < 1e-5, "{length} samples of {lengths:?}: {error}");
            };
            close(&together.audio, &alone.audio);
            close(&together.speech, &alone.speech);
        }
    }
}

#[test]
fn a_clip_that_is_not_finite_is_told() {
    let encoder = encoders(&[Audio]).voice.unwrap();
    let (sound, mut broken) = (voice(8_000), voice(9_000));
    broken.samples[17] = f32::NAN;
    let error = encoder.encode_batch(&[&sound, &broken]).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::BadInput, "{error}");
}

#[test]
fn text_has_a_row_for_the_beginning_and_one_a_token() {
    let encoder = encoders(&[Text]).words.unwrap();
    for words in ["", "I really liked it.", &"word ".repeat(5_000)] {
        let text = encoder.encode(words).unwrap();
        assert_eq!(text.feature.dims(), [text.tokens + 1, encoder.width()]);
        assert_eq!(text.cut.is_some(), words.len() > 20_000);
        assert!(text.cut.is_none_or(|cut| cut.read == text.tokens + 1 && cut.given > cut.read));
    }
}

#[test]
fn text_is_simulated_from_speech() {
    let Encoders { voice: heard, simulator, .. } = encoders(&[Speech, Simulated]);
    let (heard, simulator) = (heard.unwrap(), simulator.unwrap());
    let clip = voice(32_000);
    let speech = heard.encode(&clip).unwrap().unwrap().speech;
    let simulation = simulator.encode(&speech, clip.samples.len()).unwrap().unwrap();
    assert!(simulation.told.hypothesis.is_some());
    if let Some(feature) = simulation.feature {
        assert_eq!(feature.dim(1).unwrap(), simulator.width());
    }
    // Fewer frames than one embedding takes.
    let short = speech.narrow(0, 0, 4).unwrap();
    assert!(simulator.encode(&short, 1_360).unwrap().is_none());
}

#[test]
fn another_configuration_or_tokenizer_is_another_feature() {
    let specs_of = |file: &str, from: &str, to: &str| {
        let (folder, bundle) = partial(&["sdumc"], |manifest| {
            let lines = manifest.lines().filter(|line| !line.starts_with("sha256"));
            lines.collect::<Vec<_>>().join("\n")
        });
        let path = folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has {from}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        specs(&bundle, &recipes(&bundle), &KINDS, &crops(), "f32").unwrap()
    };
    let changed = |file: &str, from: &str, to: &str| -> Vec<FeatureKind> {
        let (old, new) = (specs_of(file, from, from), specs_of(file, from, to));
        let differ = old.iter().zip(&new).filter(|(old, new)| old.digest() != new.digest());
        differ.map(|(old, _)| old.kind).collect()
    };
    assert_eq!(changed("llama/tokenizer.json", "{", "{ "), [Text, Simulated]);
    assert_eq!(changed("llama/config.json", "{", "{ "), [Text, Simulated]);
    assert_eq!(changed("slam/config.json", "{", "{ "), [Simulated]);
    assert_eq!(changed("wavlm/config.json", "{", "{ "), [Audio, Speech, Simulated]);
    assert_eq!(changed("manet/config.json", "{", "{ "), [Video]);
}
