//! What a cache can do without, and what it never loses.
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod common;

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use affekt_cache::waste::{STALE, supersedes};
use affekt_cache::{Facts, Store, waste};
use affekt_core::{Digest, FeatureKind, FeatureSpec, LayerRule};
use common::{id, media, numbers, open, spec, verified, version, write};

fn steps(steps: &[&str]) -> FeatureSpec {
    FeatureSpec { preprocessing: steps.iter().map(|step| (*step).to_owned()).collect(), ..spec("f32") }
}

#[test]
fn only_later_versions_of_the_same_steps_supersede() {
    let old = steps(&["find-112-v1", "crop-v9"]);
    for newer in [&["find-112-v2", "crop-v9"], &["find-112-v1", "crop-v10"], &["find-112-v2", "crop-v10"]] {
        assert!(supersedes(&steps(newer), &old), "{newer:?}");
        assert!(!supersedes(&old, &steps(newer)), "{newer:?}");
    }
    let others: [&[&str]; 7] = [
        &["find-112-v1", "crop-v9"],
        &["find-112-v2", "crop-v8"],
        &["find-224-v2", "crop-v9"],
        &["find-112-v2"],
        &["crop-v10", "find-112-v2"],
        &["find-112-v2", "crop-v9", "more-v1"],
        &["find-112-vv", "crop-v9"],
    ];
    for other in others {
        assert!(!supersedes(&steps(other), &old), "{other:?}");
    }
    let newer = steps(&["find-112-v2", "crop-v9"]);
    for other in [
        FeatureSpec { weights: Digest::of(b"others"), ..newer.clone() },
        FeatureSpec { layers: Some(LayerRule::entry(-1)), ..newer.clone() },
        FeatureSpec { kind: FeatureKind::Text, ..newer.clone() },
        FeatureSpec { dtype: "f16".into(), ..newer.clone() },
        FeatureSpec { width: 8, ..newer.clone() },
    ] {
        assert!(!supersedes(&other, &old), "{other:?}");
    }
}

/// Names of the feature folders that may go.
fn superseded(cache: &Path) -> Vec<String> {
    let found = waste(cache, SystemTime::now()).unwrap();
    found.superseded.iter().map(|superseded| superseded.folder.name()).collect()
}

#[test]
fn a_superseded_recipe_goes_once_the_newer_one_has_all_of_its_clips() {
    let cache = tempfile::tempdir().unwrap();
    let store = |recipe| Store::open(cache.path(), &version(recipe)).unwrap();
    write(&store(1), "a", &numbers(1, 1.0));
    write(&store(1), "b", &numbers(1, 1.0));
    write(&store(2), "a", &numbers(1, 2.0));
    let found = waste(cache.path(), SystemTime::now()).unwrap();
    assert!(found.superseded.is_empty());
    assert!(found.kept[0].1.contains("lacks 1 of its clips"), "{:?}", found.kept);

    let newer = write(&store(2), "b", &numbers(1, 2.0));
    // A clip that failed by the old recipe need not be there by the new one.
    let mut writer = store(1).writer().unwrap();
    writer.add_failure(id("c"), Facts::default(), "decode", "cut off").unwrap();
    writer.commit().unwrap();
    assert_eq!(superseded(cache.path()), [version(1).folder()]);

    // A newer one that is damaged replaces nothing.
    let whole = fs::read(&newer).unwrap();
    let mut bytes = whole.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&newer, bytes).unwrap();
    let found = waste(cache.path(), SystemTime::now()).unwrap();
    assert!(found.superseded.is_empty() && found.kept[0].1.contains("damaged"), "{:?}", found.kept);
    fs::write(&newer, whole).unwrap();

    // Somebody's notes beside the shards stay.
    let notes = store(1).folder().join("notes.txt");
    fs::write(&notes, "mine").unwrap();
    let found = waste(cache.path(), SystemTime::now()).unwrap();
    assert_eq!((found.superseded[0].shards.len(), found.superseded[0].by.name()), (3, version(2).folder()));
    assert!(found.bytes() > 0);
    found.remove().unwrap();
    assert_eq!(fs::read_to_string(&notes).unwrap(), "mine");
    assert!(store(1).clips().is_empty() && store(2).clips().len() == 2);
    fs::remove_file(notes).unwrap();
    assert!(superseded(cache.path()).is_empty());
}

#[test]
fn of_three_versions_the_newest_stays() {
    let cache = tempfile::tempdir().unwrap();
    for recipe in [2, 3, 1] {
        write(&Store::open(cache.path(), &version(recipe)).unwrap(), "a", &numbers(1, 1.0));
    }
    let found = waste(cache.path(), SystemTime::now()).unwrap();
    assert_eq!(found.superseded.len(), 2);
    assert!(found.superseded.iter().all(|superseded| superseded.by.name() == version(3).folder()));
    found.remove().unwrap();
    assert_eq!(common::only(cache.path()).name(), version(3).folder());
}

#[test]
fn temporary_files_go_when_nobody_has_written_for_an_hour() {
    let cache = tempfile::tempdir().unwrap();
    let store = open(cache.path());
    let shard = write(&store, "a", &numbers(2, 1.0));
    let names = [".part-12-0.tmp", ".part-12-1.tmp", ".part-12.tmp", "part-12-0.tmp", ".part-x-0.tmp"];
    let paths = names.map(|name| store.folder().join(name));
    let now = SystemTime::now();
    for path in &paths {
        fs::write(path, "half a shard").unwrap();
        let age = STALE + Duration::from_secs(1);
        File::options().write(true).open(path).unwrap().set_modified(now - age).unwrap();
    }
    // A writer is at work, as far as anybody can tell; another one's clock is ahead.
    File::options().write(true).open(&paths[1]).unwrap().set_modified(now - STALE / 2).unwrap();
    let ahead = store.folder().join(".part-13-0.tmp");
    fs::write(&ahead, "x").unwrap();
    File::options().write(true).open(&ahead).unwrap().set_modified(now + STALE).unwrap();

    let found = waste(cache.path(), now).unwrap();
    assert_eq!(found.stale, [(paths[0].clone(), 12)]);
    assert_eq!(common::only(cache.path()).contents().unwrap().temporary.len(), 3);
    found.remove().unwrap();
    // Once more: what is gone is as good as removed.
    found.remove().unwrap();
    assert!(!paths[0].exists() && paths[1..].iter().all(|path| path.exists()));
    assert!(shard.exists() && ahead.exists() && verified(cache.path()).problems.is_empty());
    let again = waste(cache.path(), now + STALE).unwrap();
    assert_eq!(again.stale.len(), 1);
    let mut writer = store.writer().unwrap();
    writer.add(id("b"), media(b"media"), &numbers(1, 1.0)).unwrap();
    assert!(writer.commit().unwrap().is_some());
}

#[test]
fn records_that_were_never_finished_go_after_an_hour() {
    let cache = tempfile::tempdir().unwrap();
    let runs = cache.path().join("runs");
    fs::create_dir(&runs).unwrap();
    let now = SystemTime::now();
    let old = ["1-host-7.json.tmp", "1-host-7.json", "notes.tmp"].map(|name| runs.join(name));
    let fresh = runs.join("2-host-8.json.tmp");
    for path in old.iter().chain([&fresh]) {
        fs::write(path, "{").unwrap();
    }
    for path in &old {
        let time = now - STALE - Duration::from_secs(1);
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }
    let found = waste(cache.path(), now).unwrap();
    assert_eq!(found.stale, [(old[0].clone(), 1)]);
    found.remove().unwrap();
    assert!(!old[0].exists() && old[1..].iter().chain([&fresh]).all(|path| path.exists()));
}
