//! What is saved comes back; what is no checkpoint, or not of these features, is refused by name.

use std::collections::HashMap;
use std::path::Path;

use affekt_core::{Digest, Explain, LayerRule};
use affekt_report::Metrics;
use affekt_weights::Bundle;
use candle_core::{DType, Device};
use serde_json::json;

use super::*;
use crate::recipe::{KINDS, Recipes, Words, specs};

/// The features of the tiny bundle.
pub fn tiny(change: impl FnOnce(&mut Recipes), store: &str) -> Vec<FeatureSpec> {
    let bundle = Bundle::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tiny")).unwrap();
    let mut recipes = Recipes::of(&bundle).unwrap();
    change(&mut recipes);
    specs(&bundle, &recipes, &KINDS, &recipes.video.faces[0], store).unwrap()
}

pub fn card(specs: Vec<FeatureSpec>) -> Card {
    let labels = [-3.0, 0.5, 2.0];
    let facts = SplitFacts {
        clips: 3,
        absent: BTreeMap::from([("video".to_owned(), 1)]),
        label_mean: -0.17,
        label_deviation: 2.5,
        label_least: -3.0,
        label_greatest: 2.0,
        digest: Digest::of(b"clips"),
    };
    Card {
        affekt: "0.1.0".into(),
        method: "sdumc".into(),
        name: "paper".into(),
        seed: 7,
        config: json!({"training": {"epochs": 3}}),
        settings: json!({"compat": "paper", "loss": {"rnc": 0.5}, "simulated": "features"}),
        specs,
        standards: BTreeMap::new(),
        labels: BTreeMap::from([("train".to_owned(), facts)]),
        chosen: Chosen { phase: "training".into(), epoch: 2, rule: "the last epoch".into(), value: None },
        results: vec![Outcome {
            split: "test".into(),
            flow: "complete".into(),
            metrics: Metrics::of(&[1.0, 1.0, 1.0], &labels).unwrap(),
        }],
        parameters: 6,
    }
}

fn values() -> BTreeMap<String, Tensor> {
    let ramp = Tensor::arange(0f32, 6.0, &Device::Cpu).unwrap().reshape((2, 3)).unwrap();
    let one = Tensor::full(0.1f32, 1, &Device::Cpu).unwrap();
    BTreeMap::from([("b.weight".to_owned(), ramp), ("a.bias".to_owned(), one)])
}

fn refused(path: &Path) -> String {
    open(path).unwrap_err().to_string()
}

#[test]
fn a_checkpoint_comes_back_whole_and_has_the_same_bytes_every_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let card = card(tiny(|_| (), "f16"));
    save(&path, &card, &values()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for named in [path.as_path(), folder.path()] {
        let saved = open(named).unwrap();
        assert_eq!((&saved.card, &saved.path), (&card, &path));
        assert_eq!(saved.values.len(), 2);
        for (name, value) in values() {
            let numbers = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(numbers(&saved.values[&name]), numbers(&value), "{name}");
            assert_eq!(saved.values[&name].dims(), value.dims());
        }
    }
    save(&path, &card, &values()).unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no partial file stays");
    let error = save(&folder.path().join("absent/a.safetensors"), &card, &values()).unwrap_err();
    assert!(error.to_string().contains("absent/a.safetensors"), "{error}");
}

#[test]
fn what_is_no_checkpoint_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    assert!(refused(folder.path()).contains(FILE));
    assert!(refused(&folder.path().join("nowhere")).contains("nowhere"));
    let path = folder.path().join("weights.safetensors");
    let tensors: HashMap<String, Tensor> = values().into_iter().collect();
    candle_core::safetensors::save(&tensors, &path).unwrap();
    let error = open(&path).unwrap_err();
    assert!(error.to_string().contains("weights.safetensors is a checkpoint without a card"), "{error}");
    assert!(error.hint().unwrap().contains("affekt train"));
    std::fs::write(&path, b"epoch 12").unwrap();
    assert!(refused(&path).contains("weights.safetensors"));
}

#[test]
fn damaged_and_later_checkpoints_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it.safetensors");
    let mut notes = notes::seal(&card(Vec::new()));
    let mut written = |change: &dyn Fn(&mut BTreeMap<String, String>)| {
        change(&mut notes);
        write_noted(&path, &values(), &notes).unwrap();
        refused(&path)
    };
    let error = written(&|notes| drop(notes.insert("format".into(), "2".into())));
    assert!(error.contains("form 2") && error.contains("up to form 1"), "{error}");
    let error = written(&|notes| drop(notes.remove("format")));
    assert!(error.contains("it.safetensors is damaged"), "{error}");
    let error = written(&|notes| {
        notes.insert("format".into(), "1".into());
        let cut = notes["card"].replace("\"seed\":7", "\"sead\":7");
        notes.insert("card".into(), cut);
    });
    assert!(error.contains("is damaged") && error.contains("sead"), "{error}");

    save(&path, &card(Vec::new()), &values()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 5, 8, 9, 100, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(refused(&path).contains("it.safetensors"), "{length}");
    }
}

#[test]
fn a_checkpoint_of_another_method_names_both() {
    let error = expect_method(Path::new("run/it"), &card(Vec::new()), "hrlf").unwrap_err();
    assert_eq!(error.to_string(), "run/it is a checkpoint of method sdumc, wanted is one of method hrlf");
    assert!(expect_method(Path::new("run/it"), &card(Vec::new()), "sdumc").is_ok());
}

/// Every difference as it is told.
fn told(card: &[FeatureSpec], here: &[FeatureSpec], how: Strictness) -> Vec<String> {
    match same_recipes(card, here, how) {
        Ok(()) => Vec::new(),
        Err(Error::Recipes { differences, .. }) => differences.iter().map(ToString::to_string).collect(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_part_of_a_recipe_that_differs_is_told() {
    let trained = tiny(|_| (), "f32");
    assert!(told(&trained, &trained, Strictness::Stored).is_empty());
    let mut here = trained.clone();
    here[0].layers = Some(LayerRule::sum(-4, -1));
    here[0].preprocessing[1] = "normalize-none-v1".into();
    here[2].weights = Digest::of(b"other");
    here[2].preprocessing.swap(0, 1);
    here[3].width += 1;
    here[3].dtype = "f16".into();
    here.pop();
    let told = told(&trained, &here, Strictness::Stored);
    let (ours, theirs) = (&trained[2], &here[2]);
    assert_eq!(
        told,
        [
            "audio, layers: -5 in training, -4..-1 here".to_owned(),
            "audio, preprocessing: normalize-hf-v1 in training only".into(),
            "audio, preprocessing: normalize-none-v1 here only".into(),
            format!("video, weights (SHA-256): {} in training, {} here", ours.weights, theirs.weights),
            format!(
                "video, preprocessing: {} in training, {} here",
                ours.preprocessing.join(", then "),
                theirs.preprocessing.join(", then ")
            ),
            format!("text, width: {} in training, {} here", trained[3].width, here[3].width),
            "text, dtype: f32 in training, f16 here".into(),
            format!("simulated: a feature of llama ({}) in training only", trained[4].folder()),
        ]
    );
    let error = same_recipes(&trained, &here, Strictness::Stored).unwrap_err().of(Path::new("run/it"));
    assert!(error.to_string().contains("those that run/it was trained on:\n  audio, layers"), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn features_that_nothing_takes_do_not_matter() {
    let here = tiny(|_| (), "f32");
    let few: Vec<FeatureSpec> = here.iter().filter(|spec| spec.kind == FeatureKind::Video).cloned().collect();
    assert!(told(&few, &here, Strictness::Stored).is_empty());
    let one = card(few);
    assert!(one.takes(FeatureKind::Video) && !one.takes(FeatureKind::Simulated));
}

#[test]
fn how_numbers_are_kept_counts_only_for_kept_features() {
    let (kept, made) = (tiny(|_| (), "f16"), tiny(|_| (), "f32"));
    assert!(told(&kept, &made, Strictness::Made).is_empty());
    assert!(told(&made, &kept, Strictness::Made).is_empty());
    let stored = told(&kept, &made, Strictness::Stored);
    assert!(stored.contains(&"audio, dtype: f16 in training, f32 here".to_owned()), "{stored:?}");
    assert!(stored.iter().any(|told| told.contains("speech kept as f16 in training only")), "{stored:?}");
}

#[test]
fn whose_words_they_are_is_a_caution_for_features_that_are_made() {
    let of = |words: Words, language: Option<&str>| {
        let language = language.map(str::to_owned);
        tiny(|recipes| (recipes.text.words, recipes.text.language) = (words, language), "f32")
    };
    let all = [
        of(Words::Given, None),
        of(Words::Recognised, None),
        of(Words::Filled, None),
        of(Words::Recognised, Some("en")),
    ];
    for (at, trained) in all.iter().enumerate() {
        for (other, here) in all.iter().enumerate() {
            assert!(told(trained, here, Strictness::Made).is_empty(), "{at} {other}");
            assert_eq!(told(trained, here, Strictness::Stored).is_empty(), at == other, "{at} {other}");
            assert_eq!(other_words(trained, here).is_none(), at == other, "{at} {other}");
        }
    }
    assert!(other_words(&all[0], &all[1]).unwrap().contains("these are recognised"));
    assert!(other_words(&all[1], &all[0]).unwrap().contains("these are given"));
    // Other steps of the text count.
    let mut here = all[1].clone();
    here[3].preprocessing[0] = "bos-v2".into();
    assert_eq!(told(&all[0], &here, Strictness::Made).len(), 2);
    assert_eq!(values()["a.bias"].dtype(), DType::F32);
}
