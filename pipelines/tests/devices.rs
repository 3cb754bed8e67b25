//! A dataset extracted on several devices at once, though all are the CPU: the cache is that of one.
#![cfg(all(target_os = "linux", feature = "media"))]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::{fs, io};

use affekt_cache::Store;
use affekt_core::{FeatureKind, Silent, Stage};
use affekt_generate::Budget;
use affekt_pipelines::batch::{End, Outcome};
use affekt_pipelines::cut::Detector;
use affekt_pipelines::dataset::{Manifest, Source};
use affekt_pipelines::extract::{Means, Plan, Settings, run};
use affekt_pipelines::isolate::{self, Program, Work, serve};
use affekt_pipelines::networks::Encoders;
use affekt_pipelines::recipe::{Recipes, Words, specs};
use affekt_testkit::clips::Clip;
use affekt_weights::Bundle;
use candle_core::Device;

/// Tells this program that it is a worker: it answers on this pipe, since the test harness writes to stdout.
const PIPE: &str = "AFFEKT_TEST_WORKER_PIPE";

/// This program again, as a worker.
fn program() -> Program {
    let harness = std::env::current_exe().unwrap();
    let start = format!("{PIPE}=/dev/fd/3 exec \"$0\" worker --exact --nocapture 3>&1 >/dev/null");
    let arguments = ["-c".into(), start.into(), harness.into()];
    Program { path: "/bin/sh".into(), arguments: arguments.into() }
}

/// Run by the pools of the other test.
#[test]
fn worker() {
    let Some(pipe) = std::env::var_os(PIPE) else { return };
    let pipe = OpenOptions::new().write(true).open(&pipe).unwrap();
    let mut work = Work::default();
    serve(io::stdin(), pipe, |request, speaker| work.answer(request, speaker)).unwrap();
}

const FEATURES: [FeatureKind; 4] =
    [FeatureKind::Audio, FeatureKind::Speech, FeatureKind::Text, FeatureKind::Simulated];

/// Stages whose batches a device takes down, in the order in which it opens them.
const STAGES: [Stage; 3] = [Stage::Simulate, Stage::Audio, Stage::Text];

/// Eight clips of two recordings, with words.
fn manifest(folder: &Path) -> Manifest {
    let mut rows = String::new();
    for recording in ["a", "b"] {
        Clip::new(6.0).write(folder, &format!("{recording}.mp4"));
        for clip in 0..4 {
            let (start, end) = (1.2 * f64::from(clip), 1.2 * f64::from(clip) + 0.4 + 0.2 * f64::from(clip));
            rows += &format!(
                "{{\"id\": \"{recording}_{clip}\", \"media\": \"{recording}.mp4\", \"start\": {start}, \"end\": {end}, \
                 \"text\": \"words number {clip} of {recording}\"}}\n"
            );
        }
    }
    let file = folder.join("clips.jsonl");
    fs::write(&file, rows).unwrap();
    let source = Source { dataset: file.to_str().unwrap(), root: None, labels: None };
    Manifest::read(&source).unwrap().sound().unwrap()
}

fn extract(plan: &Plan, encoders: &[Encoders]) -> Outcome {
    let settings = Settings {
        isolation: isolate::Settings { workers: 2, ..isolate::Settings::default() },
        batch: None,
        decoder: affekt_media::Decoder::Cpu,
        generation: Budget { clips: 2, ..Budget::default() }.into(),
        commit_every: 3,
        max_failures: None,
    };
    let means = Means { encoders, detector: &Detector::RustFace, program: program() };
    run(plan, &means, &settings, &AtomicBool::new(false), &Silent).unwrap()
}

#[test]
fn the_cache_of_two_devices_is_that_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest(folder.path());
    let bundle = Bundle::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tiny")).unwrap();
    let mut recipes = Recipes::of(&bundle).unwrap();
    recipes.simulated.max_new_tokens = 12;
    recipes.simulated.beams = 2;
    let specs = specs(&bundle, &recipes, &FEATURES, &[], "f32").unwrap();
    let devices = [Device::Cpu, Device::Cpu];
    let encoders = Encoders::load_all(&bundle, &recipes, &FEATURES, &devices).unwrap();
    let caches = [folder.path().join("one"), folder.path().join("two")];
    for (cache, count) in caches.iter().zip([1, 2]) {
        let plan = Plan::new(&manifest, cache, &specs, Words::Given, false).unwrap();
        let outcome = extract(&plan, &encoders[..count]);
        assert!(matches!(outcome.end, End::Finished) && outcome.failed.is_empty(), "{outcome:?}");
        assert_eq!((outcome.counts.committed, outcome.devices.len()), (8, count));
        for device in &outcome.devices {
            let stages: Vec<Stage> = device.batches.iter().map(|batches| batches.stage).collect();
            assert_eq!((device.name.as_str(), stages.as_slice()), ("cpu", &STAGES[..]));
        }
        let busy: f64 = outcome.devices.iter().map(|device| device.busy.0).sum();
        assert!(busy > 0.0 && busy <= count as f64 * outcome.elapsed.0, "{:?}", outcome.devices);
        assert_eq!(outcome.effort.padding.unwrap().waste(), 0.0);
        // A run that goes on finds nothing to do.
        let plan = Plan::new(&manifest, cache, &specs, Words::Given, false).unwrap();
        assert_eq!(plan.tasks().count(), 0);
    }
    for spec in &specs {
        let [one, two] = caches.each_ref().map(|cache| Store::open(cache, spec).unwrap());
        assert_eq!(one.clips().len(), 8);
        for clip in one.clips() {
            let other = two.clip(&clip.id).unwrap();
            assert_eq!((&clip.status, &clip.facts), (&other.status, &other.facts), "{}", clip.id);
            if clip.is_done() {
                let bytes = |store: &Store| store.feature(&clip.id).unwrap().bytes.to_vec();
                assert!(bytes(&one) == bytes(&two), "{} of {}", spec.folder(), clip.id);
            }
        }
    }
}
