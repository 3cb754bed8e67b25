//! `affekt simulate`: cached speech to simulated text, anew.

mod agreement;
mod continued;
mod failures;
mod recipes;
mod refused;
mod same;

use std::path::Path;

use affekt_cache::{Clip, Facts, Status};
use affekt_core::ClipId;

use crate::batch::Cache;
use crate::bundles::drawn;
use crate::command::{Ended, affekt};
use crate::tree::Tree;

/// With the drawn bundle, unless another one is named: every clip then has a text, and takes its time.
fn by_drawn<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let models: &[&str] = if more.contains(&"--models") { &[] } else { &["--models", drawn()] };
    [models, more].concat()
}

/// Simulates text from what `cache` has.
fn simulate(cache: &Path, more: &[&str]) -> Ended {
    let words = ["simulate", "--cache", cache.to_str().unwrap()];
    affekt(words.iter().chain(&by_drawn(more)))
}

/// Extracts what the same bundle makes.
fn extract(tree: &Tree, cache: &Path, more: &[&str]) -> Ended {
    crate::batch::extract(tree, cache, &by_drawn(more))
}

/// The same of the clips of `tree`.
fn simulate_of(tree: &Tree, cache: &Path, more: &[&str]) -> Ended {
    let dataset = ["--dataset", "mosei", "--root", tree.path().to_str().unwrap()];
    simulate(cache, &[&dataset, more].concat())
}

/// A cache with the speech of `tree` and its words.
fn spoken(tree: &Tree) -> Cache {
    let cache = Cache::new();
    let ended = extract(tree, &cache.path(), &["--quiet", "--features", "speech,text"]);
    assert!(ended.code != 1, "{}", ended.stderr);
    cache
}

/// Puts `rows` rows of speech beside those of `cache`, as the clip `id`.
fn plant(cache: &Cache, id: &str, rows: usize) {
    let [store] = &cache.stores("speech")[..] else { panic!("one recipe of speech") };
    let mut writer = store.writer().unwrap();
    // Numbers as there are in speech, none like its neighbours.
    let numbers: Vec<f32> = (0..rows * store.spec().width).map(|at| (at as f32 * 0.37).sin()).collect();
    let facts = Facts { samples: Some(320 * rows + 80), ..Facts::default() };
    writer.add(ClipId::new(id).unwrap(), facts, &numbers).unwrap();
    writer.commit().unwrap();
}

/// Why there is no feature.
fn reason(clip: &Clip) -> &str {
    match &clip.status {
        Status::Absent { reason } | Status::Failed { reason, .. } => reason,
        Status::Done { .. } => panic!("{} is there", clip.id),
    }
}
