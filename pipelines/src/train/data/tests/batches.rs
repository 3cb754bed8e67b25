use std::collections::{BTreeMap, HashSet};
use std::fs;

use affekt_core::{ErrorKind, Explain, FeatureKind};
use affekt_train::Key;
use candle_core::{DType, Device};

use super::super::{Batching, Error, Rules, Sample};
use super::{Has, KINDS, Place, audio, name, numbers, text, video};
use crate::dataset::Split;

fn samples(lengths: &[usize]) -> Vec<Sample> {
    let sample = |(at, numbers): (usize, &usize)| Sample {
        id: name(&format!("c_{at:04}")),
        label: 0.0,
        rows: BTreeMap::new(),
        numbers: *numbers,
    };
    lengths.iter().enumerate().map(sample).collect()
}

/// Numbers of a plan's batches when each is padded to its longest clip, over those that there are.
fn padding(plan: &[Vec<usize>], samples: &[Sample]) -> f64 {
    let padded = |batch: &Vec<usize>| {
        batch.len() * batch.iter().map(|&at| samples[at].numbers).max().unwrap_or_default()
    };
    let all: usize = samples.iter().map(|sample| sample.numbers).sum();
    plan.iter().map(padded).sum::<usize>() as f64 / all as f64
}

#[test]
fn every_clip_comes_exactly_once() {
    arbtest::arbtest(|u| {
        let lengths: Vec<usize> = u.arbitrary_iter::<u8>()?.take(200).flatten().map(usize::from).collect();
        let samples = samples(&lengths);
        let batching = Batching { size: u.int_in_range(0..=9)?, pool: u.int_in_range(0..=5)? };
        let key = u.arbitrary::<bool>()?.then(|| u.arbitrary().map(Key::new)).transpose()?;
        let plan = batching.epoch(&samples, key);
        let size = batching.size.max(1);
        assert!(plan.iter().all(|batch| !batch.is_empty() && batch.len() <= size));
        assert!(plan.iter().filter(|batch| batch.len() < size).count() <= 1);
        let seen: HashSet<usize> = plan.iter().flatten().copied().collect();
        assert_eq!((seen.len(), plan.iter().flatten().count()), (samples.len(), samples.len()));
        assert_eq!(plan, batching.epoch(&samples, key));
        Ok(())
    });
}

#[test]
fn pools_save_padding_and_keep_chance() {
    let lengths: Vec<usize> = (0..1000).map(|at| 20 + at * 7919 % 1000).collect();
    let samples = samples(&lengths);
    let plan = |pool, seed| Batching { size: 16, pool }.epoch(&samples, Some(Key::new(seed)));
    let (loose, pooled) = (padding(&plan(1, 3), &samples), padding(&plan(16, 3), &samples));
    assert!(loose > 1.6 && pooled < 1.15, "{loose} {pooled}");
    assert_ne!(plan(16, 3), plan(16, 4));
    // Long batches do not come first.
    let first: Vec<usize> = (0..50).map(|seed| samples[plan(16, seed)[0][0]].numbers).collect();
    assert!(first.iter().any(|n| *n < 400) && first.iter().any(|n| *n > 700), "{first:?}");
    let judged = Batching { size: 16, pool: 1 }.epoch(&samples, None);
    assert!(judged.iter().flatten().is_sorted_by(|a, b| samples[**a].numbers >= samples[**b].numbers));
}

#[test]
fn batches_hold_what_the_shards_hold_and_zeros_behind() {
    let place = Place::new();
    place.shard(&audio(), &[("a_0", Has::Rows(2)), ("a_1", Has::Absent)]);
    place.shard(&audio(), &[("a_2", Has::Rows(5))]);
    place.shard(&text(), &[("a_2", Has::Rows(1)), ("a_1", Has::Rows(4)), ("a_0", Has::Rows(3))]);
    place.shard(&video(), &[("a_0", Has::Absent), ("a_1", Has::Absent), ("a_2", Has::Absent)]);
    place.label("id,label,split\na_0,1.5,train\na_1,-2,train\na_2,0.25,train\n");
    let corpus = place.open(&Rules::default()).unwrap();
    let order = [("a_2", 2), ("a_0", 0), ("a_1", 1)];
    let batch = corpus.batch(Split::Train, &order.map(|(_, at)| at), &Device::Cpu).unwrap();
    assert_eq!(batch.clips, order.map(|(id, _)| name(id)));
    assert_eq!(batch.labels.to_vec1::<f32>().unwrap(), [0.25, 1.5, -2.0]);
    let lengths = |kind| batch.features[&kind].lengths.clone();
    assert_eq!(KINDS.map(lengths), [vec![5, 2, 0], vec![1, 3, 4], vec![0, 0, 0]]);
    for spec in [audio(), text(), video()] {
        let padded = &batch.features[&spec.kind];
        let longest = padded.lengths.iter().copied().max().unwrap().max(1);
        assert_eq!(padded.rows.dims3().unwrap(), (3, longest, spec.width));
        assert_eq!(padded.rows.dtype(), DType::F32);
        for (at, (id, _)) in order.iter().enumerate() {
            let mut wanted = numbers(id, &spec, padded.lengths[at]);
            wanted.resize(longest * spec.width, 0.0);
            let found = padded.rows.get(at).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(found, wanted, "{id} {:?}", spec.kind);
        }
    }
}

#[test]
fn a_feature_that_is_no_number_is_named() {
    for (spec, wild) in
        [(audio(), &[0x00, 0x7c][..]), (text(), &[0xc0, 0xff]), (video(), &[0, 0, 0xc0, 0x7f])]
    {
        let place = Place::usual();
        let folder = place.cache().join(spec.folder());
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            // The last number of the shard's last clip.
            let end = bytes.len() - wild.len();
            bytes[end..].copy_from_slice(wild);
            fs::write(&path, bytes).unwrap();
        }
        let corpus = place.open(&Rules::default()).unwrap();
        let batch = |split, at| corpus.batch(split, &[at], &Device::Cpu);
        assert!(batch(Split::Train, 0).is_ok());
        let error = batch(Split::Train, 1).unwrap_err();
        let row = corpus.split(Split::Train)[1].rows[&spec.kind] - 1;
        let told = error.to_string();
        assert_eq!(error.kind(), ErrorKind::BadInput);
        assert!(told.contains("a_1") && told.contains(spec.kind.name()), "{told}");
        assert!(told.contains(&format!("row {row} ")) && told.contains(&spec.folder()), "{told}");
        assert!(matches!(batch(Split::Test, 1), Err(Error::NotFinite { kind, .. }) if kind == spec.kind));
    }
}

#[test]
fn features_come_by_kind_whatever_was_asked_first() {
    let kinds = [FeatureKind::Video, FeatureKind::Audio];
    let corpus = Place::usual().open_with(&kinds, &Rules::default(), &[], None).unwrap();
    assert_eq!(corpus.specs(), [video(), audio()]);
    let batch = corpus.batch(Split::Test, &[1, 0], &Device::Cpu).unwrap();
    assert_eq!(batch.features.keys().copied().collect::<Vec<_>>(), [FeatureKind::Audio, FeatureKind::Video]);
}
