//! NaN and infinity: never out of a network, never out of padding.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod common;

use std::collections::HashMap;

use affekt_generate::{Error, Settings, beam_search};
use affekt_llama::{Config, KEYS, Llama, slam};
use affekt_nn::finite::NotFinite;
use affekt_testkit::assert_close;
use affekt_testkit::golden::Golden;
use affekt_weights::Checkpoint;
use candle_core::{DType, Device, IndexOp, Tensor};

/// The tiny Llama with the tensor `name` times `factor`.
fn spoilt(name: &str, factor: f64, dtype: DType) -> Llama {
    let path = common::path("mha.weights.safetensors");
    let config: Config = serde_json::from_str(&Golden::open(&path).metadata("config")).unwrap();
    let mut tensors: HashMap<String, Tensor> = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    let tensor = tensors[name].to_dtype(DType::F32).unwrap();
    tensors.insert(name.into(), (tensor * factor).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spoilt.safetensors");
    candle_core::safetensors::save(&tensors, &file).unwrap();
    let checkpoint = Checkpoint::open(&file).unwrap();
    checkpoint.load(&KEYS, dtype, &Device::Cpu, |vb| Llama::load(vb, &config)).unwrap()
}

fn ids() -> Tensor {
    Tensor::new(&[[3_i64, 4, 5, 6], [9, 8, 7, 6]], &Device::Cpu).unwrap()
}

fn layer(error: &candle_core::Error) -> String {
    NotFinite::of(error).unwrap_or_else(|| panic!("{error}")).layer.clone()
}

#[test]
fn the_first_layer_that_overflows_is_named() {
    for (tensor, factor, wanted) in [
        ("model.embed_tokens.weight", f64::INFINITY, "the input embeddings"),
        ("model.layers.1.self_attn.q_proj.weight", f64::NAN, "layers.1.self_attn"),
        ("model.layers.2.self_attn.o_proj.weight", 1e39, "layers.2.self_attn"),
        ("model.layers.3.mlp.down_proj.weight", f64::NAN, "layers.3.mlp"),
        ("model.norm.weight", f64::INFINITY, "norm"),
        ("lm_head.weight", f64::INFINITY, "lm_head"),
    ] {
        let model = spoilt(tensor, factor, DType::F32);
        let embeds = model.embed(&ids()).unwrap();
        assert_eq!(layer(&model.forward(&embeds, None).unwrap_err()), wanted);
        if wanted != "lm_head" {
            assert_eq!(layer(&model.hidden_sum(&embeds, None, None, &(1..=1)).unwrap_err()), wanted);
        }
        let settings = Settings { layers: "-1".parse().unwrap(), ..Settings::default() };
        let error =
            beam_search(&model, &embeds.i(0..1).unwrap().contiguous().unwrap(), &settings).unwrap_err();
        assert!(matches!(error, Error::NotFinite { step: 0, found: Some(_) }), "{error}");
        assert!(error.to_string().contains(wanted), "{error}");
    }
    let model = spoilt("model.layers.2.mlp.up_proj.weight", 1e6, DType::F16);
    let embeds = model.embed(&ids()).unwrap();
    assert_eq!(layer(&model.forward(&embeds, None).unwrap_err()), "layers.2.mlp", "overflow of f16");
}

#[test]
fn nothing_leaks_out_of_padding() {
    let golden = Golden::open(common::path("mha.forward.safetensors"));
    let (model, _) = common::llama("mha");
    let embeds = model.embed(&golden.tensor("input_ids")).unwrap(); // (3, 12, width)
    for side in ["mask.left", "mask.right"] {
        let mask = golden.tensor(side);
        let there = mask.ne(0_i64).unwrap().unsqueeze(2).unwrap().broadcast_as(embeds.shape()).unwrap();
        let want = model.forward(&embeds, Some(&mask)).unwrap();
        for content in [f32::NAN, f32::INFINITY, 3e38] {
            let junk = Tensor::full(content, embeds.shape(), &Device::Cpu).unwrap();
            let got = model.forward(&there.where_cond(&embeds, &junk).unwrap(), Some(&mask)).unwrap();
            for (got, want) in got.hidden_states.iter().zip(&want.hidden_states) {
                assert_close(side, got, want, 1e-6);
            }
            assert_close(side, &got.logits, &want.logits, 1e-6);
        }
    }
}

#[test]
fn the_projector_names_its_layer_too() {
    let weights = Checkpoint::open(&common::path("slam.weights.safetensors")).unwrap();
    let config = slam::Config::infer(&weights, 16).unwrap().unwrap();
    let load = |vb: candle_nn::VarBuilder| slam::Projector::load(vb, &config);
    let projector = weights.load(&slam::KEYS, DType::F32, &Device::Cpu, load).unwrap();
    let features = Golden::open(common::path("slam.safetensors")).tensor("features");
    let error = projector.forward(&(&features * f64::NAN).unwrap()).unwrap_err();
    assert_eq!(layer(&error), "the input features", "ReLU would have hidden it");
}
