//! Every form in which weights are published, against the same tensors as safetensors: bit for bit.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::path::{Path, PathBuf};

use affekt_weights::{Checkpoint, Error, KeyTable};
use candle_core::{DType, Device, Tensor};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn bits(tensor: &Tensor) -> String {
    // Not a number is equal to itself here, and 0 differs from -0.
    let flat = tensor.flatten_all().unwrap();
    let values = match tensor.dtype() {
        DType::F64 => format!("{:?}", flat.to_vec1::<f64>().unwrap()),
        dtype if dtype.is_float() => {
            format!("{:?}", flat.to_dtype(DType::F32).unwrap().to_vec1::<f32>().unwrap())
        }
        _ => format!("{:?}", flat.to_dtype(DType::I64).unwrap().to_vec1::<i64>().unwrap()),
    };
    format!("{:?} {:?} {values}", tensor.dtype(), tensor.dims())
}

#[track_caller]
fn assert_same(got: &Checkpoint, want: &Checkpoint) {
    let names = |of: &Checkpoint| of.shapes().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(names(got), names(want));
    for name in names(want) {
        let tensor = |of: &Checkpoint| bits(&of.tensor(&name, &Device::Cpu).unwrap());
        assert_eq!(tensor(got), tensor(want), "{name} of {}", got.origin());
    }
}

const FILES: [(&str, &str); 8] = [
    ("training.pth", "training"),
    ("training_legacy.pth", "training_legacy"),
    ("protocol4.pt", "protocol4"),
    ("fairseq.pt", "fairseq"),
    ("shapes.pt", "shapes"),
    ("shapes_legacy.pt", "shapes_legacy"),
    ("types.pt", "types"),
    ("types_legacy.pt", "types_legacy"),
];

#[test]
fn every_file_of_pytorch_holds_its_tensors() {
    for (file, twin) in FILES {
        let want = Checkpoint::open(&path(&format!("{twin}.safetensors"))).unwrap();
        assert_same(&Checkpoint::open(&path(file)).unwrap(), &want);
    }
}

#[test]
fn sharded_folders_and_their_indexes_open() {
    let want = Checkpoint::open(&path("sharded.safetensors")).unwrap();
    for (folder, index) in
        [("sharded_bin", "pytorch_model.bin.index.json"), ("sharded_safe", "model.safetensors.index.json")]
    {
        assert_same(&Checkpoint::open(&path(folder)).unwrap(), &want);
        assert_same(&Checkpoint::open(&path(folder).join(index)).unwrap(), &want);
    }
}

#[test]
fn content_decides_and_not_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let want = Checkpoint::open(&path("shapes.safetensors")).unwrap();
    for file in ["shapes.pt", "shapes_legacy.pt", "shapes.safetensors"] {
        let renamed = folder.path().join("model.safetensors");
        std::fs::copy(path(file), &renamed).unwrap();
        assert_same(&Checkpoint::open(&renamed).unwrap(), &want);
        // Of several forms in a folder, safetensors is taken.
        std::fs::write(folder.path().join("pytorch_model.bin"), "damaged").unwrap();
        assert_same(&Checkpoint::open(folder.path()).unwrap(), &want);
    }
}

#[test]
fn any_checkpoint_becomes_one_safetensors_file() {
    let folder = tempfile::tempdir().unwrap();
    for source in FILES.map(|(file, _)| file).iter().chain(&["sharded_bin", "sharded_safe"]) {
        let source = Checkpoint::open(&path(source)).unwrap();
        let file = folder.path().join("whole.safetensors");
        source.write(&file, |name| Some(name.to_owned())).unwrap();
        assert_same(&Checkpoint::open(&file).unwrap(), &source);
    }
    let source = Checkpoint::open(&path("training.pth")).unwrap();
    let file = folder.path().join("renamed.safetensors");
    source.write(&file, |name| Some(name.strip_prefix("module.0.")?.to_owned())).unwrap();
    let names: Vec<_> = Checkpoint::open(&file).unwrap().shapes().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["bias", "weight"]);
    // The stored type stays, also where Candle has no such type.
    let types = Checkpoint::open(&path("types.pt")).unwrap();
    types.write(&file, |name| Some(name.to_owned())).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let written = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(written.tensor("bool").unwrap().dtype(), safetensors::Dtype::BOOL);
    assert_eq!(written.tensor("uint16").unwrap().dtype(), safetensors::Dtype::U16);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no partial file stays");

    assert!(matches!(types.write(&file, |_| Some("one".into())), Err(Error::Ambiguous { .. })));
    assert!(matches!(types.write(folder.path(), |_| None), Err(Error::Write { .. })));
    assert!(matches!(types.write(&folder.path().join("no/where"), |_| None), Err(Error::Write { .. })));
}

#[test]
fn a_digest_is_that_of_the_file() {
    let file = path("types.pt");
    let want = affekt_core::Digest::of(&std::fs::read(&file).unwrap());
    assert_eq!(Checkpoint::open(&file).unwrap().digest(), want);
}

#[test]
fn files_without_a_dictionary_of_tensors_say_what_they_hold() {
    for (file, holds) in [("whole_network.pt", "torch.nn.modules.container.Sequential"), ("list.pt", "list")]
    {
        let error = Checkpoint::open(&path(file)).unwrap_err();
        assert!(matches!(error, Error::NotWeights { .. }), "{error}");
        assert!(error.to_string().contains(&format!("it holds {holds}")), "{error}");
    }
}

#[test]
fn a_value_that_is_no_tensor_is_named_where_one_is_needed() {
    let checkpoint = Checkpoint::open(&path("fairseq.pt")).unwrap();
    let build = |vb: candle_nn::VarBuilder| vb.get(2, "cfg");
    let error = checkpoint.load(&KeyTable::IDENTITY, DType::F32, &Device::Cpu, build).unwrap_err();
    assert!(matches!(error, Error::Keys { ref missing, .. } if missing == &["cfg [2]"]), "{error}");
}
