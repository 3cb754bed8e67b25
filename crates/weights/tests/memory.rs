//! Peak memory while weights are read. One test in a process of its own, since the system counts the whole process.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::fs;
use std::path::{Path, PathBuf};

use affekt_testkit::torchfile::{Pickle, Record, zip};
use affekt_weights::{Checkpoint, KeyTable};
use candle_core::{DType, Device, Tensor};

const TENSORS: usize = 24;
const SIDE: i64 = 1 << 10;
/// Two tensors hold half of the weights, as embeddings and their like do.
const LARGE: i64 = 8 * SIDE;

fn sizes() -> impl Iterator<Item = (String, i64)> {
    (0..TENSORS).map(|at| (format!("layers.{at}.weight"), if at < 2 { LARGE } else { SIDE }))
}

/// Peak resident bytes beyond those before `work`.
fn peak<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let status = |field: &str| {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    };
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS");
    let done = work();
    (status("VmHWM").saturating_sub(before), done)
}

/// A PyTorch file of these types: class of the storages and bytes of an element.
fn pytorch(folder: &Path, class: &str, width: i64) -> PathBuf {
    let mut pickle = Pickle::new().raw(b"}");
    let mut records = Vec::new();
    for (at, (name, rows)) in sizes().enumerate() {
        let (key, numel) = (at.to_string(), rows * SIDE);
        let call = pickle.text(&name).global("torch._utils", "_rebuild_tensor_v2").raw(b"(");
        let placed = call.storage(class, &key, numel).int(0).ints(&[rows, SIDE]).ints(&[SIDE, 1]);
        pickle = placed.raw(b"\x89NtRs");
        records.push(Record::new(&format!("data/{key}"), &vec![0; (numel * width) as usize]));
    }
    records.insert(0, Record::new("data.pkl", &pickle.end()));
    let file = folder.join(format!("{class}.pt"));
    fs::write(&file, zip(&records)).unwrap();
    file
}

fn load(file: &Path) -> Vec<Tensor> {
    let checkpoint = Checkpoint::open(file).unwrap();
    let build = |vb: candle_nn::VarBuilder| {
        sizes().map(|(name, rows)| vb.get((rows as usize, SIDE as usize), &name)).collect()
    };
    checkpoint.load(&KeyTable::IDENTITY, DType::F32, &Device::Cpu, build).unwrap()
}

#[test]
fn peak_memory_is_that_of_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    let weights: usize = sizes().map(|(_, rows)| (rows * SIDE) as usize * 4).sum();
    let most = weights + weights / 10;
    let file = pytorch(folder.path(), "FloatStorage", 4);
    let whole = folder.path().join("whole.safetensors");

    // Opening looks at the header of every record; Linux may map 2 MiB around each.
    let (used, checkpoint) = peak(|| Checkpoint::open(&file).unwrap());
    assert!(used < TENSORS * (3 << 20), "opening took {used} bytes");
    let (used, ()) = peak(|| checkpoint.write(&whole, |name| Some(name.into())).unwrap());
    assert!(used < 20 << 20, "writing took {used} bytes");
    let (used, _) = peak(|| checkpoint.digest());
    assert!(used < 16 << 20, "a digest took {used} bytes");
    for file in [file, whole] {
        let (used, tensors) = peak(|| load(&file));
        assert_eq!(tensors.len(), TENSORS);
        assert!(used < most, "{}: {used} bytes for {weights} of weights", file.display());
    }
    let half = pytorch(folder.path(), "HalfStorage", 2);
    let (used, tensors) = peak(|| load(&half));
    assert!(tensors.iter().all(|tensor| tensor.dtype() == DType::F32));
    // One tensor at a time is there in both types.
    let largest = (LARGE * SIDE) as usize * 2;
    assert!(used < most + largest, "f16: {used} bytes for {weights} of weights");
}
