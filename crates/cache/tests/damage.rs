//! Shards that are not as they were written.
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod common;

use std::fs;

use affekt_cache::{Error, Mask, Shard, Store};
use affekt_core::{ErrorKind, Explain};
use affekt_testkit::fuzz::damaged;
use common::{find, id, media, numbers, only, open, spec, verified, write};

#[test]
fn a_damaged_shard_is_an_error_that_names_it() {
    let cache = tempfile::tempdir().unwrap();
    let path = write(&open(cache.path()), "a", &numbers(5, 1.0));
    let whole = fs::read(&path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let (truncated, html) = (whole[..whole.len() - 3].to_vec(), b"<!doctype html>".to_vec());
    for bytes in [truncated, html, Vec::new()] {
        fs::write(&path, bytes).unwrap();
        let error = Store::open(cache.path(), &spec("f32")).err().expect("damaged");
        assert!(error.to_string().contains(&name), "{error}");
        assert_eq!(error.kind(), ErrorKind::Unreadable);
        assert_eq!(verified(cache.path()).problems.len(), 1);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(Shard::open(&path), Err(Error::Damaged { .. })));
}

#[test]
fn a_damaged_shard_hides_no_other() {
    let cache = tempfile::tempdir().unwrap();
    let store = open(cache.path());
    let path = write(&store, "a", &numbers(5, 1.0));
    write(&store, "b", &numbers(5, 1.0));
    fs::write(&path, "x").unwrap();
    let contents = only(cache.path()).contents().unwrap();
    assert_eq!((contents.shards, contents.problems.len()), (2, 1));
    assert_eq!(contents.store.unwrap().feature(&id("b")).unwrap().to_f32(), numbers(5, 1.0));
    assert!(only(cache.path()).store().is_err());
}

#[test]
fn a_flipped_bit_is_found_by_verification() {
    let cache = tempfile::tempdir().unwrap();
    let path = write(&open(cache.path()), "a", &numbers(5, 1.0));
    let whole = fs::read(&path).unwrap();
    for (at, said) in [(whole.len() - 1, "digest"), (find(&whole, b"crop-v1"), "checksum")] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        let problems = verified(cache.path()).problems;
        assert!(problems[0].to_string().contains(said), "{problems:?}");
    }
}

#[test]
fn another_version_and_another_recipe_are_refused() {
    let cache = tempfile::tempdir().unwrap();
    let path = write(&open(cache.path()), "a", &numbers(1, 1.0));
    let other = Store::open(cache.path(), &spec("f16")).unwrap();
    let moved = other.folder().join(path.file_name().unwrap());
    fs::copy(&path, &moved).unwrap();
    assert!(matches!(Store::open(cache.path(), &spec("f16")), Err(Error::Recipe { .. })));

    let mut bytes = fs::read(&path).unwrap();
    let at = find(&bytes, br#"\"format\":1"#) + br#"\"format\":"#.len();
    bytes[at] = b'2';
    fs::write(&path, bytes).unwrap();
    let error = Store::open(cache.path(), &spec("f32")).err().expect("version 2");
    assert!(matches!(error, Error::Version { found: 2, wanted: 1, .. }), "{error}");
}

/// Everything that a reader does with a shard.
fn read_all(path: &std::path::Path) {
    let Ok(shard) = Shard::open(path) else { return };
    for clip in shard.clips() {
        if let Ok(feature) = shard.feature(&clip.id) {
            assert!(feature.bytes.len() <= usize::try_from(shard.size()).unwrap());
            assert_eq!(feature.to_f32().len(), feature.rows * feature.width);
        }
    }
}

#[test]
fn mutated_shards_neither_panic_nor_take_memory() {
    let cache = tempfile::tempdir().unwrap();
    let mut corpus = Vec::new();
    for dtype in ["f32", "f16", "bf16"] {
        let store = Store::open(cache.path(), &spec(dtype)).unwrap();
        let mut writer = store.writer().unwrap();
        let mut facts = media(b"media");
        facts.face_mask = Some(Mask(vec![true, false, true]));
        writer.add(id("a"), facts, &numbers(3, 1.0)).unwrap();
        writer.add(id("b"), media(b"media"), &numbers(1, 0.5)).unwrap();
        writer.add_absent(id("c"), media(b"media"), "no transcript").unwrap();
        writer.add_failure(id("d"), media(b"media"), "decode", "cut off").unwrap();
        corpus.push(fs::read(writer.commit().unwrap().unwrap()).unwrap());
    }
    let place = tempfile::tempdir().unwrap();
    let folder = Store::open(place.path(), &spec("f32")).unwrap().folder().to_owned();
    let path = folder.join("part-0.safetensors");
    damaged(&corpus, |bytes| {
        fs::write(&path, bytes).unwrap();
        read_all(&path);
        verified(place.path());
    });
}

/// A sound shard around `header`, whatever that says: past the checksum.
fn around(header: &str) -> Vec<u8> {
    let entry = |name: &str, value: &str| format!("{name:?}:{}", serde_json::to_string(value).unwrap());
    let checksum = affekt_core::Digest::of(header.as_bytes());
    let json = format!(
        "{{\"__metadata__\":{{{},{}}},\"a\":{{\"dtype\":\"F32\",\"shape\":[3,4],\"data_offsets\":[0,48]}}}}",
        entry("affekt", header),
        entry("checksum", checksum.as_str())
    );
    [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), &[0; 48]].concat()
}

#[test]
fn mutated_headers_with_a_right_checksum_neither_panic_nor_take_memory() {
    let cache = tempfile::tempdir().unwrap();
    let store = open(cache.path());
    let mut facts = media(b"media");
    (facts.face_mask, facts.score) = (Some(Mask(vec![true, false, true])), Some(-0.5));
    let mut writer = store.writer().unwrap();
    writer.add(id("a"), facts, &numbers(3, 1.0)).unwrap();
    writer.add_failure(id("d"), media(b"media"), "decode", "cut off").unwrap();
    let path = writer.commit().unwrap().unwrap();
    let bytes = fs::read(&path).unwrap();
    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let header = json["__metadata__"]["affekt"].as_str().unwrap().as_bytes().to_vec();
    let mut opened = 0;
    damaged(&[header], |header| {
        let Ok(header) = std::str::from_utf8(header) else { return };
        fs::write(&path, around(header)).unwrap();
        opened += usize::from(Shard::open(&path).is_ok());
        read_all(&path);
        verified(cache.path());
    });
    assert!(opened > 0);
}

#[test]
fn mutated_arrays_neither_panic_nor_take_memory() {
    let corpus = [(3, 4), (1, 12), (12, 1)]
        .map(|(rows, width)| affekt_cache::npy::encode(rows, width, numbers(3, 1.0).into_iter()));
    damaged(&corpus, |bytes| {
        if let Ok(matrix) = affekt_cache::npy::decode(bytes) {
            assert_eq!(matrix.numbers.len(), matrix.rows * matrix.width);
        }
    });
}

/// Nobody writes to the pipe, and the device never ends.
#[test]
#[cfg(unix)]
fn lists_that_are_pipes_or_devices_are_refused_at_once() {
    let place = tempfile::tempdir().unwrap();
    let pipe = place.path().join("list");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), std::path::Path::new("/dev/zero")] {
        let error = affekt_cache::manifest::read(path).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert!(error.hint().unwrap().contains("to a file"), "{error}");
    }
}

#[test]
fn mutated_lists_do_not_panic() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("list");
    let corpus =
        [b"a_1\nb_2\n".to_vec(), b"{\"id\": \"a_1\", \"media\": \"a.mp4\"}\n{\"id\": \"b\"}\n".to_vec()];
    damaged(&corpus, |bytes| {
        fs::write(&path, bytes).unwrap();
        let _ = affekt_cache::manifest::read(&path);
    });
}
