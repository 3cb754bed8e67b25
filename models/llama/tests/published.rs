//! Published layouts: Vicuna's shards of pickles, and SLAM's flat `model.pt`.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod common;

use std::collections::BTreeMap;
use std::fs;

use affekt_llama::{KEYS, Llama, slam};
use affekt_testkit::golden::Golden;
use affekt_testkit::torchfile::{Layout, published, saved};
use affekt_weights::Checkpoint;
use candle_core::{DType, Device};

#[test]
fn shards_of_pickles_load_as_the_whole() {
    let source = common::path("gqa.weights.safetensors");
    let (_, config) = common::llama("gqa");
    let (folder, index) = saved("pytorch_model.bin.index.json", b"");
    let shard =
        |name: &str| format!("pytorch_model-0000{}-of-00002.bin", if name.contains("mlp") { 2 } else { 1 });
    let whole = Checkpoint::open(&source).unwrap();
    let map: BTreeMap<&str, String> = whole.shapes().map(|(name, _)| (name, shard(name))).collect();
    for file in map.values().collect::<std::collections::BTreeSet<_>>() {
        let held = |name: &str| (shard(name) == *file).then(|| name.to_owned());
        fs::write(folder.path().join(file), published(&source, Layout::flat(), held)).unwrap();
    }
    let listed = serde_json::json!({"metadata": {"total_size": 0}, "weight_map": map});
    fs::write(index, listed.to_string()).unwrap();
    let sharded = Checkpoint::open(folder.path()).unwrap();
    assert!(sharded.load(&KEYS, DType::F32, &Device::Cpu, |vb| Llama::load(vb, &config)).is_ok());
    for (name, _) in whole.shapes() {
        let values = |of: &Checkpoint| {
            let tensor = of.tensor(name, &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
            (tensor.dims().to_vec(), tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap())
        };
        assert_eq!(values(&sharded), values(&whole), "{name}");
    }
}

#[test]
fn the_projectors_flat_file_gives_the_same_embeddings() {
    let source = common::path("slam.weights.safetensors");
    let (_folder, path) =
        saved("model.pt", &published(&source, Layout::flat(), |name| Some(name.to_owned())));
    let features = Golden::open(common::path("slam.safetensors")).tensor("features");
    let project = |path| {
        let weights = Checkpoint::open(path).unwrap();
        assert!(weights.shapes().all(|(name, _)| name.starts_with("encoder_projector.linear")));
        let config = slam::Config::infer(&weights, 16).unwrap().unwrap();
        let load = |vb: candle_nn::VarBuilder| slam::Projector::load(vb, &config);
        let projector = weights.load(&slam::KEYS, DType::F32, &Device::Cpu, load).unwrap();
        projector.forward(&features).unwrap().to_vec3::<f32>().unwrap()
    };
    assert_eq!(project(&path), project(&source));
}
