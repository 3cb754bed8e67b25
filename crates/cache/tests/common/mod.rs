//! What several tests share.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};

use affekt_cache::{Facts, Folder, Report, Store, folders, verify};
use affekt_core::{ClipId, Digest, FeatureKind, FeatureSpec, Silent};

pub const WIDTH: usize = 4;

pub fn spec(dtype: &str) -> FeatureSpec {
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

/// A recipe whose crop has this version.
pub fn version(version: u32) -> FeatureSpec {
    FeatureSpec { preprocessing: vec![format!("crop-v{version}")], ..spec("f32") }
}

pub fn id(name: &str) -> ClipId {
    ClipId::new(name).unwrap()
}

pub fn media(bytes: &[u8]) -> Facts {
    Facts { media: Some(Digest::of(bytes)), ..Facts::default() }
}

pub fn numbers(rows: usize, scale: f32) -> Vec<f32> {
    (0..rows * WIDTH).map(|index| index as f32 * scale).collect()
}

/// Writes one shard with the clip `name` and gives its path.
pub fn write(store: &Store, name: &str, numbers: &[f32]) -> PathBuf {
    let mut writer = store.writer().unwrap();
    writer.add(id(name), media(b"media"), numbers).unwrap();
    writer.commit().unwrap().unwrap()
}

pub fn open(cache: &Path) -> Store {
    Store::open(cache, &spec("f32")).unwrap()
}

/// The folder of the only feature in `cache`.
pub fn only(cache: &Path) -> Folder {
    let mut found = folders(cache).unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// What verification says of the only feature in `cache`.
pub fn verified(cache: &Path) -> Report {
    verify(&only(cache), &[], &Silent).unwrap()
}

pub fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).position(|window| window == wanted).expect("it is there")
}
