//! The feature store from outside: round trips, rows without features, writers at once.
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod common;

use std::fs;
use std::path::Path;

use affekt_cache::folders::{Counts, choose, kind};
use affekt_cache::{Error, Facts, Mask, Status, Store, folders, manifest, verify};
use affekt_core::{ErrorKind, Explain, FeatureKind, FeatureSpec, Seconds, Silent, Span};
use common::{WIDTH, id, media, numbers, only, open, spec, verified, version, write};

#[test]
fn what_was_written_comes_back_in_each_type() {
    for dtype in ["f32", "f16", "bf16"] {
        let cache = tempfile::tempdir().unwrap();
        let mut store = Store::open(cache.path(), &spec(dtype)).unwrap();
        let mut writer = store.writer().unwrap();
        let facts = Facts {
            span: Some(Span::new(Some(0.1), Some(3.3)).unwrap()),
            seconds: Some(Seconds(3.2)),
            face_mask: Some(Mask(vec![true, false, true])),
            score: Some(-0.25),
            ..media(b"b")
        };
        writer.add(id("b"), facts.clone(), &numbers(3, 0.5)).unwrap();
        writer.add_failure(id("c"), Facts::default(), "decode", "no stream").unwrap();
        writer.add_absent(id("d"), media(b"d"), "no transcript").unwrap();
        writer.add(id("a"), media(b"a"), &numbers(1, -2.0)).unwrap();
        assert_eq!(writer.pending(), 4);
        writer.commit().unwrap().unwrap();
        store.refresh().unwrap();

        let feature = store.feature(&id("b")).unwrap();
        assert_eq!((feature.rows, feature.width), (3, WIDTH));
        assert_eq!(feature.to_f32(), numbers(3, 0.5), "{dtype}");
        assert_eq!(store.feature(&id("a")).unwrap().to_f32(), numbers(1, -2.0));
        assert_eq!(store.clip(&id("b")).unwrap().facts, facts);
        for without in ["c", "d", "e"] {
            assert!(matches!(store.feature(&id(without)), Err(Error::NoClip { .. })));
        }
        let names: Vec<&str> = store.clips().iter().map(|clip| clip.id.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        assert_eq!(store.counts(), Counts { done: 2, absent: 1, failed: 1 });
        let report = verified(cache.path());
        assert_eq!((report.shards, report.features, report.absent, report.failures), (1, 2, 1, 1));
        assert!(report.problems.is_empty(), "{:?}", report.problems);
    }
}

#[test]
fn a_feature_beats_an_absence_and_an_absence_a_failure() {
    let cache = tempfile::tempdir().unwrap();
    let store = open(cache.path());
    assert_eq!(store.folder(), cache.path().join(spec("f32").folder()));
    let row = || open(cache.path()).clip(&id("a")).unwrap().status.clone();
    let mut writer = store.writer().unwrap();
    writer.add_failure(id("a"), Facts::default(), "text", "out of memory").unwrap();
    writer.commit().unwrap();
    assert_eq!(row(), Status::Failed { stage: "text".into(), reason: "out of memory".into() });
    let mut writer = store.writer().unwrap();
    writer.add_absent(id("a"), Facts::default(), "no transcript").unwrap();
    writer.commit().unwrap();
    assert_eq!(row(), Status::Absent { reason: "no transcript".into() });
    write(&store, "a", &numbers(2, 1.0));
    assert!(matches!(row(), Status::Done { rows: 2, .. }));
    assert_eq!(store.writer().unwrap().commit().unwrap(), None);
}

#[test]
fn equal_content_is_one_file_of_equal_bytes() {
    let shard = || {
        let cache = tempfile::tempdir().unwrap();
        let path = write(&open(cache.path()), "a", &numbers(3, 1.0));
        (path.file_name().unwrap().to_owned(), fs::read(path).unwrap())
    };
    let first = shard();
    assert!((0..8).all(|_| shard() == first));
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
    assert!(verified(cache.path()).problems.is_empty());
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
    assert_eq!(open(cache.path()).clips().len(), 4 * 8 + 8);
    let report = verified(cache.path());
    assert_eq!((report.shards, report.features), (40, 40));
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[test]
fn recipes_stand_side_by_side_and_are_chosen_by_their_digits() {
    let cache = tempfile::tempdir().unwrap();
    let text = FeatureSpec { kind: FeatureKind::Text, ..spec("f16") };
    for (recipe, scale) in [(version(1), 1.0), (version(2), 2.0), (text.clone(), 3.0)] {
        let store = Store::open(cache.path(), &recipe).unwrap();
        write(&store, "a", &numbers(1, scale));
    }
    // Not features of ours.
    fs::create_dir(cache.path().join("video-12345678.bak")).unwrap();
    fs::create_dir(cache.path().join("smell-12345678")).unwrap();
    fs::write(cache.path().join("run.json"), "{}").unwrap();
    let names: Vec<String> = folders(cache.path()).unwrap().iter().map(affekt_cache::Folder::name).collect();
    let mut videos = [version(1).folder(), version(2).folder()];
    videos.sort();
    assert_eq!(names, [videos[0].clone(), videos[1].clone(), text.folder()]);

    assert_eq!(kind("text"), Some(FeatureKind::Text));
    let store = choose(cache.path(), FeatureKind::Text, None).unwrap();
    assert_eq!(store.spec(), &text);
    let error = choose(cache.path(), FeatureKind::Video, None).err().unwrap();
    let digest = version(2).digest();
    assert!(
        matches!(&error, Error::Ambiguous { .. }) && error.to_string().contains(digest.short()),
        "{error}"
    );
    let store = choose(cache.path(), FeatureKind::Video, Some(&digest.short()[..6])).unwrap();
    assert_eq!(store.feature(&id("a")).unwrap().to_f32(), numbers(1, 2.0));
    let error = choose(cache.path(), FeatureKind::Audio, None).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn features_that_would_spoil_a_shard_are_refused() {
    let cache = tempfile::tempdir().unwrap();
    let store = Store::open(cache.path(), &spec("f16")).unwrap();
    let mut writer = store.writer().unwrap();
    writer.add(id("a"), media(b"media"), &numbers(1, 1.0)).unwrap();
    let nan = [0.0, f32::NAN, 0.0, 0.0];
    let beyond_f16 = [1e6; WIDTH];
    let cases: [(&str, &[f32]); 5] =
        [("b", &nan), ("b", &beyond_f16), ("b", &[1.0; 3]), ("b", &[]), ("a", &[1.0; WIDTH])];
    for (name, numbers) in cases {
        let error = writer.add(id(name), media(b"media"), numbers).unwrap_err();
        assert!(error.to_string().contains(&format!("clip {name} ")), "{error}");
    }
    assert!(writer.add_failure(id("a"), Facts::default(), "decode", "twice").is_err());
    let mask = Facts { face_mask: Some(Mask(vec![true; 2])), ..Facts::default() };
    assert!(writer.add(id("b"), mask, &numbers(3, 1.0)).is_err());
    let score = Facts { score: Some(f64::NEG_INFINITY), ..Facts::default() };
    assert!(writer.add(id("b"), score, &numbers(1, 1.0)).is_err());
    writer.commit().unwrap();
    // What was refused has left nothing behind.
    assert_eq!(verified(cache.path()).features, 1);
    assert!(matches!(Store::open(cache.path(), &spec("f64")), Err(Error::UnknownNumber(_))));
}

#[test]
fn what_lies_in_the_place_of_a_folder_is_named() {
    let place = tempfile::tempdir().unwrap();
    let refused = |cache: &Path, named: &Path| {
        let error = Store::open(cache, &spec("f32")).err().expect("no folder");
        let told = format!("{} is no folder: a file, or a link to nothing, lies there", named.display());
        assert!(matches!(error, Error::NotFolder { .. }) && error.to_string() == told, "{error}");
    };
    let file = place.path().join("file");
    fs::write(&file, "x").unwrap();
    refused(&file, &file);
    refused(&file.join("below"), &file);
    let feature = place.path().join(spec("f32").folder());
    fs::write(&feature, "x").unwrap();
    refused(place.path(), &feature);
    #[cfg(unix)]
    {
        let link = place.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        refused(&link, &link);
    }
}

#[test]
fn coverage_tells_the_missing_from_the_failed() {
    let cache = tempfile::tempdir().unwrap();
    let store = open(cache.path());
    let mut writer = store.writer().unwrap();
    writer.add(id("done"), media(b"media"), &numbers(1, 1.0)).unwrap();
    writer.add_absent(id("absent"), media(b"media"), "no face").unwrap();
    writer.add_failure(id("failed"), media(b"media"), "faces", "x").unwrap();
    writer.commit().unwrap();
    let list = cache.path().join("list");
    fs::write(
        &list,
        "\u{feff}done\r\n\r\n{\"id\": \"absent\", \"media\": \"x.mp4\"}\r\nfailed\nnever\ndone\n",
    )
    .unwrap();
    let wanted = manifest::read(&list).unwrap();
    assert_eq!(wanted, ["done", "absent", "failed", "never"].map(id));
    let report = verify(&only(cache.path()), &wanted, &Silent).unwrap();
    assert_eq!((report.missing, report.failed), (vec![id("never")], vec![id("failed")]));

    let cases: [(&[u8], &str); 5] = [
        (b"a\n\xff\n", "line 2: it is not UTF-8"),
        (b"a\nb\n../c\n", "line 3"),
        (b"{\"name\": \"a\"}", "missing field `id`"),
        (b"{\"id\": 7}", "line 1"),
        (b"\n\n", "names no clip"),
    ];
    for (bytes, said) in cases {
        fs::write(&list, bytes).unwrap();
        let error = manifest::read(&list).unwrap_err();
        assert!(error.to_string().contains(said) && error.hint().is_some(), "{error}");
    }
}

#[test]
fn places_that_are_no_cache_say_so() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(folders(place.path()).unwrap().is_empty());
    assert!(matches!(folders(&place.path().join("absent")), Err(Error::NoCache { .. })));
    assert!(matches!(folders(&file), Err(Error::NotFolder { .. })));
    for cache in [file.clone(), file.join("below")] {
        let error = Store::open(&cache, &spec("f32")).err().unwrap();
        assert!(error.to_string().contains("file") && error.hint().is_some(), "{error}");
    }
    // A feature without a shard holds nothing, and is no fault.
    let store = open(place.path());
    assert!(store.clips().is_empty() && only(place.path()).store().unwrap().is_none());
    assert!(store.clip(&id("a")).is_none());
}
