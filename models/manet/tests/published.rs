//! The published checkpoint's layout: `state_dict` beside facts of the training, every name after `module.`.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::path::{Path, PathBuf};

use affekt_manet::{KEYS, Manet, RawConfig};
use affekt_testkit::golden::Golden;
use affekt_testkit::torchfile::{Layout, published, saved};
use affekt_weights::Checkpoint;
use candle_core::{DType, Device};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.safetensors"))
}

fn embedding(weights: &Path) -> Vec<Vec<f32>> {
    let checkpoint = Checkpoint::open(weights).unwrap();
    let cfg = RawConfig::default().infer(&checkpoint).resolve().unwrap();
    let network = checkpoint.load(&KEYS, DType::F32, &Device::Cpu, |vb| Manet::load(vb, &cfg)).unwrap();
    network.forward(&Golden::open(golden("sdumc")).tensor("images")).unwrap().to_vec2().unwrap()
}

#[test]
fn both_forms_of_the_published_file_give_the_same_embeddings() {
    let source = golden("manet.weights");
    let want = embedding(&source);
    for legacy in [false, true] {
        let layout = Layout { legacy, ..Layout::training() };
        let rename = |name: &str| Some(format!("module.{}", name.trim_start_matches("module.")));
        let (_folder, path) = saved("model_best.pth", &published(&source, layout, rename));
        let names: Vec<String> =
            Checkpoint::open(&path).unwrap().shapes().map(|(name, _)| name.into()).collect();
        assert!(names.iter().all(|name| name.starts_with("module.")));
        assert!(names.iter().any(|name| name.ends_with("num_batches_tracked")), "{names:?}");
        assert!(names.iter().any(|name| name.starts_with("module.fc_1.")), "{names:?}");
        assert_eq!(embedding(&path), want);
    }
}
