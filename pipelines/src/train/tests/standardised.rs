//! The numbers by which a run standardises its features hold for whatever is judged by its parameters.

use affekt_core::Explain;
use affekt_sdumc::{Flow, Sequence, Sequences};
use candle_core::Tensor;

use super::*;
use crate::dataset::Split;
use crate::networks::fusion::{Lineage, Reading, fusion};
use crate::train::checkpoint::{self, Card};
use crate::train::data::Standard;
use crate::train::eval::{self, eval};
use crate::train::folder::CHECKPOINT;

const KINDS: [FeatureKind; 4] =
    [FeatureKind::Audio, FeatureKind::Text, FeatureKind::Video, FeatureKind::Simulated];
const CLIPS: usize = 30;

fn rows(at: usize) -> usize {
    1 + at % 3
}

/// What SDUMC takes, in columns far from 0 and of unlike widths: one that is raw is a hundred times another.
fn numbers(kind: FeatureKind, at: usize) -> Vec<f32> {
    let number = |place: usize| {
        let (row, column) = (place / WIDTH, place % WIDTH);
        let wave = ((at * 7 + row * 3 + column) as f32 * 0.9 + kind as usize as f32).sin();
        100.0 * column as f32 + 10f32.powi(column as i32 - 2) * wave
    };
    (0..rows(at) * WIDTH).map(number).collect()
}

/// A world with four features, whose table says in column `later` that all clips are to be tested.
fn world() -> World {
    let world = World { folder: tempfile::tempdir().unwrap() };
    for kind in KINDS {
        let spec = FeatureSpec {
            kind,
            encoder: "test".into(),
            weights: Digest::of(b"weights"),
            layers: None,
            preprocessing: Vec::new(),
            width: WIDTH,
            dtype: "f32".into(),
            row: "frame".into(),
        };
        let mut writer = Store::open(&world.cache(), &spec).unwrap().writer().unwrap();
        for at in 0..CLIPS {
            let id = ClipId::new(format!("clip_{at:02}")).unwrap();
            writer.add(id, Facts::default(), &numbers(kind, at)).unwrap();
        }
        writer.commit().unwrap();
    }
    let mut table = String::from("id,label,split,later\n");
    for at in 0..CLIPS {
        let split = ["train", "train", "train", "valid", "test"][at % 5];
        table += &format!("clip_{at:02},{},{split},test\n", (at % 13) as f32 / 2.0 - 3.0);
    }
    fs::write(world.labels(), table).unwrap();
    world
}

fn source<'a>(
    place: &'a (PathBuf, PathBuf),
    recipes: &'a BTreeMap<FeatureKind, String>,
    split_column: Option<&'a str>,
) -> Source<'a> {
    Source { cache: &place.0, recipes, labels: &place.1, split_column }
}

/// A plan for SDUMC itself.
fn plan(world: &World, standardise: &str) -> Result<Plan, Error> {
    let changes = [BASE[0], BASE[1], "settings.dim=8", standardise].map(str::to_owned);
    let config = Config::read("paper", &changes).unwrap();
    let place = (world.cache(), world.labels());
    Plan::new("it".into(), config, &source(&place, &BTreeMap::new(), Some("split")))
}

const ALL: &str = "data.standardise=[\"audio\", \"text\", \"video\", \"simulated\"]";

fn evaluated(world: &World, run: &Path, split_column: &str) -> eval::Evaluation {
    let (place, recipes) = ((world.cache(), world.labels()), BTreeMap::new());
    eval(&eval::Request {
        weights: run,
        reading: &Reading::default(),
        source: &source(&place, &recipes, Some(split_column)),
        splits: &[Split::Test],
        incomplete: None,
        device: &Device::Cpu,
        started: "2026-01-01T00:00:00Z".into(),
        peak_memory: &|| None,
    })
    .unwrap()
}

fn card(run: &Path) -> Card {
    checkpoint::open(run).unwrap().card
}

/// What predict says of clip `at`, from its features as an encoder hands them out: without text last.
fn predicted(run: &Path, at: usize) -> [f64; 2] {
    let found = fusion(run, &Reading::default()).unwrap();
    let (network, lineage) = (found.network(&Device::Cpu).unwrap(), Lineage::of_file(&found));
    let sequence = |kind| {
        let rows = Tensor::from_vec(numbers(kind, at), (rows(at), WIDTH), &Device::Cpu).unwrap();
        Sequence::new(lineage.standardised(kind, &rows).unwrap().unsqueeze(0).unwrap()).unwrap()
    };
    [(FeatureKind::Text, Flow::Complete), (FeatureKind::Simulated, Flow::TextMissing)].map(|(text, flow)| {
        let (audio, video) = (sequence(FeatureKind::Audio), sequence(FeatureKind::Video));
        let output = network.forward(&Sequences { audio, text: sequence(text), video }, flow).unwrap();
        f64::from(output.valence.to_vec1::<f32>().unwrap()[0])
    })
}

#[test]
fn eval_and_predict_take_them_from_the_checkpoint() {
    let world = world();
    let (plan, out) = (plan(&world, ALL).unwrap(), world.out("run"));
    let training = trained(&plan, &out).unwrap();
    let card = card(&out);
    assert_eq!(card.standards.keys().collect::<std::collections::BTreeSet<_>>().len(), 4);
    assert_eq!(&card.standards, plan.corpus.standards(), "to the last digit");
    assert_eq!(training.config["data"]["standardise"][0], "audio");

    let same = evaluated(&world, &out, "split");
    let test: Vec<_> = training.results.iter().filter(|outcome| outcome.split == "test").cloned().collect();
    assert_eq!(same.training.results, test);
    // Other clips around them, none of them to learn from, change nothing but the padding.
    let later = evaluated(&world, &out, "later");
    assert_eq!(later.evidence[0].clips.len(), CLIPS);
    for clip in &same.evidence[0].clips {
        let again = later.evidence[0].clips.iter().find(|other| other.clip == clip.clip).unwrap();
        let at: usize = clip.clip["clip_".len()..].parse().unwrap();
        let predicted = predicted(&out, at);
        for (flow, wanted) in clip.valence.iter().enumerate() {
            assert!((again.valence[flow] - wanted).abs() < 1e-5, "{clip:?} {again:?}");
            assert!((predicted[flow] - wanted).abs() < 1e-5, "{clip:?} {predicted:?}");
        }
    }
}

#[test]
fn a_run_that_is_continued_learns_from_the_same_numbers() {
    let world = World::new(60);
    let of = |changes: &[&str]| world.plan(Toy::default(), changes);
    let (raw, plan) = (of(&[]), of(&["data.standardise=[\"text\"]"]));
    trained(&plan, &world.out("whole")).unwrap();
    stopped(&plan, &world.out("again"), 8).unwrap_err();
    let error = trained(&raw, &world.out("again")).unwrap_err().to_string();
    assert!(error.contains("another run"), "{error}");
    // As another process would: everything is found anew.
    trained(&of(&["data.standardise=[\"text\"]"]), &world.out("again")).unwrap();
    trained(&raw, &world.out("raw")).unwrap();
    let bytes = |name: &str| fs::read(world.out(name).join(CHECKPOINT)).unwrap();
    assert_eq!(bytes("whole"), bytes("again"));
    assert_ne!(bytes("whole"), bytes("raw"));
    assert!(card(&world.out("raw")).standards.is_empty());
}

#[test]
fn features_that_the_method_does_not_take_are_refused_by_name() {
    let world = world();
    let error = plan(&world, "data.standardise=[\"audio\", \"speech\"]").err().unwrap();
    let told = error.to_string();
    assert_eq!(error.kind(), affekt_core::ErrorKind::BadConfig);
    assert!(told.contains("it cannot be: data.standardise names speech, but the method takes"), "{told}");
    assert!(plan(&world, "data.standardise=[]").unwrap().corpus.standards().is_empty());
}

#[test]
fn a_card_whose_standards_are_for_something_else_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(CHECKPOINT);
    let specs = checkpoint::tests::tiny(|_| (), "f32");
    let width = specs.iter().find(|spec| spec.kind == FeatureKind::Audio).unwrap().width;
    let mut card = checkpoint::tests::card(specs);
    let mut read = |kind, width, deviation| {
        let standard = Standard { mean: vec![0.1; width], deviation: vec![deviation; width] };
        card.standards = BTreeMap::from([(kind, standard)]);
        checkpoint::save(&path, &card, &BTreeMap::new()).unwrap();
        checkpoint::card(&path).map(|read| assert_eq!(read.unwrap(), card))
    };
    read(FeatureKind::Audio, width, 0.3).unwrap();
    for error in [
        read(FeatureKind::Audio, width + 1, 0.3).unwrap_err(),
        read(FeatureKind::Audio, width, 0.0).unwrap_err(),
    ] {
        assert!(error.to_string().contains("the standards of audio are not for"), "{error}");
    }
}
