//! Every hidden state of Llama and the projector's output, against the goldens of `golden.py`.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod common;

use affekt_generate::Batch;
use affekt_llama::{KEYS, Llama, slam};
use affekt_nn::kv_cache::{Group, KvCache};
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

#[test]
fn every_layer_as_llama_3_with_stretched_wavelengths_and_biases() {
    forward("llama3");
}

#[test]
fn every_layer_as_mistral_within_its_window() {
    forward("mistral");
}

#[test]
fn a_text_longer_than_the_window_is_refused() {
    let (model, config) = common::llama("mistral");
    assert_eq!((config.sliding_window, config.context()), (Some(40), 40));
    let embeds = |t: usize| model.embed(&Tensor::full(7u32, (1, t), &Device::Cpu).unwrap()).unwrap();
    assert!(model.forward(&embeds(40), None).is_ok());
    let error = model.forward(&embeds(41), None).unwrap_err().to_string();
    assert!(error.contains("41 positions") && error.contains("sliding_window"), "{error}");
    let mut cache = model.new_cache(41).unwrap();
    let past: Vec<u32> = (0..41).collect();
    let batch = Batch {
        positions: vec![40],
        slots: vec![40],
        groups: vec![Group { shared: &past[..40], own: vec![&past[40..]] }],
        scored: Vec::new(),
    };
    let error = model.hidden_sum(&embeds(1), None, Some((&batch, &mut cache)), &(1..=1)).unwrap_err();
    assert!(error.to_string().contains("41 positions"), "{error}");
}

/// Sum of the hidden states 1 to 2 and the logits of new positions, with the slots of what precedes them.
fn cached(model: &Llama, embeds: &Tensor, batch: &Batch, cache: &mut KvCache) -> (Tensor, Tensor) {
    let (sum, last) = model.hidden_sum(embeds, None, Some((batch, cache)), &(1..=2)).unwrap();
    (sum.squeeze(0).unwrap(), model.logits(&last).unwrap().squeeze(0).unwrap())
}

#[test]
fn a_cache_changes_nothing() {
    for name in ["mha", "gqa", "llama3"] {
        let (model, _) = common::llama(name);
        let golden = Golden::open(common::path(&format!("{name}.forward.safetensors")));
        let embeds = model.embed(&golden.tensor("input_ids").i(0..=0).unwrap()).unwrap(); // (1, 12, width)
        let embeds = Tensor::cat(&vec![embeds; 12], 1).unwrap(); // (1, 144, width)
        let (want, last) = model.hidden_sum(&embeds, None, None, &(1..=2)).unwrap();
        let (want, logits) = (want.squeeze(0).unwrap(), model.logits(&last).unwrap().squeeze(0).unwrap());
        // Slots in no order; a prompt, single steps, and parts of several positions behind a past.
        let slots: Vec<u32> = (0..144).map(|at| at * 61 % 144).collect();
        let mut cache = model.new_cache(144).unwrap();
        let mut first = 0;
        for part in [5, 1, 1, 3, 134] {
            let end = first + part;
            let batch = Batch {
                positions: (first as u32..end as u32).collect(),
                slots: slots[first..end].to_vec(),
                groups: vec![Group {
                    shared: &slots[..first],
                    own: (first..end).map(|at| &slots[first..=at]).collect(),
                }],
                scored: Vec::new(),
            };
            let new = embeds.narrow(1, first, part).unwrap();
            let (sum, got) = cached(&model, &new, &batch, &mut cache);
            assert_close("states", &sum, &want.narrow(0, first, part).unwrap(), SAME);
            assert_close("logits", &got, &logits.narrow(0, first, part).unwrap(), SAME);
            first = end;
        }
    }
}

#[test]
fn beams_that_share_a_prompt_go_on_as_if_each_had_its_own() {
    let (model, _) = common::llama("gqa");
    let golden = Golden::open(common::path("gqa.forward.safetensors"));
    let ids = golden.tensor("input_ids").i(0..=0).unwrap();
    let embed = |ids: &Tensor| model.embed(ids).unwrap();
    let mut cache = model.new_cache(16).unwrap();
    let slots: Vec<u32> = (0..12).collect();
    let prompt = Batch {
        positions: (0..12).collect(),
        slots: slots.clone(),
        groups: vec![Group { shared: &[], own: (1..=12).map(|seen| &slots[..seen]).collect() }],
        scored: Vec::new(),
    };
    cached(&model, &embed(&ids), &prompt, &mut cache);
    let own: [&[u32]; 2] = [&[12], &[13]];
    let beams = Batch {
        positions: vec![12; 2],
        slots: vec![12, 13],
        groups: vec![Group { shared: &slots, own: own.to_vec() }],
        scored: Vec::new(),
    };
    let next = Tensor::new(&[[9_i64, 8]], &Device::Cpu).unwrap();
    cached(&model, &embed(&next), &beams, &mut cache);
    // Both go on from the second.
    let own: [&[u32]; 2] = [&[13, 14], &[13, 15]];
    let beams = Batch {
        positions: vec![13; 2],
        slots: vec![14, 15],
        groups: vec![Group { shared: &slots, own: own.to_vec() }],
        scored: Vec::new(),
    };
    let then = Tensor::new(&[[7_i64, 6]], &Device::Cpu).unwrap();
    let (sums, _) = cached(&model, &embed(&then), &beams, &mut cache);
    for (row, last) in [7_i64, 6].into_iter().enumerate() {
        let text = Tensor::cat(&[&ids, &Tensor::new(&[[8, last]], &Device::Cpu).unwrap()], 1).unwrap();
        let (want, _) = model.hidden_sum(&embed(&text), None, None, &(1..=2)).unwrap();
        assert_close("beam", &sums.get(row).unwrap(), &want.i((0, 13)).unwrap(), SAME);
    }
}

#[test]
fn a_batch_gives_what_each_row_gives_alone() {
    for name in ["mha", "gqa", "llama3", "mistral"] {
        let (model, _) = common::llama(name);
        let golden = Golden::open(common::path(&format!("{name}.forward.safetensors")));
        for side in ["mask.right", "mask.left"] {
            batch_gives_what_rows_give(&model, &golden.tensor("input_ids"), &golden.tensor(side));
        }
    }
}

fn batch_gives_what_rows_give(model: &Llama, ids: &Tensor, mask: &Tensor) {
    let batch = model.forward(&model.embed(ids).unwrap(), Some(mask)).unwrap();
    for row in 0..3 {
        let (ids, mask) = (ids.i(row..=row).unwrap(), mask.i(row..=row).unwrap());
        let there = valid(&model.embed(&ids).unwrap(), &mask).unsqueeze(0).unwrap(); // (1, valid, width)
        let alone = model.forward(&there, None).unwrap();
        for (got, want) in batch.hidden_states.iter().zip(&alone.hidden_states) {
            let got = valid(&got.i(row..=row).unwrap(), &mask);
            assert_close("batch equals single", &got, &want.squeeze(0).unwrap(), SAME);
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
