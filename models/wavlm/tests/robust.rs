//! What must hold whatever the input: padding, broken numbers, clips that do not fit.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::collections::HashMap;
use std::path::Path;

use affekt_nn::finite::NotFinite;
use affekt_testkit::assert_close;
use affekt_testkit::golden::Golden;
use affekt_wavlm::{KEYS, Normalize, RawConfig, WavLm, normalize};
use affekt_weights::Checkpoint;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

fn path(file: &str) -> String {
    format!("{}/tests/golden/{file}.safetensors", env!("CARGO_MANIFEST_DIR"))
}

fn raw_config(name: &str) -> RawConfig {
    serde_json::from_str(&Golden::open(path(name)).metadata("config")).unwrap()
}

fn network(name: &str, dtype: DType) -> WavLm {
    let config = raw_config(name).into_config().unwrap();
    let checkpoint = Checkpoint::open(Path::new(&path(&format!("{name}.weights")))).unwrap();
    checkpoint.load(&KEYS, dtype, &Device::Cpu, |vb| WavLm::load(vb, &config)).unwrap()
}

/// The network with one tensor replaced.
fn spoilt(name: &str, tensor: &str, by: f32) -> WavLm {
    let config = raw_config(name).into_config().unwrap();
    let published = candle_core::safetensors::load(path(&format!("{name}.weights")), &Device::Cpu).unwrap();
    let mut ours: HashMap<String, Tensor> = HashMap::new();
    for (key, weight) in published {
        let key = KEYS.rename(&key);
        let weight =
            if key == tensor { Tensor::full(by, weight.shape(), &Device::Cpu).unwrap() } else { weight };
        ours.insert(key, weight);
    }
    assert!(ours.contains_key(tensor), "{tensor}");
    WavLm::load(VarBuilder::from_tensors(ours, DType::F32, &Device::Cpu), &config).unwrap()
}

fn voice(name: &str, samples: usize) -> Tensor {
    Golden::open(path(name)).tensor("waveform").narrow(0, 0, 1).unwrap().narrow(1, 0, samples).unwrap()
}

/// The clips, each padded with `garbage` to `width` samples.
fn padded(clips: &[Tensor], width: usize, garbage: f32) -> Tensor {
    let padded: Vec<Tensor> = clips
        .iter()
        .map(|clip| {
            let rest = Tensor::full(garbage, (1, width - clip.dim(1).unwrap()), &Device::Cpu).unwrap();
            Tensor::cat(&[clip, &rest], 1).unwrap()
        })
        .collect();
    Tensor::cat(&padded, 0).unwrap()
}

fn valid(state: &Tensor, row: usize, frames: usize) -> Tensor {
    state.narrow(0, row, 1).unwrap().narrow(1, 0, frames).unwrap()
}

#[test]
fn a_batch_equals_its_clips_in_every_order_whatever_the_padding_holds() {
    const WIDTH: usize = 30_000;
    for name in ["large", "base"] {
        let network = network(name, DType::F32);
        let whole = voice(name, WIDTH);
        for how in [Normalize::None, Normalize::Hf, Normalize::Slam] {
            let orders: [&[usize]; 5] =
                [&[9_000, 30_000, 400], &[400, 9_000, 30_000], &[7_000, 7_000], &[12_345], &[30_000, 30_000]];
            for (lengths, garbage) in
                orders.into_iter().zip([f32::NAN, f32::INFINITY, 1e30, f32::NEG_INFINITY, 0.0])
            {
                let clips: Vec<Tensor> =
                    lengths.iter().map(|&length| whole.narrow(1, 0, length).unwrap()).collect();
                let batch = padded(&clips, WIDTH, garbage);
                let batch = normalize(&batch, how, Some(lengths)).unwrap();
                let batch = network.forward(&batch, Some(lengths)).unwrap();
                for (row, clip) in clips.iter().enumerate() {
                    let single = network.forward(&normalize(clip, how, None).unwrap(), None).unwrap();
                    for (layer, (batch, single)) in batch.iter().zip(&single).enumerate() {
                        let what =
                            format!("{name}, {how}, layer {layer}, clip {row} of {lengths:?}, {garbage}");
                        assert_close(&what, &valid(batch, row, network.frames(lengths[row])), single, 1e-5);
                    }
                }
            }
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bits() {
    let network = network("large", DType::F32);
    let waveform = voice("large", 36_000);
    let bits = |states: Vec<Tensor>| -> Vec<u32> {
        let numbers = |state: &Tensor| state.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        states.iter().flat_map(numbers).map(f32::to_bits).collect()
    };
    let first = bits(network.forward(&waveform, None).unwrap());
    for _ in 0..5 {
        assert!(bits(network.forward(&waveform, None).unwrap()) == first);
    }
}

#[test]
fn sixteen_bits_stay_near() {
    for name in ["large", "base"] {
        let waveform = normalize(&voice(name, 20_000), Normalize::Hf, None).unwrap();
        let want = network(name, DType::F32).forward(&waveform, None).unwrap();
        for (dtype, tolerance) in [(DType::F16, 0.05), (DType::BF16, 0.4)] {
            let got = network(name, dtype).forward(&waveform.to_dtype(dtype).unwrap(), None).unwrap();
            for (layer, (got, want)) in got.iter().zip(&want).enumerate() {
                assert_eq!(got.dtype(), dtype);
                let got = got.to_dtype(DType::F32).unwrap();
                assert_close(&format!("{name}, {dtype:?}, layer {layer}"), &got, want, tolerance);
            }
        }
    }
}

#[test]
fn the_first_layer_that_is_not_finite_is_named() {
    let first = |network: &WavLm, waveform: &Tensor| {
        let error = network.forward(waveform, None).unwrap_err();
        let found = NotFinite::of(&error).unwrap_or_else(|| panic!("{error}"));
        assert_eq!(found.network, "wavlm");
        found.layer.clone()
    };
    let waveform = voice("large", 20_000);
    for (name, tensor, layer) in [
        ("large", "feature_extractor.conv_layers.2.conv.weight", "feature_extractor.conv_layers.2"),
        ("large", "feature_projection.projection.bias", "feature_projection"),
        ("large", "encoder.pos_conv_embed.conv.bias", "encoder.pos_conv_embed"),
        ("large", "encoder.layers.3.layer_norm.weight", "encoder.layers.3.layer_norm"),
        ("large", "encoder.layers.3.attention.v_proj.bias", "encoder.layers.3.attention"),
        ("large", "encoder.layers.3.attention.gru_rel_pos_const", "encoder.layers.3.attention"),
        ("large", "encoder.layers.2.feed_forward.intermediate_dense.bias", "encoder.layers.2.feed_forward"),
        ("large", "encoder.layer_norm.weight", "encoder.layer_norm"),
        ("base", "feature_extractor.conv_layers.0.layer_norm.weight", "feature_extractor.conv_layers.0"),
        ("base", "encoder.layers.1.final_layer_norm.bias", "encoder.layers.1.final_layer_norm"),
    ] {
        assert_eq!(first(&spoilt(name, tensor, f32::NAN), &waveform), layer, "{name}, {tensor}");
    }
    let overflow = spoilt("large", "encoder.layers.1.feed_forward.output_dense.weight", 3e38);
    assert_eq!(first(&overflow, &waveform), "encoder.layers.1.feed_forward");
    let hole = Tensor::full(f32::NAN, (1, 1), &Device::Cpu).unwrap();
    let with_hole = Tensor::cat(&[&waveform.narrow(1, 0, 9_999).unwrap(), &hole, &waveform], 1).unwrap();
    assert_eq!(first(&network("large", DType::F32), &with_hole), "the input waveform");
}

#[test]
fn clips_and_shapes_that_do_not_fit_are_refused() {
    let network = network("large", DType::F32);
    let refusal = |shape: &[usize], lengths: Option<&[usize]>| {
        let waveform = Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        network.forward(&waveform, lengths).unwrap_err().to_string()
    };
    for samples in [0, 1, 399] {
        let wanted = format!("clip 0 of the batch has {samples} samples");
        assert!(refusal(&[1, samples], None).contains(&wanted));
        assert!(refusal(&[1, 1000], Some(&[samples])).contains(&wanted));
    }
    assert!(refusal(&[16_000], None).contains("unexpected rank"));
    assert!(refusal(&[1, 1, 16_000], None).contains("unexpected rank"));
    let integers = Tensor::zeros((1, 16_000), DType::I64, &Device::Cpu).unwrap();
    assert!(network.forward(&integers, None).is_err());
    let empty = Tensor::zeros((0, 16_000), DType::F32, &Device::Cpu).unwrap();
    assert!(network.forward(&empty, None).is_err());
}
