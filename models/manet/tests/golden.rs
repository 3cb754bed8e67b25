//! Every layer of the network against the PyTorch reference (`golden.py`), in both variants.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::path::{Path, PathBuf};

use affekt_manet::model::quarters;
use affekt_manet::{Config, Error, KEYS, Manet, RawConfig, Variant};
use affekt_testkit::{assert_close, golden::Golden, relative_error};
use affekt_weights::Checkpoint;
use candle_core::{DType, Device, Module, Tensor};

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
    let near = |layer: &str, got: &Tensor| assert_close(layer, got, &golden.tensor(layer), 1e-4);
    let network = network(Variant::Sdumc);
    let stem = network.stem.forward(&images()).unwrap();
    near("stem", &stem);
    let layer1 = network.layer1.forward(&stem).unwrap();
    near("layer1", &layer1);
    let layer2 = network.layer2.forward(&layer1).unwrap();
    near("layer2", &layer2);
    for (p, (quarter, branch)) in quarters(&layer2).unwrap().iter().zip(&network.local).enumerate() {
        let layer3 = branch.layer3.forward(quarter).unwrap();
        near(&format!("local.{}.layer3", p + 1), &layer3);
        near(&format!("local.{}.layer4", p + 1), &branch.layer4.forward(&layer3).unwrap());
    }
    let layer3 = network.global.layer3.forward(&layer2).unwrap();
    near("global.layer3", &layer3);
    near("global.layer4", &network.global.layer4.forward(&layer3).unwrap());
    near("embedding", &network.forward(&images()).unwrap());
}

#[test]
fn upstream_runs_the_second_chain_backwards() {
    let golden = Golden::open(file("upstream"));
    let network = network(Variant::Upstream);
    let layer2 =
        network.layer2.forward(&network.layer1.forward(&network.stem.forward(&images()).unwrap()).unwrap());
    let layer3 = network.global.layer3.forward(&layer2.unwrap()).unwrap();
    assert_close("global.layer3", &layer3, &golden.tensor("global.layer3"), 1e-4);
    let layer4 = network.global.layer4.forward(&layer3).unwrap();
    assert_close("global.layer4", &layer4, &golden.tensor("global.layer4"), 1e-4);
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
    assert_close("embedding", &together, &Tensor::cat(&alone, 0).unwrap(), 1e-5);
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
