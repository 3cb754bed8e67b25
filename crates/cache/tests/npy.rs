//! Features as `.npy` files, out and in.
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod common;

use std::fs;
use std::path::Path;

use affekt_cache::{Description, Error, Exported, Store, export, import, npy};
use affekt_core::{Digest, Event, Explain, FeatureKind, LayerRule, Reporter, Silent};
use common::{WIDTH, id, media, numbers, spec, verified, write};

fn description() -> Description {
    Description {
        kind: FeatureKind::Audio,
        encoder: "wavlm-large".into(),
        weights: None,
        layers: Some(LayerRule::entry(-5)),
        preprocessing: vec!["normalize-hf".into()],
        width: None,
        dtype: "f32".into(),
        row: None,
    }
}

/// A store with clips of 3 rows and of one, and two without a feature.
fn filled(cache: &Path, dtype: &str) -> Store {
    let mut store = Store::open(cache, &spec(dtype)).unwrap();
    write(&store, "long", &numbers(3, 0.5));
    let mut writer = store.writer().unwrap();
    writer.add(id("short"), media(b"media"), &numbers(1, 0.25)).unwrap();
    writer.add_absent(id("silent"), media(b"media"), "no sound").unwrap();
    writer.add_failure(id("torn"), media(b"media"), "decode", "cut off").unwrap();
    writer.commit().unwrap();
    store.refresh().unwrap();
    store
}

/// Expects no work.
struct Deaf;

impl Reporter for Deaf {
    fn report(&self, event: &Event) {
        panic!("{event:?}: all should be known");
    }
}

fn counts(exported: &Exported) -> (usize, usize) {
    (exported.written, exported.already)
}

#[test]
fn what_is_exported_comes_back() {
    let place = tempfile::tempdir().unwrap();
    let (cache, folder) = (place.path().join("cache"), place.path().join("npy/video"));
    let store = filled(&cache, "f16");
    let exported = export(&store, &folder, &Silent).unwrap();
    assert_eq!(counts(&exported), (2, 0));
    let without = [("silent", "no sound"), ("torn", "failed at decode: cut off")];
    assert_eq!(exported.without, without.map(|(name, reason)| (id(name), reason.to_owned())));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    let row = fs::read(folder.join("short.npy")).unwrap();
    assert!(row[10..].starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }"));

    let other = place.path().join("other");
    let imported = import(&other, &folder, &description(), &Silent).unwrap();
    assert_eq!((imported.written, imported.already, imported.failed.len(), imported.ignored), (2, 0, 0, 0));
    let store = Store::open(&other, &imported.spec).unwrap();
    assert_eq!(store.feature(&id("long")).unwrap().to_f32(), numbers(3, 0.5));
    assert_eq!(store.feature(&id("short")).unwrap().to_f32(), numbers(1, 0.25));
    let file = Digest::of(&fs::read(folder.join("long.npy")).unwrap());
    assert_eq!(store.clip(&id("long")).unwrap().facts.media, Some(file));
    assert_eq!(verified(&other).features, 2);
    // The same files are the same recipe; others are another.
    let again = import(&other, &folder, &description(), &Deaf).unwrap();
    assert_eq!((again.written, again.already, &again.spec), (0, 2, &imported.spec));
    assert!(imported.spec.preprocessing[1].starts_with("imported-") && imported.spec.row == "20ms");
    fs::remove_file(folder.join("short.npy")).unwrap();
    assert_ne!(import(&other, &folder, &description(), &Silent).unwrap().spec, imported.spec);
}

#[test]
fn an_export_goes_on_where_it_stopped_and_overwrites_nothing() {
    let place = tempfile::tempdir().unwrap();
    let store = filled(&place.path().join("cache"), "f32");
    let folder = place.path().join("npy");
    export(&store, &folder, &Silent).unwrap();
    fs::remove_file(folder.join("long.npy")).unwrap();
    assert_eq!(counts(&export(&store, &folder, &Silent).unwrap()), (1, 1));
    assert_eq!(counts(&export(&store, &folder, &Silent).unwrap()), (0, 2));
    // Other numbers of the same shape, and another shape: another recipe's, perhaps.
    let path = folder.join("long.npy");
    for foreign in [npy::encode(3, WIDTH, numbers(3, 7.0).into_iter()), b"notes".to_vec()] {
        fs::write(&path, &foreign).unwrap();
        let error = export(&store, &folder, &Silent).unwrap_err();
        assert!(matches!(error, Error::Exists { .. }) && error.to_string().contains("long.npy"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), foreign);
    }
}

#[test]
fn a_damaged_feature_is_not_exported_and_the_others_are() {
    let place = tempfile::tempdir().unwrap();
    let (cache, folder) = (place.path().join("cache"), place.path().join("npy"));
    let store = filled(&cache, "f32");
    let path = store.shards().iter().find(|shard| shard.clips()[0].id == id("long")).unwrap().path();
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
    let store = Store::open(&cache, &spec("f32")).unwrap();
    let exported = export(&store, &folder, &Silent).unwrap();
    assert_eq!(counts(&exported), (1, 0));
    let [(clip, error)] = &exported.damaged[..] else { panic!("{exported:?}") };
    let told = error.to_string();
    assert!(*clip == id("long") && told.contains("tensor of long does not have the digest"), "{told}");
    assert!(matches!(error, Error::Damaged { .. }) && told.contains(path.to_str().unwrap()), "{told}");
    assert!(folder.join("short.npy").exists() && !folder.join("long.npy").exists());
}

#[test]
fn files_that_cannot_be_taken_are_failed_rows_and_the_others_are_taken() {
    let place = tempfile::tempdir().unwrap();
    let (cache, folder) = (place.path().join("cache"), place.path().join("npy"));
    fs::create_dir(&folder).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
    put("good.npy", &npy::encode(2, WIDTH, numbers(2, 1.0).into_iter()));
    put("nan.npy", &npy::encode(1, WIDTH, [0.0, f32::NAN, 0.0, 0.0].into_iter()));
    put("narrow.npy", &npy::encode(2, 3, numbers(2, 1.0).into_iter().take(6)));
    put("pickle.npy", b"\x80\x04\x95cos\nsystem\n");
    put("notes.txt", b"mine");
    let widths = Description { width: Some(WIDTH), ..description() };
    let imported = import(&cache, &folder, &widths, &Silent).unwrap();
    assert_eq!((imported.written, imported.ignored), (1, 1));
    let said = [("nan", "NaN"), ("narrow", "its rows have 3 numbers, not 4"), ("pickle", "a pickle")];
    for ((clip, reason), (name, said)) in imported.failed.iter().zip(said) {
        assert!(*clip == id(name) && reason.contains(said) && !reason.contains('/'), "{clip}: {reason}");
    }
    let again = import(&cache, &folder, &widths, &Deaf).unwrap();
    assert_eq!((again.already, again.failed), (1, imported.failed));
    let report = verified(&cache);
    assert_eq!((report.features, report.failures, report.problems.len()), (1, 3, 0));
}

#[test]
fn folders_without_anything_to_take() {
    let place = tempfile::tempdir().unwrap();
    let cache = place.path().join("cache");
    let refused = |folder: &Path, description: &Description| {
        let error = import(&cache, folder, description, &Silent).unwrap_err();
        assert!(
            error.to_string().contains(&folder.display().to_string()) && error.hint().is_some(),
            "{error}"
        );
        assert!(!cache.exists());
        error
    };
    let folder = place.path().join("npy");
    assert!(matches!(refused(&folder, &description()), Error::Read { .. }));
    fs::create_dir(&folder).unwrap();
    assert!(matches!(refused(&folder, &description()), Error::NoNpy { .. }));
    fs::write(folder.join("a.npy"), "not an array").unwrap();
    assert!(matches!(refused(&folder, &description()), Error::BadNpy { .. }));
    fs::write(folder.join("a\u{7}.npy"), "").unwrap();
    assert!(matches!(refused(&folder, &description()), Error::BadNpy { .. }));
    assert!(matches!(refused(&folder.join("a.npy"), &description()), Error::NoIndex { .. }));
    fs::remove_file(folder.join("a\u{7}.npy")).unwrap();
    fs::write(folder.join("a.npy"), npy::encode(1, 4, numbers(1, 1.0).into_iter())).unwrap();
    let error =
        import(&cache, &folder, &Description { dtype: "i8".into(), ..description() }, &Silent).unwrap_err();
    assert!(matches!(error, Error::UnknownNumber(_)));
}
