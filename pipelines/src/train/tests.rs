//! The harness with a method that is none of the product's: a teacher, then a student against a critic.

mod harness;
mod standardised;
mod toy;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use affekt_cache::{Facts, Store};
use affekt_core::{ClipId, Digest, Event, FeatureKind, FeatureSpec, Reporter};
use affekt_report::training::{Made, Training};
use candle_core::Device;
use tempfile::TempDir;

use super::data::{Corpus, Source};
use super::{Config, Error, Plan, Request, train};
use toy::Toy;

const WIDTH: usize = 4;

/// A cache of one feature whose mean is the label, and a table of labels.
struct World {
    folder: TempDir,
}

impl World {
    fn new(clips: usize) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        let spec = FeatureSpec {
            kind: FeatureKind::Text,
            encoder: "test".into(),
            weights: Digest::of(b"weights"),
            layers: None,
            preprocessing: Vec::new(),
            width: WIDTH,
            dtype: "f32".into(),
            row: "token".into(),
        };
        let mut writer = Store::open(&world.cache(), &spec).unwrap().writer().unwrap();
        let mut table = String::from("id,label,split\n");
        for at in 0..clips {
            let label = (at * 37 % 61) as f32 / 10.0 - 3.0;
            let rows = 1 + at % 3;
            let numbers: Vec<f32> =
                (0..rows * WIDTH).map(|place| label + (place % WIDTH) as f32 - 1.5).collect();
            writer.add(ClipId::new(format!("clip_{at}")).unwrap(), Facts::default(), &numbers).unwrap();
            let split = ["train", "train", "train", "valid", "test"][at % 5];
            table += &format!("clip_{at},{label},{split}\n");
        }
        writer.commit().unwrap();
        fs::write(world.labels(), table).unwrap();
        world
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn labels(&self) -> PathBuf {
        self.folder.path().join("labels.csv")
    }

    fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A plan for the toy: the registry does not know it, the harness does not need that.
    fn plan(&self, toy: Toy, changes: &[&str]) -> Plan {
        let changes: Vec<String> = BASE.iter().chain(changes).map(|change| (*change).to_owned()).collect();
        let mut config = Config::read("paper", &changes).unwrap();
        config.settings = serde_json::json!({});
        let recipes = BTreeMap::new();
        let (cache, labels) = (self.cache(), self.labels());
        let source = Source { cache: &cache, recipes: &recipes, labels: &labels, split_column: None };
        let mut corpus = Corpus::open(&source, &[FeatureKind::Text], &config.rules()).unwrap();
        corpus.standardise(&config.data.standardise).unwrap();
        Plan { name: "toy".into(), config, corpus, recipe: Box::new(toy) }
    }
}

const BASE: [&str; 5] =
    ["training.epochs=4", "training.batch=6", "optimiser.lr=0.05", "schedule.warmup=0", "data.pool=2"];

/// Tells a run to stop at its batch number `at`, from 1, counted over all epochs; 0 for never.
struct Stopping<'s> {
    at: usize,
    steps: AtomicUsize,
    stop: &'s AtomicBool,
}

impl Reporter for Stopping<'_> {
    fn report(&self, event: &Event) {
        if matches!(event, Event::Step { .. }) && self.steps.fetch_add(1, Ordering::Relaxed) + 1 == self.at {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Trains, stopped at the batch number `at`.
fn stopped(plan: &Plan, out: &Path, at: usize) -> Result<Training, Error> {
    let stop = AtomicBool::new(false);
    let reporter = Stopping { at, steps: AtomicUsize::new(0), stop: &stop };
    train(&Request {
        plan,
        out,
        device: &Device::Cpu,
        started: "2026-01-01T00:00:00Z".into(),
        made: Made::default(),
        tensorboard: false,
        stop: &stop,
        peak_memory: &|| None,
        reporter: &reporter,
    })
}

fn trained(plan: &Plan, out: &Path) -> Result<Training, Error> {
    stopped(plan, out, 0)
}
