//! The original checkpoint's layout: unilm's names inside `model`, the configuration beside it.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::path::{Path, PathBuf};

use affekt_testkit::golden::Golden;
use affekt_testkit::torchfile::{Layout, published, saved};
use affekt_wavlm::{KEYS, RawConfig, WavLm};
use affekt_weights::Checkpoint;
use candle_core::{DType, Device, Tensor};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.safetensors"))
}

/// unilm's name for a tensor that Hugging Face calls `name`.
fn unilm(name: &str) -> String {
    let pairs = [
        ("masked_spec_embed", "mask_emb"),
        ("feature_projection.layer_norm", "layer_norm"),
        ("feature_projection.projection", "post_extract_proj"),
        ("pos_conv_embed.conv.parametrizations.weight.original0", "pos_conv.0.weight_g"),
        ("pos_conv_embed.conv.parametrizations.weight.original1", "pos_conv.0.weight_v"),
        ("pos_conv_embed.conv", "pos_conv.0"),
        ("attention.rel_attn_embed", "self_attn.relative_attention_bias"),
        ("attention.gru_rel_pos_linear", "self_attn.grep_linear"),
        ("attention.gru_rel_pos_const", "self_attn.grep_a"),
        (".attention.", ".self_attn."),
        ("feed_forward.intermediate_dense", "fc1"),
        ("feed_forward.output_dense", "fc2"),
    ];
    let mut name = pairs.iter().fold(name.to_owned(), |name, (ours, theirs)| name.replace(ours, theirs));
    if name.starts_with("feature_extractor") {
        name = name.replace(".conv.", ".0.").replace(".layer_norm.", ".2.1.");
    }
    if name.starts_with("encoder.layers.") && !name.contains("final_layer_norm") {
        name = name.replace(".layer_norm.", ".self_attn_layer_norm.");
    }
    name
}

fn states(weights: &Path) -> Vec<Tensor> {
    let reference = Golden::open(golden("large"));
    let raw: RawConfig = serde_json::from_str(&reference.metadata("config")).unwrap();
    let config = raw.into_config().unwrap();
    let checkpoint = Checkpoint::open(weights).unwrap();
    let network = checkpoint.load(&KEYS, DType::F32, &Device::Cpu, |vb| WavLm::load(vb, &config)).unwrap();
    network.forward(&reference.tensor("waveform"), None).unwrap()
}

#[test]
fn the_original_file_gives_the_same_states() {
    let source = golden("large.weights");
    let want = states(&source);
    let file = published(&source, Layout::fairseq(), |name| Some(unilm(name)));
    let (_folder, path) = saved("WavLM-Large.pt", &file);
    let names: Vec<String> = Checkpoint::open(&path).unwrap().shapes().map(|(name, _)| name.into()).collect();
    for name in [
        "encoder.layers.0.self_attn.relative_attention_bias.weight",
        "encoder.layers.1.self_attn.grep_a",
        "encoder.pos_conv.0.weight_g",
        "feature_extractor.conv_layers.0.2.1.weight",
        "post_extract_proj.weight",
        "layer_norm.weight",
    ] {
        assert!(names.iter().any(|there| there == name), "{name} is not in {names:?}");
    }
    assert!(
        !names.iter().any(|name| name.contains("attention.") && !name.contains("self_attn")),
        "{names:?}"
    );
    for (layer, (got, want)) in states(&path).iter().zip(&want).enumerate() {
        let difference = (got - want).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert_eq!(difference, 0., "layer {layer}");
    }
}
