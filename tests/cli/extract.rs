//! `affekt extract`: a dataset to features in a cache, whatever happens on the way.

mod continued;
mod failures;
mod refused;
mod whole;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::command::{Ended, affekt};
use crate::guarded;
use crate::tree::Tree;

/// Words of the command that extracts `tree` into `cache`.
fn words<'a>(tree: &'a Tree, cache: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let (root, cache) = (tree.path().to_str().unwrap(), cache.to_str().unwrap());
    let mut words = vec!["extract", "--dataset", "mosei", "--root", root, "--cache", cache];
    words.extend(more);
    words
}

fn extract(tree: &Tree, cache: &Path, more: &[&str]) -> Ended {
    affekt(words(tree, cache, more))
}

/// The same, started only. stdout can be read.
fn start(tree: &Tree, cache: &Path, more: &[&str]) -> Child {
    let mut command = guarded::affekt();
    command.args(words(tree, cache, more));
    spawn(&mut command)
}

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Three recordings of four short clips each, of which two overlap and one has no words.
fn small_tree() -> Tree {
    let tree = Tree::new();
    for video in ["a", "b", "c"] {
        tree.video(
            video,
            &[
                "0___0.0___0.6___I really love this film",
                "1___0.4___1.2___The story is warm",
                "2___1.5___2.6___and funny",
                "3___4.0___4.5___",
            ],
        );
    }
    tree
}

/// A cache that is not there yet, in a folder that goes with it.
struct Cache {
    folder: TempDir,
}

impl Cache {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Every feature of every clip, bit for bit, by `FEATURE/ID`.
    fn tensors(&self) -> BTreeMap<String, Vec<u8>> {
        let npy = self.folder.path().join("npy");
        let args = ["cache", "export", "--cache"].map(PathBuf::from).into_iter();
        let ended = affekt(args.chain([self.path(), "--npy".into(), npy.clone()]));
        assert!(ended.code != 1, "{}", ended.stderr);
        let mut tensors = BTreeMap::new();
        for feature in fs::read_dir(npy).unwrap().flatten() {
            for file in fs::read_dir(feature.path()).unwrap().flatten() {
                let feature = feature.file_name().into_string().unwrap();
                let name = format!("{feature}/{}", file.file_name().into_string().unwrap());
                tensors.insert(name, fs::read(file.path()).unwrap());
            }
        }
        tensors
    }

    /// What `cache verify --json` says, with its exit code.
    fn verified(&self) -> (i32, Value) {
        let ended = affekt(["cache", "verify", "--json", "--cache", self.path().to_str().unwrap()]);
        (ended.code, ended.json())
    }

    /// The records of its runs.
    fn records(&self) -> Vec<Value> {
        let files = fs::read_dir(self.path().join("runs")).unwrap().flatten();
        files.map(|file| serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap()).collect()
    }
}

/// What `extract --json` says at the end.
fn end(ended: &Ended) -> Value {
    let last = ended.json_lines().pop().unwrap_or_else(|| panic!("nothing was printed: {}", ended.stderr));
    assert_eq!(last["event"], "ended", "{last}");
    last
}
