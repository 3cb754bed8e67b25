//! Checkpoints as users have them: whole, sharded, wrong, damaged.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use affekt_weights::tensors::{self, TensorFile};
use affekt_weights::{Bundle, Checkpoint, Error, KeyTable};
use candle_core::{DType, Device, Tensor};

const KEYS: KeyTable =
    KeyTable { prefixes: &["model."], renames: &[("old.*", "new.*")], ignored: &["extra.**"] };

fn tensor(values: &[f32]) -> Tensor {
    Tensor::new(values, &Device::Cpu).unwrap()
}

fn save(path: &Path, named: &[(&str, &[f32])]) {
    let tensors: HashMap<&str, Tensor> = named.iter().map(|(name, values)| (*name, tensor(values))).collect();
    candle_core::safetensors::save(&tensors, path).unwrap();
}

fn load(path: &Path) -> Result<Vec<f32>, Error> {
    let checkpoint = Checkpoint::open(path)?;
    let sum = checkpoint
        .load(&KEYS, DType::F32, &Device::Cpu, |vb| vb.get(2, "new.weight")? + vb.get(2, "bias")?)?;
    Ok(sum.to_vec1().unwrap())
}

#[test]
fn whole_and_sharded_folders_load_alike() {
    let folder = tempfile::tempdir().unwrap();
    save(
        &folder.path().join("a.safetensors"),
        &[("model.old.weight", &[1.0, 2.0]), ("extra.part.x", &[0.0])],
    );
    save(&folder.path().join("b.safetensors"), &[("bias", &[10.0, 20.0])]);
    let map = r#"{"metadata": {}, "weight_map":
        {"model.old.weight": "a.safetensors", "extra.part.x": "a.safetensors", "bias": "b.safetensors"}}"#;
    fs::write(folder.path().join("model.safetensors.index.json"), map).unwrap();
    assert_eq!(load(folder.path()).unwrap(), [11.0, 22.0]);

    let whole = tempfile::tempdir().unwrap();
    let file = whole.path().join("model.safetensors");
    save(&file, &[("model.old.weight", &[1.0, 2.0]), ("bias", &[10.0, 20.0])]);
    assert_eq!(load(whole.path()).unwrap(), [11.0, 22.0]);
    assert_eq!(load(&file).unwrap(), [11.0, 22.0]);
}

#[test]
fn a_configuration_out_of_all_proportion_ends_soon_and_small() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    save(&file, &[("bias", &[1.0, 2.0])]);
    let checkpoint = Checkpoint::open(&file).unwrap();
    let load = |layers: usize, width: usize| {
        let build = |vb: candle_nn::VarBuilder| {
            (0..layers).try_for_each(|layer| vb.pp(layer).get((width, width), "weight").map(drop))
        };
        match checkpoint.load(&KEYS, DType::F32, &Device::Cpu, build) {
            Err(Error::Keys { missing, unused, .. }) => (missing.len(), unused),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(load(1, 1 << 60), (1, vec![]), "more numbers than fit any memory");
    assert_eq!(load(usize::MAX, 1), (10_001, vec![]), "more layers than anyone waits for");
    assert_eq!(load(3, 2), (3, vec!["bias".to_owned()]));
}

#[test]
fn every_key_that_does_not_fit_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    save(&file, &[("old.weight", &[1.0, 2.0, 3.0]), ("stray", &[1.0])]);
    let Err(Error::Keys { missing, misshapen, unused, .. }) = load(&file) else { panic!("it fits nothing") };
    assert_eq!(missing, ["bias [2]"]);
    assert_eq!(misshapen, ["new.weight [3] instead of [2]"]);
    assert_eq!(unused, ["stray"]);
}

#[test]
fn two_names_for_one_tensor_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    save(&file, &[("old.weight", &[1.0, 2.0]), ("model.old.weight", &[1.0, 2.0]), ("bias", &[1.0, 2.0])]);
    assert!(matches!(load(&file), Err(Error::Ambiguous { .. })));
}

#[test]
fn damaged_and_absent_files_are_errors_with_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    save(&file, &[("old.weight", &[1.0, 2.0]), ("bias", &[10.0, 20.0])]);
    let whole = fs::read(&file).unwrap();
    let lying = [&u64::MAX.to_le_bytes()[..], &whole[8..]].concat();
    for damaged in [&whole[..whole.len() - 4], &whole[..4], &[], b"<html></html>", &lying] {
        fs::write(&file, damaged).unwrap();
        let message = load(&file).unwrap_err().to_string();
        assert!(message.contains("model.safetensors"), "{message}");
    }
    assert!(matches!(load(&folder.path().join("absent")), Err(Error::NotFound { .. })));
    fs::remove_file(&file).unwrap();
    assert!(matches!(load(folder.path()), Err(Error::NoWeights { .. })));
}

#[test]
fn tensor_files_check_rank_and_type() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input.safetensors");
    let named = HashMap::from([
        ("floats".to_owned(), tensor(&[1.0, 2.0])),
        ("lengths".to_owned(), Tensor::new(&[3i64, 9], &Device::Cpu).unwrap()),
    ]);
    tensors::write(&file, &named).unwrap();
    assert!(tensors::write(folder.path(), &named).is_err());
    let input = TensorFile::open(&file, &Device::Cpu).unwrap();
    assert!(input.floats("floats", 1, DType::F32).is_ok());
    assert!(input.floats("floats", 2, DType::F32).is_err());
    assert!(input.floats("lengths", 1, DType::F32).is_err());
    assert!(matches!(input.integers("absent", 1), Err(Error::NoTensor { .. })));
    assert_eq!(input.lengths("lengths", 2, 9).unwrap(), Some(vec![3, 9]));
    assert_eq!(input.lengths("absent", 2, 9).unwrap(), None);
    for (batch, longest) in [(3, 9), (2, 8)] {
        assert!(input.lengths("lengths", batch, longest).is_err());
    }
}

#[test]
fn a_bundle_file_with_other_bytes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = |path: &str| {
        format!(
            "name = \"b\"\ndescription = \"d\"\ntrained = false\n[networks.n]\nconfig = \"{path}\"\nweights = \"{path}\"\n\
             [features]\n[files.\"{path}\"]\nsha256 = \"{}\"\nlicence = \"MIT\"\nsource = \"here\"\n",
            affekt_core::Digest::of(b"{\"a\": 1}")
        )
    };
    fs::write(folder.path().join("bundle.toml"), manifest("c.json")).unwrap();
    fs::write(folder.path().join("c.json"), "{\"a\": 1}").unwrap();
    let bundle = Bundle::open(folder.path()).unwrap();
    let config: HashMap<String, u32> = bundle.config("n").unwrap();
    assert_eq!(config["a"], 1);
    fs::write(folder.path().join("c.json"), "{\"a\": 2}").unwrap();
    assert!(matches!(bundle.file("c.json"), Err(Error::Digest { .. })));
    assert!(matches!(bundle.file("unlisted"), Err(Error::NotInBundle { .. })));

    fs::write(folder.path().join("bundle.toml"), manifest("../c.json")).unwrap();
    assert!(matches!(Bundle::open(folder.path()), Err(Error::Malformed { .. })));
    assert!(matches!(Bundle::open(&folder.path().join("absent")), Err(Error::NoBundle { .. })));
}
