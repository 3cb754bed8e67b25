use std::fs;

use affekt_core::{FeatureKind, FeatureSpec};
use candle_core::{Device, Tensor};

use super::super::{Corpus, Error, Rules, Standard};
use super::{Has, KINDS, Place, audio, name, numbers, text, video};
use crate::dataset::Split;

/// Mean and deviation of every column over the rows of `clips`, in f64, one number after the other.
fn plain(spec: &FeatureSpec, clips: &[(&str, usize)]) -> Vec<(f64, f64)> {
    let rows: Vec<f32> = clips.iter().flat_map(|(id, rows)| numbers(id, spec, *rows)).collect();
    let column = |at: usize| rows.iter().skip(at).step_by(spec.width).map(|number| f64::from(*number));
    let count = (rows.len() / spec.width) as f64;
    let of_column = |at| {
        let mean = column(at).sum::<f64>() / count;
        (mean, (column(at).map(|number| (number - mean).powi(2)).sum::<f64>() / count).sqrt())
    };
    (0..spec.width).map(of_column).collect()
}

fn assert_standard(found: &Standard, wanted: &[(f64, f64)]) {
    assert!(found.fits(wanted.len()), "{found:?}");
    for ((mean, deviation), (wanted_mean, wanted_deviation)) in
        found.mean.iter().zip(&found.deviation).zip(wanted)
    {
        assert!((f64::from(*mean) - wanted_mean).abs() <= 1e-7 * wanted_mean.abs(), "{mean} {wanted_mean}");
        let apart = (f64::from(*deviation) - wanted_deviation).abs();
        assert!(apart <= 1e-7 * wanted_deviation, "{deviation} {wanted_deviation}");
    }
}

/// Many training clips, so that sums are made in several parts, in two shards.
fn many() -> (Place, Vec<(String, usize)>) {
    let clips: Vec<(String, usize)> = (0..150).map(|at| (format!("c_{at:03}"), 1 + at % 4)).collect();
    let place = Place::new();
    for spec in [audio(), text(), video()] {
        let all: Vec<_> = clips.iter().map(|(id, rows)| (id.as_str(), Has::Rows(*rows))).collect();
        place.shard(&spec, &all[..70]);
        place.shard(&spec, &all[70..]);
    }
    let lines = clips.iter().map(|(id, _)| format!("{id},1,train\n"));
    place.label(&format!("id,label,split\n{}", lines.collect::<String>()));
    (place, clips)
}

fn standardised(place: &Place, kinds: &[FeatureKind]) -> Corpus {
    let mut corpus = place.open(&Rules::default()).unwrap();
    corpus.standardise(kinds).unwrap();
    corpus
}

fn rows(corpus: &Corpus, split: Split, kind: FeatureKind, places: &[usize]) -> Vec<f32> {
    let batch = corpus.batch(split, places, &Device::Cpu).unwrap();
    batch.features[&kind].rows.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn they_are_those_of_the_training_split() {
    // Stores of f16, bf16 and f32, by a table with clips of other splits.
    let corpus = standardised(&Place::usual(), &KINDS);
    for (spec, rows) in [(audio(), 4), (text(), 2), (video(), 3)] {
        let wanted = plain(&spec, &[("a_0", rows), ("a_1", rows + 1), ("b_0", rows + 2)]);
        assert_standard(&corpus.standards()[&spec.kind], &wanted);
    }
    let (place, clips) = many();
    let clips: Vec<(&str, usize)> = clips.iter().map(|(id, rows)| (id.as_str(), *rows)).collect();
    let corpus = standardised(&place, &KINDS);
    for spec in [audio(), text(), video()] {
        assert_standard(&corpus.standards()[&spec.kind], &plain(&spec, &clips));
    }
}

#[test]
fn the_training_split_gets_mean_0_and_deviation_1_and_the_others_the_same_numbers() {
    let (place, clips) = many();
    let corpus = standardised(&place, &[FeatureKind::Audio]);
    assert_eq!(corpus.standards().keys().collect::<Vec<_>>(), [&FeatureKind::Audio]);
    let all: Vec<f32> =
        (0..clips.len()).flat_map(|at| rows(&corpus, Split::Train, FeatureKind::Audio, &[at])).collect();
    for at in 0..3 {
        let column = all.iter().skip(at).step_by(3).map(|number| f64::from(*number));
        let count = column.clone().count() as f64;
        let mean = column.clone().sum::<f64>() / count;
        let square = column.map(|number| number * number).sum::<f64>() / count;
        assert!(mean.abs() < 1e-6 && (square - 1.0).abs() < 1e-6, "{mean} {square}");
    }
    // What was not asked for is as the cache has it.
    assert_eq!(rows(&corpus, Split::Train, FeatureKind::Video, &[0]), numbers("c_000", &video(), 1));

    let corpus = standardised(&Place::usual(), &[FeatureKind::Audio]);
    let Standard { mean, deviation } = &corpus.standards()[&FeatureKind::Audio];
    let raw = numbers("d_0", &audio(), 8);
    let wanted: Vec<f32> =
        raw.iter().enumerate().map(|(at, number)| (number - mean[at % 3]) / deviation[at % 3]).collect();
    assert_eq!(rows(&corpus, Split::Test, FeatureKind::Audio, &[0]), wanted);
}

#[test]
fn any_number_of_threads_finds_the_same_bits() {
    let (place, _) = many();
    let found = [1, 2, 5].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| standardised(&place, &KINDS).standards().clone())
    });
    assert!(found.iter().all(|standards| *standards == found[0]));
}

#[test]
fn a_column_that_is_constant_is_only_shifted() {
    let place = Place::new();
    // By its own numbers: 1000 with a step in the seventh digit, 7.5 always, 0 always.
    let spec = FeatureSpec { width: 3, ..video() };
    let mut writer = affekt_cache::Store::open(&place.cache(), &spec).unwrap().writer().unwrap();
    for (at, id) in ["a_0", "a_1", "a_2"].into_iter().enumerate() {
        let numbers = [1000.0 + at as f32 * 6.2e-5, 7.5, 0.0].repeat(2);
        writer.add(name(id), affekt_cache::Facts::default(), &numbers).unwrap();
    }
    writer.commit().unwrap();
    place.label("id,label,split\na_0,1.5,train\na_1,-2,train\na_2,0.25,train\n");
    let mut corpus = place.open_with(&[FeatureKind::Video], &Rules::default(), &[], None).unwrap();
    corpus.standardise(&[FeatureKind::Video]).unwrap();
    let Standard { mean, deviation } = &corpus.standards()[&FeatureKind::Video];
    assert_eq!(deviation, &[1.0; 3]);
    assert_eq!(mean[1..], [7.5, 0.0]);
    let rows = rows(&corpus, Split::Train, FeatureKind::Video, &[2]);
    assert_eq!([&rows[1..3], &rows[4..]], [&[0.0, 0.0]; 2]);
    assert!(rows[0].abs() < 1e-3);
}

#[test]
fn what_is_behind_the_end_or_absent_stays_zero() {
    let place = Place::new();
    place.shard(&audio(), &[("a_0", Has::Rows(2)), ("a_1", Has::Absent), ("a_2", Has::Rows(5))]);
    place.shard(&text(), &[("a_0", Has::Rows(3)), ("a_1", Has::Rows(4)), ("a_2", Has::Rows(1))]);
    place.shard(&video(), &[("a_0", Has::Absent), ("a_1", Has::Absent), ("a_2", Has::Absent)]);
    place.label("id,label,split\na_0,1.5,train\na_1,-2,train\na_2,0.25,train\n");
    let corpus = standardised(&place, &KINDS);
    // Absent rows are no zeros that count.
    assert_standard(&corpus.standards()[&FeatureKind::Audio], &plain(&audio(), &[("a_0", 2), ("a_2", 5)]));
    let found = rows(&corpus, Split::Train, FeatureKind::Audio, &[0, 1, 2]);
    let (real, behind) = found[..5 * 3].split_at(2 * 3);
    assert!(real.iter().all(|number| *number != 0.0), "{real:?}");
    assert!(behind.iter().chain(&found[15..30]).all(|number| number.to_bits() == 0), "{found:?}");
    assert!(found[30..].iter().any(|number| *number != 0.0));
    // A feature that no training clip has is left alone, and told.
    let nothing = Standard { mean: vec![0.0; 2], deviation: vec![1.0; 2] };
    assert_eq!(corpus.standards()[&FeatureKind::Video], nothing);
    assert!(rows(&corpus, Split::Train, FeatureKind::Video, &[0, 1, 2]).iter().all(|n| *n == 0.0));
    let told = corpus.warnings().join("\n");
    assert!(told.contains("changes no video feature: no training clip has one"), "{told}");
    assert!(!told.contains("audio"), "{told}");
}

#[test]
fn a_number_that_is_none_is_told_before_the_first_batch() {
    let place = Place::usual();
    for entry in fs::read_dir(place.cache().join(video().folder())).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let end = bytes.len() - 4;
        bytes[end..].copy_from_slice(&f32::NAN.to_le_bytes());
        fs::write(&path, bytes).unwrap();
    }
    let mut corpus = place.open(&Rules::default()).unwrap();
    let error = corpus.standardise(&KINDS).unwrap_err();
    assert!(matches!(&error, Error::NotFinite { clip, .. } if *clip == name("a_1")), "{error}");
    assert!(corpus.standards().is_empty());
    corpus.standardise(&[FeatureKind::Audio]).unwrap();
}

#[test]
fn a_tensor_gets_the_same_numbers() {
    let corpus = standardised(&Place::usual(), &[FeatureKind::Text]);
    let standard = &corpus.standards()[&FeatureKind::Text];
    let mut raw = numbers("d_1", &text(), 7);
    let tensor = Tensor::from_slice(&raw, (7, 5), &Device::Cpu).unwrap();
    standard.apply(&mut raw);
    let found = standard.applied(&tensor).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(found, raw);
    assert!(standard.applied(&tensor.narrow(1, 0, 4).unwrap()).is_err());
}

#[test]
fn what_cannot_be_a_standard_does_not_fit() {
    let of = |mean: &[f32], deviation: &[f32]| Standard { mean: mean.into(), deviation: deviation.into() };
    assert!(of(&[0.0, -1.0], &[1.0, 0.5]).fits(2));
    for (mean, deviation) in
        [(0.0, 0.0), (0.0, -1.0), (0.0, f32::NAN), (f32::INFINITY, 1.0), (0.0, f32::INFINITY), (0.0, 1e-42)]
    {
        assert!(!of(&[0.0, mean], &[1.0, deviation]).fits(2), "{mean} {deviation}");
    }
    assert!(!of(&[0.0], &[1.0]).fits(2));
    assert!(!of(&[0.0, 0.0], &[1.0]).fits(2));
}
