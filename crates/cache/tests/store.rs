//! The feature store from outside: round trips, writers that die, writers at once, damage.
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};

use affekt_cache::{Error, Mask, Store, verify};
use affekt_core::{ClipId, Digest, ErrorKind, Explain, FeatureKind, FeatureSpec};

const WIDTH: usize = 4;

fn spec(dtype: &str) -> FeatureSpec {
    FeatureSpec {
        kind: FeatureKind::Video,
        encoder: "manet".into(),
        weights: Digest::of(b"weights"),
        layers: None,
        preprocessing: vec!["crop-v1".into()],
        width: WIDTH,
        dtype: dtype.into(),
        row: "frame".into(),
    }
}

fn id(name: &str) -> ClipId {
    ClipId::new(name).unwrap()
}

fn numbers(rows: usize, scale: f32) -> Vec<f32> {
    (0..rows * WIDTH).map(|index| index as f32 * scale).collect()
}

/// Writes one shard with the clip `name` and gives its path.
fn write(store: &Store, name: &str, numbers: &[f32]) -> PathBuf {
    let mut writer = store.writer().unwrap();
    writer.add(id(name), Digest::of(b"media"), numbers).unwrap();
    writer.commit().unwrap().unwrap()
}

fn open(cache: &Path) -> Store {
    Store::open(cache, &spec("f32")).unwrap()
}

#[test]
fn what_was_written_comes_back_in_each_type() {
    for dtype in ["f32", "f16", "bf16"] {
        let cache = tempfile::tempdir().unwrap();
        let mut store = Store::open(cache.path(), &spec(dtype)).unwrap();
        let mut writer = store.writer().unwrap();
        let clip = writer.add(id("b"), Digest::of(b"b"), &numbers(3, 0.5)).unwrap();
        clip.face_mask = Some(Mask(vec![true, false, true]));
        writer.add_failure(id("c"), Digest::of(b"c"), "no stream");
        writer.add(id("a"), Digest::of(b"a"), &numbers(1, -2.0)).unwrap();
        writer.commit().unwrap().unwrap();
        store.refresh().unwrap();

        let feature = store.feature(&id("b")).unwrap();
        assert_eq!((feature.rows, feature.width), (3, WIDTH));
        assert_eq!(feature.to_f32(), numbers(3, 0.5), "{dtype}");
        assert_eq!(store.feature(&id("a")).unwrap().to_f32(), numbers(1, -2.0));
        assert_eq!(store.clip(&id("b")).unwrap().face_mask, Some(Mask(vec![true, false, true])));
        assert!(matches!(store.feature(&id("c")), Err(Error::NoClip { .. })));
        let names: Vec<&str> = store.clips().iter().map(|clip| clip.id.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let report = verify(store.folder()).unwrap();
        assert_eq!((report.shards, report.features, report.failures, report.problems.len()), (1, 2, 1, 0));
    }
}

#[test]
fn the_index_is_rebuilt_from_headers_and_a_success_beats_a_failure() {
    let cache = tempfile::tempdir().unwrap();
    let store = open(cache.path());
    assert_eq!(store.folder(), cache.path().join(spec("f32").folder()));
    let mut writer = store.writer().unwrap();
    writer.add_failure(id("a"), Digest::of(b"media"), "out of memory");
    writer.commit().unwrap();
    assert!(!open(cache.path()).clip(&id("a")).unwrap().is_done());
    write(&store, "a", &numbers(2, 1.0));
    assert!(open(cache.path()).clip(&id("a")).unwrap().is_done());
    assert_eq!(store.writer().unwrap().commit().unwrap(), None);
}

#[test]
fn a_writer_that_dies_before_the_rename_leaves_nothing_that_readers_see() {
    let cache = tempfile::tempdir().unwrap();
    let store = open(cache.path());
    let path = write(&store, "a", &numbers(2, 1.0));
    // What a dead process with our id would leave: half a shard under the name that we would take next.
    let left_over = store.folder().join(format!(".part-{}-0.tmp", std::process::id()));
    fs::write(&left_over, &fs::read(&path).unwrap()[..40]).unwrap();
    let again = open(cache.path());
    assert_eq!(again.clips().len(), 1);
    assert!(verify(again.folder()).unwrap().problems.is_empty());
    write(&again, "b", &numbers(1, 1.0));
    assert_eq!(open(cache.path()).clips().len(), 2);
    assert!(left_over.exists(), "another writer's file is not touched");
}

#[test]
fn writers_at_once_do_not_disturb_each_other() {
    let cache = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4_u8 {
            let cache = cache.path();
            scope.spawn(move || {
                let store = open(cache);
                for clip in 0..8_u8 {
                    write(&store, &format!("{writer}_{clip}"), &numbers(3, f32::from(writer)));
                    // The same clip from all four: equal content, one shard.
                    write(&store, &format!("all_{clip}"), &numbers(2, 1.0));
                }
            });
        }
    });
    let store = open(cache.path());
    assert_eq!(store.clips().len(), 4 * 8 + 8);
    let report = verify(store.folder()).unwrap();
    assert_eq!((report.shards, report.features), (40, 40));
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

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
        assert_eq!(verify(path.parent().unwrap()).unwrap().problems.len(), 1);
    }
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
        let problems = verify(path.parent().unwrap()).unwrap().problems;
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

#[test]
fn features_that_would_spoil_a_shard_are_refused() {
    let cache = tempfile::tempdir().unwrap();
    let store = Store::open(cache.path(), &spec("f16")).unwrap();
    let mut writer = store.writer().unwrap();
    writer.add(id("a"), Digest::of(b"media"), &numbers(1, 1.0)).unwrap();
    let nan = [0.0, f32::NAN, 0.0, 0.0];
    let beyond_f16 = [1e6; WIDTH];
    let cases: [(&str, &[f32]); 5] =
        [("b", &nan), ("b", &beyond_f16), ("b", &[1.0; 3]), ("b", &[]), ("a", &[1.0; WIDTH])];
    for (name, numbers) in cases {
        let error = writer.add(id(name), Digest::of(b"media"), numbers).unwrap_err();
        assert!(error.to_string().contains(&format!("clip {name} ")), "{error}");
    }
    assert!(writer.add(id("__metadata__"), Digest::of(b"media"), &numbers(1, 1.0)).is_err());
    assert!(matches!(Store::open(cache.path(), &spec("f64")), Err(Error::UnknownNumber(_))));
}

fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).position(|window| window == wanted).expect("it is there")
}
