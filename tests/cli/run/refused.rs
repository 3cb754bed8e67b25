//! Input, configurations and weights that cannot be: one clear error each, never a panic.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;

use super::{Named, features, path, run};
use crate::bundles::size;

fn noise(shape: &[usize]) -> Tensor {
    affekt_testkit::noise(0.0, 1.0, shape)
}

/// Noise with one number that is none.
fn spoilt(shape: &[usize]) -> Tensor {
    let mut numbers: Vec<f32> = noise(shape).flatten_all().unwrap().to_vec1().unwrap();
    numbers[7] = f32::NAN;
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
}

fn whole(numbers: &[i64]) -> Tensor {
    Tensor::new(numbers, &Device::Cpu).unwrap()
}

fn ids(numbers: &[i64]) -> Tensor {
    whole(numbers).unsqueeze(0).unwrap()
}

/// Runs `network` of the tiny bundle; it has to fail with the kind of error, and a message that names what is wrong.
fn refused(folder: &Path, network: &str, flags: &[&str], tensors: &Named, kind: &str, named: &str) -> Value {
    let weights = path(&format!("models/tiny/{}", if network == "generate" { "llama" } else { network }));
    let flags: Vec<&str> = if flags.contains(&"--weights") {
        flags.to_vec()
    } else {
        [&["--weights", &weights], flags].concat()
    };
    let ended = run(folder, network, &flags, tensors);
    assert_eq!(ended.code, 1, "{network} {flags:?} {named}: {}{}", ended.stdout, ended.stderr);
    let error = ended.json()["error"].clone();
    assert_eq!(error["kind"], kind, "{network} {flags:?}: {error}");
    assert!(error["message"].as_str().unwrap().contains(named), "{named}: {error}");
    error
}

#[test]
fn tensors_of_the_wrong_shape_type_or_name() {
    let folder = tempfile::tempdir().unwrap();
    let images = |shape: &[usize]| vec![("images", noise(shape))];
    let mask = |mask: Tensor| vec![("input_ids", ids(&[1, 300])), ("attention_mask", mask)];
    let vocabulary = size("llama", "vocab_size") as i64;
    let (beyond, heard) = (vocabulary.to_string(), format!("width {}", size("slam", "encoder_dim")));
    let read = format!("width {}", size("llama", "hidden_size"));
    let cases: Vec<(&str, Named, &str)> = vec![
        ("wavlm", vec![("wave", noise(&[1, 3200]))], "waveform"),
        ("wavlm", vec![("waveform", noise(&[3200]))], "2 dimensions"),
        (
            "wavlm",
            vec![("waveform", Tensor::zeros((1, 3200), DType::I64, &Device::Cpu).unwrap())],
            "floating",
        ),
        ("wavlm", vec![("waveform", noise(&[1, 0]))], "[1, 0]"),
        ("wavlm", vec![("waveform", noise(&[1, 100]))], "100 samples"),
        ("manet", images(&[1, 224, 224, 3]), "[1, 224, 224, 3]"),
        ("manet", images(&[1, 3, 100, 100]), "multiple of 32"),
        ("manet", images(&[0, 3, 224, 224]), "none of them 0"),
        ("llama", vec![("input_ids", ids(&[1, vocabulary]))], &beyond),
        ("llama", vec![("input_ids", ids(&[-1]))], "-1"),
        ("llama", vec![("input_ids", noise(&[1, 3]))], "of integers"),
        ("llama", mask(ids(&[1, 1, 1])), "[1, 2]"),
        ("llama", mask(ids(&[1, 2])), "zeros and ones"),
        ("slam", vec![("features", noise(&[1, 12, 63]))], &heard),
        ("slam", vec![("features", noise(&[12, size("slam", "encoder_dim")]))], "3 dimensions"),
        ("generate", vec![("x", noise(&[1]))], "input_ids"),
        ("generate", vec![("inputs_embeds", noise(&[1, 6, 63]))], &read),
        ("generate", mask(ids(&[1, 0])), "padding at the left"),
        ("generate", mask(ids(&[0, 0])), "at least one position"),
    ];
    for (network, tensors, named) in cases {
        refused(folder.path(), network, &[], &tensors, "bad_input", named);
    }
}

#[test]
fn lengths_that_fit_no_batch() {
    let folder = tempfile::tempdir().unwrap();
    let features = |name: &'static str, lengths: Tensor| -> Named {
        [features(2, [5, 3, 4]), vec![(name, lengths)]].concat()
    };
    let clips = |lengths: Tensor| -> Named { vec![("waveform", noise(&[2, 3200])), ("lengths", lengths)] };
    let float = Tensor::new(&[2f32, 1.0], &Device::Cpu).unwrap();
    for (network, tensors, named) in [
        ("wavlm", clips(whole(&[3201, 3200])), "0 to 3200"),
        ("wavlm", clips(whole(&[-1, 3200])), "-1"),
        ("wavlm", clips(whole(&[3200])), "2 lengths"),
        ("wavlm", clips(whole(&[0, 3200])), "0 samples"),
        ("wavlm", clips(float.clone()), "of integers"),
        ("sdumc", features("lengths.audio", whole(&[5, 6])), "lengths.audio"),
        ("sdumc", features("lengths.text", whole(&[3])), "2 lengths"),
        ("sdumc", features("lengths.video", float), "of integers"),
    ] {
        refused(folder.path(), network, &[], &tensors, "bad_input", named);
    }
}

#[test]
fn modalities_that_fit_neither_the_network_nor_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let good = features(2, [5, 3, 4]);
    for at in 0..3 {
        let with = |tensor: Tensor| -> Named {
            let mut tensors = good.clone();
            tensors[at].1 = tensor;
            tensors
        };
        let (name, width) = (good[at].0, good[at].1.dim(2).unwrap());
        let without: Named = good.iter().filter(|(other, _)| *other != name).cloned().collect();
        let cases = [
            (without, format!("no tensor `{name}`")),
            (with(noise(&[2, 3, 7])), format!("{name} features are 7 wide")),
            (with(noise(&[1, 3, width])), format!("1 {name}")),
            (with(noise(&[2, 0, width])), "none of them 0".to_owned()),
        ];
        for (tensors, named) in &cases {
            refused(folder.path(), "sdumc", &[], tensors, "bad_input", named);
        }
    }
}

#[test]
fn a_nan_in_the_input_is_the_inputs_fault() {
    let folder = tempfile::tempdir().unwrap();
    let features = |bad: &str| -> Named {
        let spoil = |(name, tensor): (&'static str, Tensor)| {
            (name, if name == bad { spoilt(tensor.dims()) } else { tensor })
        };
        features(2, [5, 3, 4]).into_iter().map(spoil).collect()
    };
    let cases: Vec<(&str, Named, &str)> = vec![
        ("wavlm", vec![("waveform", spoilt(&[1, 3200]))], "the input waveform"),
        ("manet", vec![("images", spoilt(&[1, 3, 224, 224]))], "the input images"),
        ("slam", vec![("features", spoilt(&[1, 12, size("slam", "encoder_dim")]))], "the input features"),
        ("sdumc", features("audio"), "the input audio"),
        ("sdumc", features("text"), "the input text"),
        ("sdumc", features("video"), "the input video"),
    ];
    for (network, tensors, named) in &cases {
        let error = refused(folder.path(), network, &[], tensors, "bad_input", named);
        assert!(!error["hint"].as_str().unwrap().contains("weights"), "{error}");
    }
}

#[test]
fn configurations_that_cannot_be_or_contradict_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    let wavlm: Named = vec![("waveform", noise(&[1, 3200]))];
    let manet: Named = vec![("images", noise(&[1, 3, 64, 64]))];
    let sdumc = features(1, [5, 3, 4]);
    let published = std::fs::read_to_string(path("models/tiny/wavlm/config.json")).unwrap();
    let changed = |name: &str, value: Value| {
        let mut config: Value = serde_json::from_str(&published).unwrap();
        config[name] = value;
        config.to_string()
    };
    let layers = size("wavlm", "num_hidden_layers");
    let attention = |layer: usize| format!("encoder.layers.{layer}.attention");
    let (above, last) = (attention(layers), attention(layers - 1));
    let cases: Vec<(&str, &Named, String, &str, &str)> = vec![
        ("wavlm", &wavlm, "{".into(), "bad_model", "config.json"),
        ("wavlm", &wavlm, changed("hidden_size", "wide".into()), "bad_model", "config.json"),
        (
            "wavlm",
            &wavlm,
            changed("hidden_size", 128.into()),
            "bad_model",
            "encoder.layers.0.attention.q_proj.weight",
        ),
        ("wavlm", &wavlm, changed("num_hidden_layers", (layers + 1).into()), "bad_model", &above),
        ("wavlm", &wavlm, changed("num_hidden_layers", (layers - 1).into()), "bad_model", &last),
        ("wavlm", &wavlm, changed("num_attention_heads", 5.into()), "bad_model", "num_attention_heads"),
        ("manet", &manet, r#"{"width": 16}"#.into(), "bad_model", "conv1.weight"),
        ("manet", &manet, r#"{"wdth": 8}"#.into(), "bad_model", "wdth"),
        ("manet", &manet, r#"{"width": 0}"#.into(), "bad_config", "not 0"),
        ("sdumc", &sdumc, r#"{"mai": "on"}"#.into(), "bad_model", "mai"),
        ("sdumc", &sdumc, r#"{"dim": 128}"#.into(), "bad_model", "fra2utt_0.input_proj.weight"),
        (
            "sdumc",
            &sdumc,
            r#"{"mia_structure": "equation"}"#.into(),
            "bad_model",
            "missing_text_imagination_mlp.w1",
        ),
    ];
    let file = folder.path().join("config.json");
    for (network, tensors, config, kind, named) in cases {
        std::fs::write(&file, config).unwrap();
        refused(folder.path(), network, &["--config", file.to_str().unwrap()], tensors, kind, named);
    }
    refused(folder.path(), "wavlm", &["--config", "absent.json"], &wavlm, "not_found", "absent.json");
    let bare = folder.path().join("model.safetensors");
    std::fs::copy(path("models/tiny/wavlm/model.safetensors"), &bare).unwrap();
    std::fs::remove_file(&file).unwrap();
    refused(
        folder.path(),
        "wavlm",
        &["--weights", bare.to_str().unwrap()],
        &wavlm,
        "not_found",
        "config.json",
    );
}

#[test]
fn words_that_name_no_setting() {
    let folder = tempfile::tempdir().unwrap();
    let prompt: Named = vec![("inputs_embeds", noise(&[1, 6, size("llama", "hidden_size")]))];
    let waveform: Named = vec![("waveform", noise(&[1, 3200]))];
    let images: Named = vec![("images", noise(&[1, 3, 64, 64]))];
    let features = features(1, [5, 3, 4]);
    let cases: Vec<(&str, &Named, [&str; 2], &str)> = vec![
        ("wavlm", &waveform, ["--normalize", "loud"], "loud"),
        ("wavlm", &waveform, ["--beams", "4"], "--beams"),
        ("manet", &images, ["--variant", "x"], "sdumc or upstream"),
        ("generate", &prompt, ["--beams", "0"], "beams is 0"),
        ("generate", &prompt, ["--max-new-tokens", "0"], "max_new_tokens is 0"),
        ("generate", &prompt, ["--layers", "-9"], "-9"),
        ("generate", &prompt, ["--scorer", "hf3"], "hf3"),
        ("sdumc", &features, ["--compat", "papper"], "paper or release"),
        ("sdumc", &features, ["--mia", "maybe"], "on or off"),
    ];
    for (network, tensors, flags, named) in cases {
        refused(folder.path(), network, &flags, tensors, "bad_config", named);
    }
}
