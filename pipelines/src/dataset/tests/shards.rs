use std::collections::{BTreeMap, BTreeSet};

use affekt_core::{ErrorKind, Explain};

use super::super::{Manifest, Row};
use super::{of_rows, row};

/// Recordings of many lengths, three clips each, their clips among each other.
fn clips(recordings: usize, seed: u64) -> Manifest {
    let clip = |at: usize| {
        let (recording, clip) = (at % recordings, at / recordings);
        // A number from 0 to 1 that looks like chance: the high bits of a product.
        let chance = (at as u64 + 1000 * seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let length = 0.5 + 20.0 * (chance as f64 / f64::from(u32::MAX)).powi(3);
        let start = 30.0 * clip as f64;
        row(&format!("v{recording}"), clip, start, Some(start + length))
    };
    of_rows((0..3 * recordings).map(clip).collect())
}

fn seconds(rows: &[Row]) -> f64 {
    rows.iter().filter_map(|row| row.span.duration()).map(|time| time.0).sum()
}

fn shares(manifest: &Manifest, count: usize) -> Vec<Manifest> {
    (0..count).map(|index| manifest.shard(index, count).unwrap()).collect()
}

#[test]
fn every_clip_is_in_one_share_and_every_recording_too() {
    for (recordings, count) in [(1, 1), (7, 2), (40, 3), (40, 16), (3, 8)] {
        let manifest = clips(recordings, 7);
        let shares = shares(&manifest, count);
        let mut ids: Vec<&str> =
            shares.iter().flat_map(|share| &share.rows).map(|row| row.id.as_str()).collect();
        ids.sort_unstable();
        let mut all: Vec<&str> = manifest.rows.iter().map(|row| row.id.as_str()).collect();
        all.sort_unstable();
        assert_eq!(ids, all);
        let mut holders: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for (index, share) in shares.iter().enumerate() {
            for row in &share.rows {
                holders.entry(&row.video).or_default().insert(index);
            }
        }
        assert!(holders.values().all(|shares| shares.len() == 1));
    }
}

#[test]
fn shares_differ_by_one_recording_at_most() {
    for seed in 0..20 {
        let manifest = clips(50, seed);
        let mut recordings: BTreeMap<&str, f64> = BTreeMap::new();
        for row in &manifest.rows {
            *recordings.entry(&row.video).or_default() += row.span.duration().unwrap().0;
        }
        let longest = recordings.values().fold(0.0, |longest: f64, &seconds| longest.max(seconds));
        let loads: Vec<f64> = shares(&manifest, 4).iter().map(|share| seconds(&share.rows)).collect();
        let (least, most) = loads
            .iter()
            .fold((f64::MAX, 0.0), |(least, most): (f64, f64), &load| (least.min(load), most.max(load)));
        assert!(most - least <= longest + 1e-9, "{loads:?}, {longest}");
    }
}

#[test]
fn shares_keep_the_order_and_do_not_depend_on_it() {
    let manifest = clips(30, 3);
    let share = manifest.shard(1, 3).unwrap();
    let place = |row: &Row| manifest.rows.iter().position(|other| other.id == row.id).unwrap();
    assert!(share.rows.is_sorted_by_key(place));
    assert_eq!(share, manifest.shard(1, 3).unwrap());
    let ids = |manifest: &Manifest| manifest.rows.iter().map(|row| row.id.clone()).collect::<BTreeSet<_>>();
    let mut turned = manifest.clone();
    turned.rows.reverse();
    assert_eq!(ids(&turned.shard(1, 3).unwrap()), ids(&share));
}

#[test]
fn clips_without_an_end_count_as_the_others() {
    let manifest = of_rows((0..10).map(|video| row(&format!("v{video}"), 0, 0.0, None)).collect());
    assert_eq!(shares(&manifest, 2).iter().map(|share| share.rows.len()).collect::<Vec<_>>(), [5, 5]);
    assert_eq!(shares(&Manifest::default(), 2), [Manifest::default(), Manifest::default()]);
}

#[test]
fn a_share_that_there_is_not_is_refused() {
    for (index, count) in [(2, 2), (0, 0), (7, 3)] {
        let error = Manifest::default().shard(index, count).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadConfig);
        assert!(error.to_string().contains(&format!("{index}/{count}")), "{error}");
        assert!(error.hint().is_some());
    }
}
