//! Damaged weights: a reader says what is wrong, or reads what is there.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::fs;
use std::path::{Path, PathBuf};

use affekt_testkit::{fuzz::damaged, torchfile};
use affekt_weights::Checkpoint;
use candle_core::Device;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn corpus(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| fs::read(golden().join(name)).unwrap()).collect()
}

/// Opens a checkpoint and reads all of it.
fn read_all(path: &Path) {
    let Ok(checkpoint) = Checkpoint::open(path) else { return };
    let names: Vec<String> = checkpoint.shapes().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        // A type that cannot be read is an error, too.
        let _ = checkpoint.tensor(&name, &Device::Cpu);
    }
}

fn target(corpus: &[Vec<u8>], file: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    damaged(corpus, |bytes| {
        fs::write(&path, bytes).unwrap();
        read_all(&path);
    });
}

#[test]
fn safetensors() {
    target(&corpus(&["types.safetensors", "shapes.safetensors", "fairseq.safetensors"]), "model.safetensors");
}

#[test]
fn pytorch_archives() {
    target(&corpus(&["training.pth", "shapes.pt", "types.pt", "protocol4.pt", "fairseq.pt"]), "model.pt");
}

#[test]
fn pytorch_before_1_6() {
    target(&corpus(&["training_legacy.pth", "shapes_legacy.pt", "types_legacy.pt"]), "model.pt");
}

/// The pickle alone, in a sound archive: damage reaches the machine more often.
#[test]
fn pickles() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt");
    let flat = torchfile::flat(|pickle| pickle.text("args").call("argparse", "Namespace", "").raw(b"s"));
    let nested =
        torchfile::flat(|pickle| pickle.text("state_dict").raw(b"}q\x01").text("a").raw(b"(K\x01Nlh\x01ss"));
    let shapes = [(&[2, 1][..], &[1, 2][..]), (&[], &[]), (&[0, 2], &[2, 1])];
    let views = shapes.iter().enumerate().fold(
        torchfile::Pickle::new().raw(b"}"),
        |pickle, (at, (sizes, strides))| {
            pickle.text(&at.to_string()).tensor("0", 2, 0, sizes, strides).raw(b"s")
        },
    );
    damaged(&[flat, nested, views.end()], |pickle| {
        for file in [torchfile::archive(pickle), torchfile::legacy(pickle)] {
            fs::write(&path, file).unwrap();
            read_all(&path);
        }
    });
}

#[test]
fn indexes() {
    let folder = tempfile::tempdir().unwrap();
    let index = "model.safetensors.index.json";
    for entry in fs::read_dir(golden().join("sharded_safe")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    damaged(&corpus(&[&format!("sharded_safe/{index}")]), |bytes| {
        fs::write(folder.path().join(index), bytes).unwrap();
        read_all(folder.path());
    });
}
