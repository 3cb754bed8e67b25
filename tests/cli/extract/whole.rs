//! A run from its start to its end.

use serde_json::Value;

use crate::batch::{Cache, end, extract, small_tree};
use crate::command::affekt;

#[test]
fn every_clip_gets_every_feature_or_the_reason_why_not() {
    let (tree, cache) = (small_tree(), Cache::new());
    let ended = extract(&tree, &cache.path(), &["--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let told = end(&ended);
    assert_eq!((&told["clips"]["total"], &told["clips"]["failed"]), (&12.into(), &0.into()));
    assert_eq!(told["ended_by"], "finished");
    for feature in ["audio", "speech", "video", "simulated"] {
        let counts = &told["counts"][feature];
        let through = counts["done"].as_u64().unwrap() + counts["absent"].as_u64().unwrap();
        assert_eq!((through, &counts["failed"]), (12, &0.into()), "{feature}: {counts}");
    }
    let text = &told["counts"]["text"];
    assert_eq!((&text["done"], &text["absent"]), (&9.into(), &3.into()), "no words, no zeros");
    assert!(told["padding_waste"].as_f64().unwrap() < 0.15);
    assert!(told["specs"].as_array().unwrap().len() == 5);
    assert!(told["bundle"]["files"]["wavlm"].is_string());
    assert!(told["stages"]["decode"]["busy_s"].as_f64().unwrap() > 0.0);
    let [device] = told["devices"].as_array().unwrap().as_slice() else { panic!("{}", told["devices"]) };
    assert_eq!(
        (device["name"].as_str(), &told["device"], &told["tf32"]),
        (Some("cpu"), &"cpu".into(), &false.into())
    );
    let share = |name: &str| device[name].as_f64().unwrap();
    assert!(share("busy") > 0.0 && share("busy") + share("waited") <= 1.001, "{device}");
    assert_eq!(device["batches"].as_array().unwrap().len(), 4, "of voices, faces, words and texts");

    // A row a frame, 25 a second, each with a face; a row of speech every 20 ms.
    let tensors = cache.tensors();
    let shape = |name: &str| shape(&tensors[name]);
    assert_eq!(shape("video/a_2.npy")[0], 27);
    assert_eq!(shape("audio/a_2.npy")[0], 54);
    assert_eq!(shape("audio/a_2.npy"), shape("speech/a_2.npy"));
    assert!(!tensors.contains_key("text/a_3.npy"));
    assert_eq!(tensors["audio/a_1.npy"], tensors["audio/b_1.npy"], "the same clip of equal recordings");
    let (code, verified) = cache.verified();
    assert_eq!(code, 0, "{verified}");
    let [record] = &cache.records()[..] else { panic!("one run, one record") };
    assert_eq!(record["ended_by"], "finished");
    assert_eq!(record["counts"], told["counts"]);
}

/// Of the header that `numpy.save` writes.
fn shape(npy: &[u8]) -> Vec<usize> {
    let header = String::from_utf8_lossy(&npy[10..200]).into_owned();
    let shape = header.split("'shape': (").nth(1).unwrap().split(')').next().unwrap();
    shape.split(',').filter_map(|number| number.trim().parse().ok()).collect()
}

#[test]
fn a_second_run_has_nothing_to_do_and_loads_nothing() {
    let (tree, cache) = (small_tree(), Cache::new());
    let flags = ["--json", "--features", "audio,text"];
    assert_eq!(extract(&tree, &cache.path(), &flags).code, 0);
    let before = cache.tensors();
    let again = extract(&tree, &cache.path(), &flags);
    assert_eq!(again.code, 0, "{}", again.stderr);
    let told = end(&again);
    assert_eq!(again.json_lines().len(), 1, "nothing happened: {}", again.stdout);
    assert_eq!((&told["clips"]["total"], &told["counts"]["audio"]["skipped"]), (&0.into(), &12.into()));
    // Another feature: what is there stays as it is.
    let more = extract(&tree, &cache.path(), &["--json", "--features", "audio,text,video"]);
    assert_eq!((more.code, &end(&more)["counts"]["audio"]["skipped"]), (0, &12.into()));
    let after = cache.tensors();
    assert!(before.iter().all(|(name, bytes)| after[name] == *bytes));
    assert!(after.contains_key("video/a_0.npy"));
}

#[test]
fn features_are_those_of_predict() {
    let (tree, cache) = (small_tree(), Cache::new());
    assert_eq!(extract(&tree, &cache.path(), &["--features", "simulated"]).code, 0);
    let ended = affekt(["cache", "ls", "--json", "--cache", cache.path().to_str().unwrap()]);
    let features: Vec<Value> = ended.json()["features"].as_array().unwrap().clone();
    let kinds: Vec<&str> = features.iter().filter_map(|feature| feature["feature"].as_str()).collect();
    assert_eq!(kinds, ["speech", "simulated"], "simulated brings speech with it: {}", ended.stdout);
    let sample = tree.media("a");
    let args = ["predict", "--json", "--start", "1.5", "--end", "2.6", sample.to_str().unwrap()];
    let told = affekt(args).json();
    let rows = affekt_cache::folders(&cache.path()).unwrap();
    let simulated = rows.iter().find(|folder| folder.name().starts_with("simulated")).unwrap();
    let id = affekt_core::ClipId::new("a_2").unwrap();
    let store = simulated.store().unwrap().unwrap();
    let clip = store.clip(&id).unwrap();
    assert_eq!(told["simulated"]["hypothesis"].as_str(), clip.facts.hypothesis.as_deref());
    assert_eq!(told["simulated"]["score"].as_f64(), clip.facts.score);
    assert_eq!(clip.facts.span, Some(affekt_core::Span::new(Some(1.5), Some(2.6)).unwrap()));
    assert!(clip.facts.media.is_some());
}

#[test]
fn half_precision_is_another_recipe() {
    let (tree, cache) = (small_tree(), Cache::new());
    for store in ["f16", "bf16", "f32"] {
        let ended = extract(&tree, &cache.path(), &["--json", "--features", "audio", "--store", store]);
        assert_eq!((ended.code, &end(&ended)["counts"]["audio"]["done"]), (0, &12.into()), "{store}");
        assert_eq!(end(&ended)["specs"][0]["spec"]["dtype"], store);
    }
    let folders = affekt_cache::folders(&cache.path()).unwrap();
    assert_eq!(folders.len(), 3);
}

#[test]
fn labels_choose_the_clips() {
    let (tree, cache) = (small_tree(), Cache::new());
    let labels = tree.labels("id,label,split\na_0,1.0,train\nb_2,-2,test\n");
    let flags = ["--json", "--features", "text", "--labels", &labels];
    let ended = extract(&tree, &cache.path(), &flags);
    assert_eq!((ended.code, &end(&ended)["counts"]["text"]["done"]), (0, &2.into()), "{}", ended.stderr);
    assert!(ended.stderr.contains("10 of 12 clips have no label"), "{}", ended.stderr);
}

#[test]
fn batches_of_similar_length_give_what_single_clips_give() {
    let (tree, one, many) = (small_tree(), Cache::new(), Cache::new());
    assert_eq!(extract(&tree, &one.path(), &["--features", "audio"]).code, 0);
    let ended = extract(&tree, &many.path(), &["--json", "--features", "audio", "--batch", "4"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let waste = end(&ended)["padding_waste"].as_f64().unwrap();
    assert!((0.0..0.15).contains(&waste), "{waste}");
    let (one, many) = (one.tensors(), many.tensors());
    assert_eq!(one.len(), 12);
    for (name, alone) in one {
        let together = &many[&name];
        assert_eq!(shape(&alone), shape(together), "{name}");
        let numbers = |npy: &[u8]| -> Vec<f32> {
            npy[128..].chunks_exact(4).map(|number| f32::from_le_bytes(number.try_into().unwrap())).collect()
        };
        let (alone, together) = (numbers(&alone), numbers(together));
        let largest = alone.iter().fold(0.0_f32, |largest, number| largest.max(number.abs()));
        let off = alone.iter().zip(&together).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off <= 1e-5 * largest, "{name}: {off} of {largest}");
    }
}
