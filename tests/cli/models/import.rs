//! `affekt models import`: what fits is taken in, everything else is refused and leaves the bundle as it was.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::quantized::{GgmlDType, QTensor, gguf_file};
use candle_core::{DType, Device, Tensor};
use serde_json::Value;

use super::{Place, files_below};
use crate::bundles::{self, drawn, width};
use crate::command::SAMPLE;

/// The tiny bundle without the weights of some networks, which can only be imported.
fn partial(place: &Place, without: &[&str]) -> PathBuf {
    let folder = place.tiny();
    let path = folder.join("bundle.toml");
    let mut manifest = fs::read_to_string(&path).unwrap();
    for network in without {
        fs::remove_file(folder.join(network).join("model.safetensors")).unwrap();
        let head = format!("[files.\"{network}/model.safetensors\"]\n");
        let (before, after) = manifest.split_once(&head).unwrap();
        let (_, after) = after.split_once('\n').unwrap();
        manifest =
            format!("{before}{head}sha256 = \"\"\nimport = \"https://example.org/{network}\"\n{after}");
    }
    fs::write(&path, manifest).unwrap();
    folder
}

/// The weights of a tiny network, under names with `prefix`.
fn weights(network: &str, prefix: &str) -> HashMap<String, Tensor> {
    let tensors = bundles::weights(Path::new(drawn()), network);
    tensors.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect()
}

fn save(place: &Place, tensors: &HashMap<String, Tensor>) -> String {
    let path = place.path("source.safetensors");
    candle_core::safetensors::save(tensors, &path).unwrap();
    path.to_str().unwrap().to_owned()
}

fn refused(place: &Place, folder: &Path, target: &str, source: &str) -> Value {
    let before = files_below(folder);
    let ended = place.affekt(["models", "import", folder.to_str().unwrap(), target, source, "--json"]);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert_eq!(files_below(folder), before, "a refused import leaves nothing behind");
    ended.json()["error"].clone()
}

#[test]
fn a_fusion_model_is_missed_then_imported() {
    let place = Place::new();
    let folder = partial(&place, &["sdumc"]);
    let bundle = folder.to_str().unwrap();
    let predict = || place.affekt(["predict", SAMPLE, "--json", "--end", "1", "--models", bundle]);
    let missing = predict();
    assert_eq!(missing.code, 1);
    let error = missing.json()["error"].clone();
    assert_eq!(error["kind"], "bad_model");
    assert!(error["message"].as_str().unwrap().contains("sdumc/model.safetensors"), "{error}");
    assert!(error["message"].as_str().unwrap().contains("https://example.org/sdumc"), "{error}");
    let hint = error["hint"].as_str().unwrap();
    assert!(
        hint.contains("affekt train") && hint.contains(&format!("affekt models import {bundle} sdumc")),
        "{hint}"
    );

    let source = save(&place, &weights("sdumc", "model."));
    let ended = place.affekt(["models", "import", bundle, "sdumc", &source, "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert_eq!(ended.json()["file"], "sdumc/model.safetensors");
    let lock = fs::read_to_string(folder.join("bundle.lock")).unwrap();
    assert!(lock.contains("name = \"source.safetensors\""), "{lock}");
    assert!(lock.contains(ended.json()["source_sha256"].as_str().unwrap()), "{lock}");
    let imported =
        candle_core::safetensors::load(folder.join("sdumc/model.safetensors"), &Device::Cpu).unwrap();
    assert!(imported.keys().all(|name| name.starts_with("model.")), "published names stay");
    let files = place.affekt(["models", "ls", bundle, "--json"]).json();
    assert_eq!(files["complete"], true);

    let original = place.affekt(["predict", SAMPLE, "--json", "--end", "1", "--models", drawn()]).json();
    let own = predict();
    assert_eq!(own.code, 0, "{}", own.stdout);
    assert_eq!(own.json()["valence"], original["valence"]);
}

#[test]
fn a_bundle_states_the_numbers_inside_its_networks() {
    let place = Place::new();
    let folder = place.tiny();
    let bundle = folder.to_str().unwrap();
    let valence = || {
        let ended = place.affekt(["predict", SAMPLE, "--json", "--transcript", "Well.", "--models", bundle]);
        assert_eq!(ended.code, 0, "{}", ended.stdout);
        ended.json()["valence"]["with_text"].as_f64().unwrap()
    };
    let exact = valence();
    let path = folder.join("bundle.toml");
    let manifest = fs::read_to_string(&path).unwrap();
    for network in ["llama", "slam", "wavlm"] {
        let changed = manifest
            .replace(&format!("[networks.{network}]\n"), &format!("[networks.{network}]\ndtype = \"f16\"\n"));
        fs::write(&path, changed).unwrap();
        let rounded = valence();
        assert!((rounded - exact).abs() < 0.01, "{network}: {rounded} {exact}");
        assert!(network == "slam" || rounded != exact, "{network}");
    }
    let changed = manifest.replace("[networks.sdumc]\n", "[networks.sdumc]\ndtype = \"f16\"\n");
    fs::write(&path, changed).unwrap();
    let ended = place.affekt(["predict", SAMPLE, "--json", "--models", bundle]);
    assert!(
        ended.json()["error"]["message"].as_str().unwrap().contains("only have dtype f32"),
        "{}",
        ended.stdout
    );
}

/// The tiny language model as llama.cpp would write it, in 8 bits.
fn write_gguf(path: &Path) {
    let config = bundles::config("llama");
    let heads = config["num_attention_heads"].as_u64().unwrap() as usize;
    let renames = [
        ("model.embed_tokens.", "token_embd."),
        ("model.norm.", "output_norm."),
        ("lm_head.", "output."),
        ("model.layers.", "blk."),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("post_attention_layernorm", "ffn_norm"),
        ("input_layernorm", "attn_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ];
    let quantise = |(name, tensor): (String, Tensor)| {
        let mut tensor = tensor.to_dtype(DType::F32).unwrap();
        if name.contains("q_proj") || name.contains("k_proj") {
            // Rows of a head: halves side by side become neighbours.
            let (rows, columns) = tensor.dims2().unwrap();
            let halves = tensor.reshape((heads, 2, rows / heads / 2, columns)).unwrap();
            tensor = halves.transpose(1, 2).unwrap().contiguous().unwrap().reshape((rows, columns)).unwrap();
        }
        let kind = if tensor.rank() == 2 { GgmlDType::Q8_0 } else { GgmlDType::F32 };
        let name = renames.iter().fold(name, |name, (from, to)| name.replace(from, to));
        (name, QTensor::quantize(&tensor, kind).unwrap())
    };
    let tensors: Vec<(String, QTensor)> = weights("llama", "").into_iter().map(quantise).collect();
    let tensors: Vec<(&str, &QTensor)> =
        tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let number = |key: &str| gguf_file::Value::U32(config[key].as_u64().unwrap() as u32);
    let metadata = [
        ("general.architecture", gguf_file::Value::String("llama".into())),
        ("llama.block_count", number("num_hidden_layers")),
        ("llama.embedding_length", number("hidden_size")),
        ("llama.feed_forward_length", number("intermediate_size")),
        ("llama.attention.head_count", number("num_attention_heads")),
        ("llama.attention.layer_norm_rms_epsilon", gguf_file::Value::F32(1e-5)),
        ("tokenizer.ggml.bos_token_id", gguf_file::Value::U32(1)),
        ("tokenizer.ggml.eos_token_id", gguf_file::Value::U32(2)),
    ];
    let metadata: Vec<(&str, &gguf_file::Value)> =
        metadata.iter().map(|(key, value)| (*key, value)).collect();
    gguf_file::write(&mut fs::File::create(path).unwrap(), &metadata, &tensors).unwrap();
}

#[test]
fn a_quantised_language_model_is_imported_and_used() {
    let place = Place::new();
    let folder = place.tiny();
    let bundle = folder.to_str().unwrap();
    let valence = || {
        let ended = place.affekt(["predict", SAMPLE, "--json", "--transcript", "Well.", "--models", bundle]);
        assert_eq!(ended.code, 0, "{}", ended.stdout);
        ended.json()["valence"]["with_text"].as_f64().unwrap()
    };
    let exact = valence();
    let source = place.path("small.gguf");
    write_gguf(&source);
    let source = source.to_str().unwrap();
    let message = refused(&place, &folder, "llama", source)["message"].as_str().unwrap().to_owned();
    assert!(message.contains("GGUF"), "a bundle that has it in another form: {message}");
    assert!(refused(&place, &folder, "slam", source)["message"].as_str().unwrap().contains("GGUF"));

    let path = folder.join("bundle.toml");
    let manifest = fs::read_to_string(&path).unwrap();
    let manifest = manifest.replace(
        "config = \"llama/config.json\"\nweights = \"llama/model.safetensors\"",
        "weights = \"llama/small.gguf\"",
    );
    let (before, after) = manifest.split_once("[files.\"llama/model.safetensors\"]").unwrap();
    let (_, after) = after.split_once("\n\n").unwrap();
    let file =
        "[files.\"llama/small.gguf\"]\nlicence = \"MIT\"\nsource = \"a test\"\nimport = \"https://x\"\n\n";
    fs::write(&path, format!("{before}{file}{after}")).unwrap();
    let ended = place.affekt(["models", "import", bundle, "llama", source]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("llama/small.gguf"), "{}", ended.stdout);
    let quantised = valence();
    assert!(quantised != exact && (quantised - exact).abs() < 0.05, "{quantised} {exact}");
    // Weights of another form stand in for it until it is imported again.
    let original = Path::new(drawn()).join("llama/model.safetensors");
    fs::write(
        &path,
        fs::read_to_string(&path)
            .unwrap()
            .replace("weights = \"llama/small", "config = \"llama/config.json\"\nweights = \"llama/small"),
    )
    .unwrap();
    assert_eq!(place.affekt(["models", "import", bundle, "llama", original.to_str().unwrap()]).code, 0);
    assert_eq!(valence(), exact);
    assert_eq!(place.affekt(["models", "import", bundle, "llama", source]).code, 0);
    assert_eq!(valence(), quantised);
}

#[test]
fn all_missing_files_are_listed_at_once() {
    let place = Place::new();
    let ended = place.affekt(["predict", SAMPLE, "--models", "wavlm-large-vicuna7b-q4", "--json"]);
    assert_eq!(ended.code, 1);
    let error = ended.json()["error"].clone();
    let message = error["message"].as_str().unwrap();
    for file in ["wavlm/pytorch_model.bin", "llama/tokenizer.model", "manet/model.safetensors", "Q4_K_M.gguf"]
    {
        assert!(message.contains(file), "{message}");
    }
    let hint = error["hint"].as_str().unwrap();
    for command in
        ["models pull wavlm-large-vicuna7b-q4", "models import wavlm-large-vicuna7b-q4 manet PATH", "train"]
    {
        assert!(hint.contains(command), "{hint}");
    }
}

#[test]
fn every_network_of_the_tiny_bundle_can_be_imported() {
    let place = Place::new();
    let networks = ["wavlm", "manet", "llama", "slam", "sdumc"];
    let folder = partial(&place, &networks);
    let bundle = folder.to_str().unwrap();
    for (network, prefix) in networks.iter().zip(["wavlm.", "module.", "", "", "module."]) {
        let source = save(&place, &weights(network, prefix));
        let ended = place.affekt(["models", "import", bundle, network, &source]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(ended.stdout.contains("all of which fit"), "{}", ended.stdout);
    }
    assert_eq!(place.affekt(["doctor", "--models", bundle]).code, 0);
    assert_eq!(place.affekt(["models", "verify", bundle]).code, 0);
}

#[test]
fn weights_of_another_network_or_shape_are_refused_with_their_keys() {
    let place = Place::new();
    let folder = partial(&place, &["slam", "manet"]);
    let source = save(&place, &weights("sdumc", ""));
    let message = refused(&place, &folder, "slam", &source)["message"].as_str().unwrap().to_owned();
    assert!(message.contains("linear1.weight") && message.contains("unused"), "{message}");

    let mut tensors = weights("slam", "");
    let name = "encoder_projector.linear2.weight".to_owned();
    tensors.insert(name.clone(), tensors[&name].t().unwrap().contiguous().unwrap());
    let message =
        refused(&place, &folder, "slam", &save(&place, &tensors))["message"].as_str().unwrap().to_owned();
    assert!(message.contains("of another shape"), "{message}");

    tensors.remove(&name);
    let message =
        refused(&place, &folder, "slam", &save(&place, &tensors))["message"].as_str().unwrap().to_owned();
    assert!(message.contains("missing"), "{message}");
}

#[test]
fn files_that_are_no_weights_are_refused() {
    let place = Place::new();
    let folder = partial(&place, &["slam"]);
    let whole = fs::read(save(&place, &weights("slam", ""))).unwrap();
    let path = place.path("bad.safetensors");
    let cases: [&[u8]; 5] = [b"", b"<html>", &whole[..whole.len() - 9], &whole[..40], &[0xff; 64]];
    for bytes in cases {
        fs::write(&path, bytes).unwrap();
        let error = refused(&place, &folder, "slam", path.to_str().unwrap());
        assert!(error["message"].as_str().unwrap().contains("bad.safetensors"), "{error}");
    }
    assert_eq!(refused(&place, &folder, "slam", "absent.pt")["kind"], "not_found");
    let error = refused(&place, &folder, "nothing", path.to_str().unwrap());
    assert!(error["message"].as_str().unwrap().contains("its networks are"), "{error}");
    let tiny = place.affekt(["models", "import", "tiny", "slam", path.to_str().unwrap()]);
    assert!(tiny.code == 1 && tiny.stderr.contains("part of the program"), "{}", tiny.stderr);
}

#[test]
fn other_files_are_copied_and_compared() {
    let place = Place::new();
    let folder = place.tiny();
    let bundle = folder.to_str().unwrap();
    let tokenizer = folder.join("llama/tokenizer.json");
    let kept = place.path("kept.json");
    fs::rename(&tokenizer, &kept).unwrap();
    fs::write(place.path("other.json"), "{}").unwrap();
    let error = refused(&place, &folder, "llama/tokenizer.json", place.path("other.json").to_str().unwrap());
    assert!(error["message"].as_str().unwrap().contains("SHA-256"), "{error}");
    let ended = place.affekt(["models", "import", bundle, "llama/tokenizer.json", kept.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(tokenizer.exists());
}

#[test]
fn published_face_detectors_are_converted() {
    let Some(files) = affekt_testkit::realdata::files("face_detector", &["onnx"]) else { return };
    let place = Place::new();
    let bundle = "wavlm-large-vicuna7b";
    for file in files {
        let ended = place.affekt(["models", "import", bundle, "yunet", file.to_str().unwrap(), "--json"]);
        assert_eq!(ended.code, 0, "{}", ended.stdout);
        let weights = place.path("affekt/bundles").join(bundle).join("yunet/model.safetensors");
        let tensors = candle_core::safetensors::load(weights, &Device::Cpu).unwrap();
        assert!(tensors.contains_key("backbone.model1.conv1.conv1.weight"));
        // Something else in its place is refused by name.
        let wrong = save(&place, &weights_with(tensors, "backbone.model9.conv1.weight"));
        let ended = place.affekt(["models", "import", bundle, "yunet", &wrong]);
        assert!(ended.code == 1 && ended.stderr.contains("model9"), "{}", ended.stderr);
    }
}

fn weights_with(mut tensors: HashMap<String, Tensor>, name: &str) -> HashMap<String, Tensor> {
    tensors.insert(name.into(), Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap());
    tensors
}

/// What the tiny bundle makes its features by.
fn specs(place: &Place) -> Vec<Value> {
    let told = place.affekt(["doctor", "--json", "--models", drawn()]).json();
    let features = told["bundle"]["Ok"]["features"].as_array().unwrap().clone();
    features.iter().map(|feature| feature["spec"].clone()).collect()
}

#[test]
fn a_run_is_taken_in_with_its_card() {
    let place = Place::new();
    let folder = partial(&place, &["sdumc"]);
    let bundle = folder.to_str().unwrap();
    let run = place.path("run");
    let predict = || place.affekt(["predict", SAMPLE, "--json", "--end", "1", "--models", bundle]);
    let mut card = crate::fusion::card(&specs(&place));

    // What cannot be taken in is refused: another method, other widths.
    card["method"] = "hrlf".into();
    crate::fusion::run_of(&run, &card);
    let message = refused(&place, &folder, "sdumc", run.to_str().unwrap())["message"].to_string();
    assert!(message.contains("of method hrlf") && message.contains("checkpoint.safetensors"), "{message}");
    card["method"] = "sdumc".into();
    card["settings"]["widths"] =
        serde_json::json!({"audio": width("audio"), "text": width("text"), "video": 7});
    crate::fusion::run_of(&run, &card);
    let message = refused(&place, &folder, "sdumc", run.to_str().unwrap())["message"].to_string();
    let told = format!("video features 7 wide, and the bundle's are {} wide", width("video"));
    assert!(message.contains(&told), "{message}");

    // Its own settings count, not those of the bundle's configuration.
    card["settings"] = crate::fusion::settings();
    card["settings"]["mia"] = "off".into();
    let file = crate::fusion::run_of(&run, &card);
    let ended = place.affekt(["models", "import", bundle, "sdumc", run.to_str().unwrap(), "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert_eq!(ended.json()["sha256"], ended.json()["source_sha256"], "copied, card and all");
    assert!(fs::read(folder.join("sdumc/model.safetensors")).unwrap() == fs::read(&file).unwrap());
    let own = predict();
    assert_eq!(own.code, 0, "{}", own.stdout);
    let with = ["predict", SAMPLE, "--json", "--end", "1", "--models", drawn(), "--fusion"];
    let named = place.affekt(with.iter().chain(&[run.to_str().unwrap()]));
    assert_eq!(own.json()["valence"], named.json()["valence"]);
    let original = place.affekt(&with[..with.len() - 1]).json();
    assert_ne!(own.json()["valence"], original["valence"]);

    // Features of other recipes are refused, as for a model that is named.
    card["specs"][0]["layers"] = "-2".into();
    crate::fusion::run_of(&run, &card);
    let ended = place.affekt(["models", "import", bundle, "sdumc", run.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let ended = predict();
    let message = ended.json()["error"]["message"].to_string();
    assert!(ended.code == 1 && message.contains("audio, layers: -2 in training, -5 here"), "{message}");
}
