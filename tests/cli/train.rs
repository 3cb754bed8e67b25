//! `affekt train`, `eval`, `ablate` and `report`, on a small cache that the library has filled.

mod ablate;
mod eval;
mod learn;
mod report;

use std::fs;
use std::path::PathBuf;

use affekt_cache::{Facts, Store};
use affekt_core::{ClipId, Digest, FeatureKind, FeatureSpec};
use tempfile::TempDir;

use crate::command::{Ended, affekt};

/// Weights as their authors hand them out, for features of these widths.
const RELEASED: &str = "pipelines/tests/golden/released.pt";
/// A network and a run that take a moment.
const SMALL: [&str; 6] =
    ["--set", "settings.dim=8", "--set", "training.epochs=2", "--set", "training.batch=16"];
/// What the fusion model takes.
const KINDS: [FeatureKind; 4] =
    [FeatureKind::Audio, FeatureKind::Video, FeatureKind::Text, FeatureKind::Simulated];

/// 40 clips whose features have to do with their labels, in a cache with a table of labels.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        KINDS.iter().for_each(|kind| world.fill(*kind, "weights"));
        let mut table = String::from("id,label,split,all\n");
        for at in 0..40 {
            let split = ["train", "train", "train", "valid", "test"][at % 5];
            table += &format!("clip_{at},{},{split},train\n", label(at));
        }
        fs::write(world.folder.path().join("labels.csv"), table).unwrap();
        world
    }

    /// Puts a feature into the cache, made by the weights that are called `weights`.
    fn fill(&self, kind: FeatureKind, weights: &str) {
        let width = width(kind);
        let spec = FeatureSpec {
            kind,
            encoder: "test".into(),
            weights: Digest::of(weights.as_bytes()),
            layers: None,
            preprocessing: Vec::new(),
            width,
            dtype: "f32".into(),
            row: "frame".into(),
        };
        let mut writer = Store::open(self.path("cache").as_ref(), &spec).unwrap().writer().unwrap();
        for at in 0..40 {
            let rows = 1 + at % 3;
            let numbers: Vec<f32> = (0..rows * width)
                .map(|place| label(at) * 0.3 + (place as f32 * 0.7 + at as f32).sin())
                .collect();
            writer.add(ClipId::new(format!("clip_{at}")).unwrap(), Facts::default(), &numbers).unwrap();
        }
        writer.commit().unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A file of this name with `text` in it.
    fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.folder.path().join(name), text).unwrap();
        self.path(name)
    }

    /// A command over the labelled clips; later flags count.
    fn run(&self, command: &str, more: &[&str]) -> Ended {
        let (cache, labels) = (self.path("cache"), self.path("labels.csv"));
        self.run_on(&cache, &labels, command, more)
    }

    fn run_on(&self, cache: &str, labels: &str, command: &str, more: &[&str]) -> Ended {
        let words = [command, "--cache", cache, "--labels", labels, "--device", "cpu"];
        affekt(words.iter().chain(more))
    }

    /// Trains into the folder `name`, and tells where that is.
    fn trained(&self, name: &str, more: &[&str]) -> String {
        let out = self.path(name);
        let ended = self.run("train", &[&["--out", &out, "--quiet"], &SMALL[..], more].concat());
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        out
    }
}

/// Numbers a row.
fn width(kind: FeatureKind) -> usize {
    match kind {
        FeatureKind::Audio | FeatureKind::Speech => 6,
        FeatureKind::Video => 7,
        FeatureKind::Text | FeatureKind::Simulated => 10,
    }
}

/// -3 to 3, among them 0.
fn label(at: usize) -> f32 {
    (at * 7 % 13) as f32 / 2.0 - 3.0
}

fn there(folder: &str, name: &str) -> bool {
    PathBuf::from(folder).join(name).is_file()
}
