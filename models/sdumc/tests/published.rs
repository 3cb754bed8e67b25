//! The released checkpoint's layout: `epoch`, `state_dict`, `optimizer`, every name after `model.`.

use std::path::{Path, PathBuf};

use affekt_sdumc::{RawConfig, keys};
use affekt_testkit::golden::Golden;
use affekt_testkit::torchfile::{Layout, published, saved};
use affekt_weights::Checkpoint;
use candle_core::{DType, Device};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.safetensors"))
}

#[test]
fn the_released_file_gives_the_same_parameters() {
    let source = golden("residual-ae.weights");
    let raw = || -> RawConfig {
        serde_json::from_str(&Golden::open(golden("paper_text")).metadata("config")).unwrap()
    };
    for prefix in ["model.", "module.", "module.model.", "model.module."] {
        let rename = |name: &str| Some(format!("{prefix}{name}"));
        let (_folder, path) = saved("best.pt", &published(&source, Layout::training(), rename));
        let (released, plain) = (Checkpoint::open(&path).unwrap(), Checkpoint::open(&source).unwrap());
        let names: Vec<String> = released.shapes().map(|(name, _)| name.to_owned()).collect();
        assert!(names.iter().any(|name| name.contains("fc_out_e.")), "{names:?}");
        let cfg = raw().infer(&released).resolve().unwrap();
        let load = |vb: candle_nn::VarBuilder| affekt_sdumc::Sdumc::load(vb, &cfg);
        assert!(released.load(keys(&cfg), DType::F32, &Device::Cpu, load).is_ok());
        for name in names {
            let values = |of: &Checkpoint, name: &str| {
                let tensor = of.tensor(name, &Device::Cpu).unwrap();
                let flat = tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap();
                (tensor.dims().to_vec(), flat.to_vec1::<f32>().unwrap())
            };
            assert_eq!(values(&released, &name), values(&plain, &name[prefix.len()..]), "{name}");
        }
    }
}
