//! Every hidden state of Llama and the projector's output, against the goldens of `golden.py`.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod common;

use affekt_llama::{KEYS, Llama, slam};
use affekt_testkit::assert_close;
use affekt_testkit::golden::Golden;
use affekt_weights::Checkpoint;
use candle_core::{DType, Device, IndexOp, Tensor};

const TOLERANCE: f64 = 1e-4;
const SAME: f64 = 1e-5;

/// The rows of `tensor` (b, t, width) where `mask` (b, t) is 1: (valid, width).
fn valid(tensor: &Tensor, mask: &Tensor) -> Tensor {
    let mask: Vec<i64> = mask.flatten_all().unwrap().to_vec1().unwrap();
    let rows: Vec<u32> = (0..).zip(mask).filter(|(_, there)| *there == 1).map(|(at, _)| at).collect();
    tensor.flatten(0, 1).unwrap().index_select(&Tensor::new(rows, &Device::Cpu).unwrap(), 0).unwrap()
}

fn forward(name: &str) {
    let (model, config) = common::llama(name);
    let golden = Golden::open(common::path(&format!("{name}.forward.safetensors")));
    let ids = golden.tensor("input_ids");
    let embeds = model.embed(&ids).unwrap();
    for kind in ["plain", "right", "left"] {
        let padding = (kind != "plain").then(|| golden.tensor(&format!("mask.{kind}")));
        let mask = padding.clone().unwrap_or_else(|| ids.ones_like().unwrap());
        let output = model.forward(&embeds, padding.as_ref()).unwrap();
        assert_eq!(output.hidden_states.len(), config.num_hidden_layers + 1);
        for (at, hidden) in output.hidden_states.iter().enumerate() {
            let what = format!("{kind}.hidden_states.{at}");
            let want = golden.tensor(&what);
            assert_close(&format!("{name} {what}"), &valid(hidden, &mask), &valid(&want, &mask), TOLERANCE);
        }
        let (got, want) =
            (valid(&output.logits, &mask), valid(&golden.tensor(&format!("{kind}.logits")), &mask));
        assert_close(&format!("{name} {kind} logits"), &got, &want, TOLERANCE);
    }
}

#[test]
fn every_layer_with_a_head_for_every_query() {
    forward("mha");
}

#[test]
fn every_layer_with_grouped_queries_and_a_tied_head() {
    forward("gqa");
}

/// Hidden states of the whole input, and of the input in parts through a cache, are the same.
fn cached_equals_full(model: &Llama, ids: &Tensor, padding: Option<&Tensor>) {
    let t = ids.dim(1).unwrap();
    let full = model.forward(&model.embed(ids).unwrap(), padding).unwrap();
    let mut cache = model.new_cache();
    let mut at = 0;
    // A prompt, single steps, and a part of several positions behind a past.
    for part in [5, 1, 1, 3, t - 10] {
        let embeds = model.embed(&ids.narrow(1, at, part).unwrap()).unwrap();
        let padding = padding.map(|padding| padding.narrow(1, 0, at + part).unwrap());
        let output = model.forward_cached(&embeds, padding.as_ref(), &mut cache).unwrap();
        let mask = match &padding {
            Some(padding) => padding.narrow(1, at, part).unwrap(),
            None => ids.narrow(1, at, part).unwrap().ones_like().unwrap(),
        };
        for (entry, (got, want)) in output.hidden_states.iter().zip(&full.hidden_states).enumerate() {
            let want = want.narrow(1, at, part).unwrap();
            assert_close(&format!("entry {entry} at {at}"), &valid(got, &mask), &valid(&want, &mask), SAME);
        }
        at += part;
    }
    assert_eq!(cache.len(), t);
}

#[test]
fn a_cache_changes_nothing() {
    for name in ["mha", "gqa"] {
        let (model, _) = common::llama(name);
        let golden = Golden::open(common::path(&format!("{name}.forward.safetensors")));
        let ids = golden.tensor("input_ids");
        cached_equals_full(&model, &ids, None);
        for side in ["mask.left", "mask.right"] {
            cached_equals_full(&model, &ids, Some(&golden.tensor(side)));
        }
        // Far enough for the cache to grow.
        let long = Tensor::cat(&vec![ids; 12], 1).unwrap(); // (3, 144)
        cached_equals_full(&model, &long, None);
    }
}

#[test]
fn reordered_rows_go_on_as_the_rows_they_copy() {
    let (model, _) = common::llama("gqa");
    let golden = Golden::open(common::path("gqa.forward.safetensors"));
    let ids = golden.tensor("input_ids");
    let embed = |ids: &Tensor| model.embed(ids).unwrap();
    let mut cache = model.new_cache();
    model.forward_cached(&embed(&ids.narrow(1, 0, 8).unwrap()), None, &mut cache).unwrap();
    let rows = [2_u32, 0, 2, 2];
    cache.reorder(&rows).unwrap();
    let next = Tensor::new(&[[9_i64], [8], [7], [6]], &Device::Cpu).unwrap();
    let stepped = model.forward_cached(&embed(&next), None, &mut cache).unwrap();
    let index = Tensor::new(&rows, &Device::Cpu).unwrap();
    let past = ids.narrow(1, 0, 8).unwrap().contiguous().unwrap().index_select(&index, 0).unwrap();
    let full = model.forward(&embed(&Tensor::cat(&[past, next], 1).unwrap()), None).unwrap();
    for (got, want) in stepped.hidden_states.iter().zip(&full.hidden_states) {
        assert_close("reordered", got, &want.narrow(1, 8, 1).unwrap(), SAME);
    }
}

#[test]
fn a_batch_gives_what_each_row_gives_alone() {
    let (model, _) = common::llama("mha");
    let golden = Golden::open(common::path("mha.forward.safetensors"));
    let ids = golden.tensor("input_ids");
    for side in ["mask.right", "mask.left"] {
        let mask = golden.tensor(side);
        let batch = model.forward(&model.embed(&ids).unwrap(), Some(&mask)).unwrap();
        for row in 0..3 {
            let (ids, mask) = (ids.i(row..=row).unwrap(), mask.i(row..=row).unwrap());
            let there = valid(&model.embed(&ids).unwrap(), &mask).unsqueeze(0).unwrap(); // (1, valid, width)
            let alone = model.forward(&there, None).unwrap();
            for (got, want) in batch.hidden_states.iter().zip(&alone.hidden_states) {
                assert_close(
                    side,
                    &valid(&got.i(row..=row).unwrap(), &mask),
                    &want.squeeze(0).unwrap(),
                    SAME,
                );
            }
        }
    }
}

#[test]
fn hidden_sums_are_sums_of_hidden_states() {
    let (model, _) = common::llama("mha");
    let ids = Tensor::new(&[[3_i64, 4, 5, 6]], &Device::Cpu).unwrap();
    let embeds = model.embed(&ids).unwrap();
    let all = model.forward(&embeds, None).unwrap().hidden_states;
    let (sum, last) = model.hidden_sum(&embeds, None, None, &(1..=4)).unwrap();
    let want = all[1..].iter().skip(1).fold(all[1].clone(), |sum, hidden| (sum + hidden).unwrap());
    assert_close("sum", &sum, &want, SAME);
    assert_close("last", &last, &all[4], SAME);
    assert!(model.hidden_sum(&embeds, None, None, &(7..=8)).is_err());
}

#[test]
fn half_precision_stays_near_f32() {
    let (model, config) = common::llama("gqa");
    let weights = Checkpoint::open(&common::path("gqa.weights.safetensors")).unwrap();
    let ids = Golden::open(common::path("gqa.forward.safetensors")).tensor("input_ids");
    let want = model.forward(&model.embed(&ids).unwrap(), None).unwrap();
    for (dtype, tolerance) in [(DType::F16, 0.02), (DType::BF16, 0.15)] {
        let half = weights.load(&KEYS, dtype, &Device::Cpu, |vb| Llama::load(vb, &config)).unwrap();
        let got = half.forward(&half.embed(&ids).unwrap(), None).unwrap();
        assert_eq!(got.logits.dtype(), dtype);
        let got = got.hidden_states[config.num_hidden_layers].to_dtype(DType::F32).unwrap();
        assert_close(dtype.as_str(), &got, &want.hidden_states[config.num_hidden_layers], tolerance);
    }
}

#[test]
fn the_projector_equals_its_reference() {
    let golden = Golden::open(common::path("slam.safetensors"));
    let weights = Checkpoint::open(&common::path("slam.weights.safetensors")).unwrap();
    let config = slam::Config::infer(&weights, 16).unwrap().unwrap();
    let want = slam::Config { encoder_projector_ds_rate: 5, encoder_dim: 16, hidden_dim: 32, llm_dim: 24 };
    assert_eq!(config, want);
    let load = |vb: candle_nn::VarBuilder| slam::Projector::load(vb, &config);
    let projector = weights.load(&slam::KEYS, DType::F32, &Device::Cpu, load).unwrap();
    let features = golden.tensor("features");
    let projected = projector.forward(&features).unwrap();
    assert_close("projected", &projected, &golden.tensor("projected"), TOLERANCE);
    let alone = projector.forward(&features.i(1..2).unwrap()).unwrap();
    assert_close("batch equals single", &projected.i(1..2).unwrap(), &alone, SAME);
    let short = projector.forward(&features.narrow(1, 0, 4).unwrap()).unwrap();
    assert_eq!(short.dims(), [2, 0, 24], "too short for one embedding");
    assert!(projector.forward(&features.narrow(2, 0, 8).unwrap()).is_err());
    assert!(slam::Config::infer(&weights, 17).unwrap().is_err());
}
