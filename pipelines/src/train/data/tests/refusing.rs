use std::fs;

use affekt_core::{ErrorKind, Explain, FeatureKind, FeatureSpec};

use super::super::{Error, Rules};
use super::{Has, KINDS, Place, audio, text};
use crate::dataset::Split;

/// Message and remedy of the error, which both must hold their part.
fn tells(error: &Error, message: &[&str], hint: &[&str]) {
    let (told, remedy) = (error.to_string(), error.hint().unwrap_or_default());
    assert!(message.iter().all(|part| told.contains(part)), "{told}");
    assert!(hint.iter().all(|part| remedy.contains(part)), "{remedy}");
}

#[test]
fn labels_off_the_scale_come_before_the_cache() {
    let place = Place::new();
    for (rows, parts) in [
        ("a_0,3.5,train\n", ["labels.csv", "line 2", "a_0", "3.5"]),
        ("a_0,1,train\nb_0,NaN,test\n", ["labels.csv", "line 3", "b_0", "NaN"]),
        ("a_0,1,train\nb_0,inf,test\n", ["labels.csv", "line 3", "b_0", "inf"]),
        ("a_0,1,train\nb_0,,test\n", ["labels.csv", "line 3", "b_0", "no label"]),
        ("a_0,1,train\na_0,2,test\n", ["labels.csv", "line 3", "a_0", "line 2"]),
        ("a_0,1,train\nb_0,2,training\n", ["labels.csv", "line 3", "b_0", "training"]),
    ] {
        place.label(&format!("id,label,split\n{rows}"));
        let error = place.refused();
        assert_eq!(error.kind(), ErrorKind::BadDataset);
        tells(&error, &parts, &[]);
    }
}

#[test]
fn a_cache_without_the_feature_says_what_makes_it() {
    let place = Place::usual();
    let error = place.open_with(&[FeatureKind::Simulated], &Rules::default(), &[], None).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let held = format!("it holds {}, ", audio().folder());
    tells(
        &error,
        &["no feature simulated", "cache", &held],
        &["affekt extract --features simulated --cache", "cache import", "no-llmg"],
    );
    let wrong = [(FeatureKind::Audio, "ffffffffffff")];
    let error = place.open_with(&KINDS, &Rules::default(), &wrong, None).err().unwrap();
    tells(&error, &["no feature audio-ffffffffffff"], &[]);
    let empty = Place::new();
    empty.label("id,label,split\na_0,1,train\n");
    assert!(matches!(empty.refused(), Error::Cache(affekt_cache::Error::NoCache { .. })));
    fs::create_dir(empty.cache()).unwrap();
    tells(&empty.refused(), &["no feature audio", "it holds none"], &["affekt extract"]);
}

#[test]
fn of_several_recipes_one_is_chosen() {
    let place = Place::usual();
    let other = FeatureSpec { encoder: "another".into(), ..audio() };
    place.shard(&other, &[("a_0", Has::Rows(1))]);
    let (here, there) = (audio().digest(), other.digest());
    let error = place.refused();
    tells(
        &error,
        &["audio", "several", "test", "another", here.short(), there.short()],
        &["--recipe audio="],
    );
    for digest in [here.as_str(), here.short(), &here.as_str()[..3]] {
        let corpus =
            place.open_with(&KINDS, &Rules::default(), &[(FeatureKind::Audio, digest)], None).unwrap();
        assert_eq!(corpus.specs()[0], audio());
    }
    let wrong = format!("{}{}", here.short(), &there.as_str()[8..]);
    assert!(place.open_with(&KINDS, &Rules::default(), &[(FeatureKind::Audio, &wrong)], None).is_err());
}

#[test]
fn clips_that_lack_a_feature_are_named() {
    let place = Place::usual();
    place.shard(&audio(), &[("e_0", Has::Failed)]);
    place.shard(&text(), &[("e_0", Has::Rows(1))]);
    let table = fs::read_to_string(place.labels()).unwrap();
    place.label(&(table + "e_0,1,train\nf_0,1,train\nf_1,1,valid\nf_2,1,test\nf_3,1,test\n"));
    let error = place.refused();
    assert_eq!(error.kind(), ErrorKind::BadDataset);
    let failed = "e_0 (audio failed in decode: no stream, video is not in the cache)";
    let told = ["5 clips", "labels.csv", failed, "f_1 (it is not in the cache) and 2 more"];
    tells(
        &error,
        &told,
        &["--retry-failed", "--features audio,text,video", "data.incomplete = \"leave-out\""],
    );
}

#[test]
fn a_table_of_another_dataset_is_refused() {
    let place = Place::usual();
    place.label("id,label,split\nz_0,1,train\nz_1,1,train\n");
    tells(&place.refused(), &["labels.csv", "cache", "z_0", "a_0"], &["by id, by video and clip"]);
}

#[test]
fn splits_must_be_told_and_have_clips() {
    let place = Place::usual();
    place.label("id,label,split_std,fold\na_0,1,train,valid\na_1,2,test,train\n");
    tells(&place.refused(), &["labels.csv", "no column split"], &["--split-column", "split_std, fold"]);
    let error = place.open_with(&KINDS, &Rules::default(), &[], Some("splits")).err().unwrap();
    tells(&error, &["splits", "split_std"], &[]);
    place.label("id,label\na_0,1\n");
    tells(&place.refused(), &["no column split"], &["train, valid or test"]);
    place.label("id,label,split\na_0,1,train\nb_0,1,train\nc_0,1,test\n");
    let corpus = place.open(&Rules::default()).unwrap();
    corpus.require(&[Split::Train, Split::Test]).unwrap();
    let error = corpus.require(&Split::ALL).unwrap_err();
    let told = ["labels.csv", "split valid", "column split", "2 clips in train, 1 clip in test"];
    tells(&error, &told, &["--split-column"]);
}

#[test]
fn one_clip_is_too_few_to_learn_from() {
    let place = Place::usual();
    place.label("id,label,split\na_0,1,train\nb_0,1,test\n");
    let corpus = place.open(&Rules::default()).unwrap();
    corpus.require(&[Split::Test]).unwrap();
    tells(&corpus.require(&[Split::Train]).unwrap_err(), &["one sample only", "a_0", "labels.csv"], &["two"]);
}
