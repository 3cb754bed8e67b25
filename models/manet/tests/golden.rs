//! Every layer of the network against the PyTorch reference (`golden.py`), in both variants.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use affekt_manet::model::quarters;
use affekt_manet::{Config, Error, KEYS, Manet, RawConfig, Variant};
use affekt_nn::conv2d::joins;
use affekt_nn::finite::{Gate, NotFinite};
use affekt_nn::maps::channels_last;
use affekt_testkit::{assert_close, golden::Golden, relative_error};
use affekt_weights::Checkpoint;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.safetensors"))
}

fn network(variant: Variant) -> Manet {
    let checkpoint = Checkpoint::open(&file("manet.weights")).unwrap();
    let cfg = RawConfig { variant, ..RawConfig::default() }.infer(&checkpoint).resolve().unwrap();
    checkpoint.load(&KEYS, DType::F32, &Device::Cpu, |vb| Manet::load(vb, &cfg)).unwrap()
}

fn images() -> Tensor {
    Golden::open(file("sdumc")).tensor("images")
}

#[test]
fn every_layer_agrees_with_the_reference() {
    let golden = Golden::open(file("sdumc"));
    let near = |layer: &str, got: &Tensor| {
        // The reference has its channels before the places.
        let got = if got.rank() == 4 { got.permute((0, 3, 1, 2)).unwrap() } else { got.clone() };
        assert_close(layer, &got, &golden.tensor(layer), 1e-4);
    };
    let gate = Gate::asleep("manet");
    let network = network(Variant::Sdumc);
    let stem = network.stem.forward(&channels_last(&images()).unwrap()).unwrap();
    near("stem", &stem);
    let layer1 = network.layer1.forward(&stem, gate).unwrap();
    near("layer1", &layer1);
    let layer2 = network.layer2.forward(&layer1, gate).unwrap();
    near("layer2", &layer2);
    for (p, (quarter, branch)) in quarters(&layer2).unwrap().iter().zip(&network.local).enumerate() {
        let layer3 = branch.layer3.forward(quarter, gate).unwrap();
        near(&format!("local.{}.layer3", p + 1), &layer3);
        near(&format!("local.{}.layer4", p + 1), &branch.layer4.forward(&layer3, gate).unwrap());
    }
    let layer3 = network.global.layer3.forward(&layer2, gate).unwrap();
    near("global.layer3", &layer3);
    near("global.layer4", &network.global.layer4.forward(&layer3, gate).unwrap());
    near("embedding", &network.forward(&images()).unwrap());
}

#[test]
fn upstream_runs_the_second_chain_backwards() {
    let golden = Golden::open(file("upstream"));
    let network = network(Variant::Upstream);
    let gate = Gate::asleep("manet");
    let stem = network.stem.forward(&channels_last(&images()).unwrap()).unwrap();
    let layer2 = network.layer2.forward(&network.layer1.forward(&stem, gate).unwrap(), gate).unwrap();
    let layer3 = network.global.layer3.forward(&layer2, gate).unwrap();
    let near = |layer: &str, got: &Tensor| {
        let got = got.permute((0, 3, 1, 2)).unwrap();
        assert_close(layer, &got, &golden.tensor(layer), 1e-4);
    };
    near("global.layer3", &layer3);
    near("global.layer4", &network.global.layer4.forward(&layer3, gate).unwrap());
    let embedding = network.forward(&images()).unwrap();
    assert_close("embedding", &embedding, &golden.tensor("embedding"), 1e-4);
    assert!(relative_error(&Golden::open(file("sdumc")).tensor("embedding"), &embedding) > 0.1);
}

#[test]
fn batch_equals_single() {
    let network = network(Variant::Sdumc);
    let together = network.forward(&images()).unwrap();
    let alone: Vec<Tensor> =
        (0..2).map(|face| network.forward(&images().narrow(0, face, 1).unwrap()).unwrap()).collect();
    let alone = Tensor::cat(&alone, 0).unwrap();
    // The products of a card's library choose their order by the number of rows; those of the CPU do not.
    if joins(DType::F32, &Device::Cpu).unwrap() {
        assert_close("embedding", &alone, &together, 1e-5);
    } else {
        assert_eq!(together.to_vec2::<f32>().unwrap(), alone.to_vec2::<f32>().unwrap());
    }
}

#[test]
fn half_precision_stays_near() {
    let want = Golden::open(file("sdumc")).tensor("embedding");
    let checkpoint = Checkpoint::open(&file("manet.weights")).unwrap();
    let cfg = Config::infer(&checkpoint).unwrap();
    for (dtype, tolerance) in [(DType::F16, 0.01), (DType::BF16, 0.1)] {
        let network = checkpoint.load(&KEYS, dtype, &Device::Cpu, |vb| Manet::load(vb, &cfg)).unwrap();
        let embedding = network.forward(&images().to_dtype(dtype).unwrap()).unwrap();
        assert_eq!(embedding.dtype(), dtype);
        assert_close("embedding", &embedding.to_dtype(DType::F32).unwrap(), &want, tolerance);
    }
}

#[test]
fn what_is_not_finite_is_named() {
    let named = |result: Result<Tensor, Error>| match result {
        Err(Error::Tensor(error)) => NotFinite::of(&error).map(|found| found.layer.clone()),
        _ => None,
    };
    let network = network(Variant::Sdumc);
    for bad in [f64::NAN, f64::INFINITY] {
        let images = (images() * bad).unwrap();
        assert_eq!(named(network.forward(&images)).as_deref(), Some("the input images"));
    }
    let huge = (images() * 3e38).unwrap();
    assert_eq!(named(network.forward(&huge)).as_deref(), Some("conv1"));
    let weights = candle_core::safetensors::load(file("manet.weights"), &Device::Cpu).unwrap();
    for layer in ["layer1.0", "layer2.1", "layer3_1_p2.1", "layer4_1_p4.0", "layer3_2.0", "layer4_2.1"] {
        let mut weights: HashMap<String, Tensor> =
            weights.iter().map(|(name, x)| (name.replace("module.", ""), x.clone())).collect();
        let bias = weights.get_mut(&format!("{layer}.bn1.bias")).unwrap();
        *bias = (bias.clone() * f64::NAN).unwrap();
        let vb = VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu);
        let network = Manet::load(vb, &Config { width: 4, variant: Variant::Sdumc }).unwrap();
        assert_eq!(named(network.forward(&images())).as_deref(), Some(layer));
    }
}

#[test]
fn other_shapes_are_refused() {
    let network = network(Variant::Sdumc);
    for shape in [&[3, 64, 64][..], &[1, 1, 64, 64], &[1, 3, 64, 96], &[1, 3, 48, 48], &[0, 3, 64, 64]] {
        let images = Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        assert!(matches!(network.forward(&images), Err(Error::Images(_))), "{shape:?}");
    }
}

#[test]
fn the_size_is_in_the_checkpoint() {
    let checkpoint = Checkpoint::open(&file("manet.weights")).unwrap();
    assert_eq!(Config::infer(&checkpoint).unwrap(), Config { width: 4, variant: Variant::Sdumc });
    let narrow = Config { width: 8, variant: Variant::Sdumc };
    let error = checkpoint.load(&KEYS, DType::F32, &Device::Cpu, |vb| Manet::load(vb, &narrow)).err();
    assert!(error.expect("another width").to_string().contains("layer2.0.conv1.weight"));
}
