//! What tests of runs over many clips share: a small dataset, caches, runs that end before their time.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use affekt_cache::{Clip, Store, folders};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::{Ended, affekt};
use crate::guarded;
use crate::tree::Tree;

/// Words of the command that extracts `tree` into `cache`.
pub fn words<'a>(tree: &'a Tree, cache: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let (root, cache) = (tree.path().to_str().unwrap(), cache.to_str().unwrap());
    let mut words = vec!["extract", "--dataset", "mosei", "--root", root, "--cache", cache];
    words.extend(more);
    words
}

pub fn extract(tree: &Tree, cache: &Path, more: &[&str]) -> Ended {
    affekt(words(tree, cache, more))
}

/// The same, started only. stdout can be read.
pub fn start(tree: &Tree, cache: &Path, more: &[&str]) -> Child {
    let mut command = guarded::affekt();
    command.args(words(tree, cache, more));
    spawn(&mut command)
}

pub fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Reads events of `child` until so many clips are committed, each with `feature`. `false` when it has ended before.
pub fn until_committed(child: &mut Child, feature: &str, clips: u64) -> bool {
    let mut committed = 0;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(Ok(line)) = lines.next() {
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["event"] == "committed" && event["feature"] == feature {
            committed += event["clips"].as_u64().unwrap();
        }
        if committed >= clips {
            // Whoever writes on shall not die of a closed pipe.
            thread::spawn(move || lines.for_each(drop));
            return true;
        }
    }
    false
}

pub fn signal(child: u32, name: &str) {
    assert!(Command::new("kill").args([format!("-{name}"), child.to_string()]).status().unwrap().success());
}

/// Three recordings of four short clips each, of which two overlap and one has no words.
pub fn small_tree() -> Tree {
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
pub struct Cache {
    folder: TempDir,
}

impl Cache {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Another one with the same features.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        for folder in folders(&self.path()).unwrap() {
            let to = copy.path().join(folder.name());
            fs::create_dir_all(&to).unwrap();
            for file in fs::read_dir(&folder.path).unwrap().flatten() {
                fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        }
        copy
    }

    /// Every feature of every clip, bit for bit, by `FEATURE/ID`.
    pub fn tensors(&self) -> BTreeMap<String, Vec<u8>> {
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

    /// The folders of a feature that hold clips, each one recipe.
    pub fn stores(&self, feature: &str) -> Vec<Store> {
        let all = folders(&self.path()).unwrap();
        let of = all.iter().filter(|folder| folder.kind.name() == feature);
        of.filter_map(|folder| folder.store().unwrap()).collect()
    }

    /// What is known of a clip's feature, of which there is one recipe.
    pub fn row(&self, feature: &str, id: &str) -> Clip {
        self.rows(feature).remove(id).unwrap_or_else(|| panic!("{feature} has no row of {id}"))
    }

    /// The same of all clips. A row has the digest of its numbers.
    pub fn rows(&self, feature: &str) -> BTreeMap<String, Clip> {
        let [store] = &self.stores(feature)[..] else { panic!("one recipe of {feature}") };
        store.clips().into_iter().map(|clip| (clip.id.as_str().to_owned(), clip.clone())).collect()
    }

    /// What `cache verify --json` says, with its exit code.
    pub fn verified(&self) -> (i32, Value) {
        let ended = affekt(["cache", "verify", "--json", "--cache", self.path().to_str().unwrap()]);
        (ended.code, ended.json())
    }

    /// The records of its runs.
    pub fn records(&self) -> Vec<Value> {
        let files = fs::read_dir(self.path().join("runs")).unwrap().flatten();
        files.map(|file| serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap()).collect()
    }
}

/// What a run says with `--json` at the end.
pub fn end(ended: &Ended) -> Value {
    let last = ended.json_lines().pop().unwrap_or_else(|| panic!("nothing was printed: {}", ended.stderr));
    assert_eq!(last["event"], "ended", "{last}");
    last
}
