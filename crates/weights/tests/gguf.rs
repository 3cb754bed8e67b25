//! GGUF files that are sound, that lie, and that are damaged.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::fs;

use affekt_testkit::fuzz::damaged;
use affekt_weights::gguf::Value;
use affekt_weights::{Error, Gguf};
use candle_core::quantized::GgmlDType;

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn entry(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&text(key), &kind.to_le_bytes()[..], value].concat()
}

fn tensor(name: &str, dimensions: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let sizes = dimensions.iter().flat_map(|size| size.to_le_bytes());
    let mut bytes = text(name);
    bytes.extend((dimensions.len() as u32).to_le_bytes());
    bytes.extend(sizes);
    bytes.extend(kind.to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes
}

/// A file with 128 bytes of data behind the header.
fn file(version: u32, entries: &[Vec<u8>], tensors: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((entries.len() as u64).to_le_bytes());
    bytes.extend(entries.concat());
    bytes.extend(tensors.concat());
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes.extend(0..128u8);
    bytes
}

fn open(bytes: &[u8]) -> Result<Gguf, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gguf");
    fs::write(&path, bytes).unwrap();
    Gguf::open(&path)
}

fn sound() -> Vec<u8> {
    let list = [&8u32.to_le_bytes()[..], &2u64.to_le_bytes(), &text("<s>"), &text("é")].concat();
    let entries = [
        entry("general.architecture", 8, &text("llama")),
        entry("count", 4, &7u32.to_le_bytes()),
        entry("minus", 5, &(-7i32).to_le_bytes()),
        entry("number", 6, &0.5f32.to_le_bytes()),
        entry("yes", 7, &[1]),
        entry("tokens", 9, &list),
    ];
    file(3, &entries, &[tensor("a.weight", &[32, 2], 8, 0), tensor("b", &[4], 0, 96)])
}

#[test]
fn what_is_there_is_read() {
    let file = open(&sound()).unwrap();
    let shapes: Vec<_> = file.shapes().collect();
    assert_eq!(shapes, [("a.weight", &[2, 32][..]), ("b", &[4])]);
    assert_eq!(file.metadata("general.architecture"), Some(&Value::Text("llama".into())));
    assert_eq!(file.metadata("minus"), Some(&Value::Integer(-7)));
    assert_eq!(file.metadata("number"), Some(&Value::Number(0.5)));
    assert_eq!(file.metadata("tokens"), Some(&Value::List(2)));
    let blocks = file.tensor("a.weight").unwrap();
    assert_eq!((blocks.dtype(), blocks.as_ref().len()), (GgmlDType::Q8_0, 2 * 34));
    assert_eq!(file.tensor("b").unwrap().as_ref(), (96..112u8).collect::<Vec<_>>());
    assert!(file.tensor("c").is_none());
}

#[test]
fn lies_are_named() {
    let tensors = |tensors: &[Vec<u8>]| file(3, &[], tensors);
    let counts = |tensors: u64, entries: u64| {
        let mut bytes = sound();
        bytes[8..16].copy_from_slice(&tensors.to_le_bytes());
        bytes[16..24].copy_from_slice(&entries.to_le_bytes());
        bytes
    };
    let long_text = entry("key", 8, &u64::MAX.to_le_bytes());
    let long_list = entry("key", 9, &[&4u32.to_le_bytes()[..], &(1u64 << 61).to_le_bytes()].concat());
    let nested = entry("key", 9, &[&9u32.to_le_bytes()[..], &1u64.to_le_bytes()].concat());
    let alignment = entry("general.alignment", 4, &0u32.to_le_bytes());
    let twice = entry("key", 7, &[1]);
    let cases = [
        (b"GGML".to_vec(), "does not begin with GGUF"),
        (file(1, &[], &[]), "version 1"),
        (counts(u64::MAX, 6), "claims 18446744073709551615 tensors"),
        (counts(2, 1 << 60), "metadata entries"),
        (file(3, &[long_text], &[]), "bytes of text"),
        (file(3, &[long_list], &[]), "list items"),
        (file(3, &[nested], &[]), "a list of values of type 9"),
        (file(3, &[entry("key", 13, &[])], &[]), "unknown type 13"),
        (file(3, &[alignment], &[]), "an alignment of"),
        (file(3, &[twice.clone(), twice], &[]), "stands twice"),
        (tensors(&[tensor("a", &[32], 9, 0)]), "type 9"),
        (tensors(&[tensor("a", &[32; 5], 0, 0)]), "5 dimensions"),
        (tensors(&[tensor("a", &[], 0, 0)]), "0 dimensions"),
        (tensors(&[tensor("a", &[31], 8, 0)]), "cannot have the shape"),
        (tensors(&[tensor("a", &[1 << 40, 1 << 40], 0, 0)]), "cannot have the shape"),
        (tensors(&[tensor("a", &[0], 0, 0)]), "cannot have the shape"),
        (tensors(&[tensor("a", &[64], 0, 0)]), "ends beyond the file"),
        (tensors(&[tensor("a", &[1], 0, u64::MAX - 31)]), "ends beyond the file"),
        (tensors(&[tensor("a", &[1], 0, 4)]), "not aligned to 32"),
        (tensors(&[tensor("a", &[16], 0, 0), tensor("b", &[16], 0, 32)]), "overlap"),
        (tensors(&[tensor("a", &[1], 0, 0), tensor("a", &[1], 0, 32)]), "stands twice"),
    ];
    for (bytes, reason) in cases {
        let error = open(&bytes).unwrap_err().to_string();
        assert!(
            error.contains("is not a valid GGUF") && error.contains(reason),
            "wanted {reason:?}: {error}"
        );
    }
    let bytes = sound();
    for len in 0..bytes.len() - 128 + 112 {
        assert!(open(&bytes[..len]).is_err(), "cut to {len} bytes");
    }
}

#[test]
fn damage_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gguf");
    damaged(&[sound()], |bytes| {
        fs::write(&path, bytes).unwrap();
        let Ok(file) = Gguf::open(&path) else { return };
        for (name, _) in file.shapes() {
            assert!(!file.tensor(name).unwrap().as_ref().is_empty());
        }
    });
}
