use affekt_cache::Facts;
use affekt_core::{FeatureKind, Seconds, Span};

use super::super::{Corpus, Rules, Sample};
use super::{Has, KINDS, Place, audio, leaving_out, name, numbers, text, video};
use crate::dataset::Split;

fn ids(samples: &[Sample]) -> Vec<&str> {
    samples.iter().map(|sample| sample.id.as_str()).collect()
}

fn left_out(corpus: &Corpus) -> Vec<(&str, &str, &str)> {
    let told = corpus.left_out().iter();
    told.map(|clip| (clip.clip.as_str(), clip.split.as_str(), clip.reason.as_str())).collect()
}

#[test]
fn clips_stand_by_name_in_their_splits() {
    let corpus = Place::usual().open(&Rules::default()).unwrap();
    assert_eq!(ids(corpus.split(Split::Train)), ["a_0", "a_1", "b_0"]);
    assert_eq!(ids(corpus.split(Split::Valid)), ["c_0"]);
    assert_eq!(ids(corpus.split(Split::Test)), ["d_0", "d_1"]);
    let sample = &corpus.split(Split::Train)[1];
    assert_eq!(
        (sample.label, sample.rows[&FeatureKind::Audio], sample.rows[&FeatureKind::Text]),
        (-0.25, 5, 3)
    );
    assert_eq!(sample.numbers, 5 * 3 + 3 * 5 + 4 * 2);
    assert_eq!(corpus.specs(), [audio(), text(), video()]);
    assert_eq!(corpus.widths()[&FeatureKind::Text], 5);
    assert!(corpus.warnings().is_empty() && corpus.left_out().is_empty());
    corpus.require(&Split::ALL).unwrap();
}

#[test]
fn the_order_of_lines_and_shards_changes_nothing() {
    let (one, other) = (Place::usual(), Place::new());
    for (spec, rows) in [(audio(), 4), (text(), 2), (video(), 3)] {
        for (at, id) in ["a_0", "a_1", "b_0", "c_0", "d_0", "d_1"].into_iter().enumerate().rev() {
            other.shard(&spec, &[(id, Has::Rows(rows + at))]);
        }
    }
    let table = std::fs::read_to_string(one.labels()).unwrap();
    let mut lines: Vec<&str> = table.lines().collect();
    lines[1..].reverse();
    other.label(&(lines.join("\n") + "\n"));
    let [one, other] = [one, other].map(|place| place.open(&Rules::default()).unwrap());
    for split in Split::ALL {
        assert_eq!(one.split(split), other.split(split));
    }
    assert_eq!(one.facts().splits, other.facts().splits);
    assert_ne!(one.facts().labels_digest, other.facts().labels_digest);
}

#[test]
fn facts_tell_what_is_learnt_from() {
    let place = Place::usual();
    place.shard(&video(), &[("e_0", Has::Absent)]);
    place.shard(&audio(), &[("e_0", Has::Rows(1))]);
    place.shard(&text(), &[("e_0", Has::Rows(1))]);
    place.label("id,label,split\na_0,1.5,train\na_1,-0.5,train\ne_0,2,train\nc_0,0,valid\n");
    let facts = place.open(&Rules::default()).unwrap().facts();
    assert_eq!(facts.splits.keys().collect::<Vec<_>>(), ["train", "valid"]);
    let train = &facts.splits["train"];
    assert_eq!((train.clips, train.label_mean, train.label_least, train.label_greatest), (3, 1.0, -0.5, 2.0));
    assert!((train.label_deviation - 1.75f64.sqrt()).abs() < 1e-12);
    assert_eq!(
        train.absent.iter().map(|(kind, count)| (kind.as_str(), *count)).collect::<Vec<_>>(),
        [("video", 1)]
    );
    assert_eq!(train.digest, affekt_core::Digest::of(b"a_0\t1.5\na_1\t-0.5\ne_0\t2\n"));
    assert_eq!(facts.splits["valid"].label_deviation, 0.0);
    assert_eq!((facts.split_column.as_str(), facts.features.len()), ("split", 3));
    let bytes = std::fs::read(place.labels()).unwrap();
    assert_eq!(facts.labels_digest, affekt_core::Digest::of(&bytes));
}

#[test]
fn absent_features_are_used_and_nothing_at_all_is_left_out() {
    let place = Place::new();
    place.shard(&audio(), &[("a_0", Has::Rows(2)), ("a_1", Has::Absent), ("a_2", Has::Rows(1))]);
    place.shard(&text(), &[("a_0", Has::Absent), ("a_1", Has::Absent), ("a_2", Has::Rows(1))]);
    place.shard(&video(), &[("a_0", Has::Rows(1)), ("a_1", Has::Absent), ("a_2", Has::Absent)]);
    place.label("id,label,split\na_0,1,train\na_1,1,test\na_2,1,train\n");
    let corpus = place.open(&Rules::default()).unwrap();
    assert_eq!(ids(corpus.split(Split::Train)), ["a_0", "a_2"]);
    assert_eq!(corpus.split(Split::Train)[0].rows[&FeatureKind::Text], 0);
    let reason = "all of its features are absent: there is nothing to judge";
    assert_eq!(left_out(&corpus), [("a_1", "test", reason)]);
    let told = corpus.require(&[Split::Test]).unwrap_err().to_string();
    assert!(told.contains("test") && told.contains("2 clips in train; 1 clip of it left out"), "{told}");
}

#[test]
fn long_clips_are_not_learnt_from() {
    let mut rules = Rules::default();
    rules.longest.insert(FeatureKind::Audio, 4);
    rules.longest.insert(FeatureKind::Speech, 1);
    let corpus = Place::usual().open(&rules).unwrap();
    assert_eq!(ids(corpus.split(Split::Train)), ["a_0"]);
    assert_eq!(corpus.split(Split::Test).len(), 2);
    assert_eq!(
        left_out(&corpus),
        [
            ("a_1", "train", "audio has 5 rows, data.longest.audio is 4"),
            ("b_0", "train", "audio has 6 rows, data.longest.audio is 4")
        ]
    );
    assert_eq!(corpus.facts().left_out, corpus.left_out());
    assert!(corpus.warnings()[0].contains("data.longest.speech"), "{:?}", corpus.warnings());
}

#[test]
fn what_is_lacking_can_be_left_out() {
    let place = Place::usual();
    place.shard(&audio(), &[("e_0", Has::Failed), ("f_0", Has::Rows(1))]);
    place.shard(&text(), &[("e_0", Has::Rows(1))]);
    let table = std::fs::read_to_string(place.labels()).unwrap();
    place.label(&(table + "e_0,1,train\nf_0,1,test\ng_0,1,train\n"));
    let corpus = place.open(&leaving_out()).unwrap();
    assert_eq!(ids(corpus.split(Split::Train)), ["a_0", "a_1", "b_0"]);
    assert_eq!(
        left_out(&corpus),
        [
            ("f_0", "test", "lacks a feature: text is not in the cache, video is not in the cache"),
            ("e_0", "train", "lacks a feature: audio failed in decode: no stream, video is not in the cache"),
            ("g_0", "train", "lacks a feature: it is not in the cache"),
        ]
    );
    let audio_alone = place.open_with(&[FeatureKind::Audio], &leaving_out(), &[], None).unwrap();
    assert_eq!(ids(audio_alone.split(Split::Test)), ["d_0", "d_1", "f_0"]);
}

#[test]
fn clips_beside_table_or_splits_are_counted() {
    let place = Place::usual();
    place.label("id,label,split\na_0,1,train\na_1,2,train\nb_0,9,none\nz_0,1,\n");
    let corpus = place.open(&Rules::default()).unwrap();
    let told = corpus.warnings();
    assert!(told[0].ends_with("labels.csv: clips in none of the splits: 2"), "{told:?}");
    assert!(told[1].ends_with("labels.csv: clips of the cache without a label: 3"), "{told:?}");
    assert!(corpus.left_out().is_empty());
}

#[test]
fn labels_find_their_clips_by_recording_and_time() {
    let place = Place::new();
    let store = affekt_cache::Store::open(&place.cache(), &audio()).unwrap();
    let mut writer = store.writer().unwrap();
    for (id, start) in [("v_0", 0.0), ("v_1", 4.04)] {
        let span = Span { start: Seconds(start), end: Some(Seconds(start + 3.0)) };
        let facts = Facts { span: Some(span), ..Facts::default() };
        writer.add(name(id), facts, &numbers(id, &audio(), 1)).unwrap();
    }
    // Of no known time: the label at 0 s is not for it.
    writer.add(name("w_0"), Facts::default(), &numbers("w_0", &audio(), 1)).unwrap();
    writer.commit().unwrap();
    place.label("video,start,label,mode\nv,4,2,train\nv,0.05,1,train\nw,0,3,test\n");
    let corpus = place.open_with(&KINDS[..1], &leaving_out(), &[], None).unwrap();
    let train = corpus.split(Split::Train);
    assert_eq!(
        train.iter().map(|s| (s.id.as_str(), s.label)).collect::<Vec<_>>(),
        [("v_0", 1.0), ("v_1", 2.0)]
    );
    assert_eq!(left_out(&corpus), [("w from 0 s", "test", "lacks a feature: it is not in the cache")]);
    assert_eq!(corpus.facts().split_column, "mode");
}

#[test]
fn another_column_may_tell_the_splits() {
    let place = Place::usual();
    place.label("id,label,split_a,split_b\na_0,1,train,test\na_1,1,train,train\nb_0,1,test,train\n");
    let corpus = place.open_with(&KINDS, &Rules::default(), &[], Some("split_b")).unwrap();
    assert_eq!(ids(corpus.split(Split::Train)), ["a_1", "b_0"]);
    assert_eq!(corpus.facts().split_column, "split_b");
}
