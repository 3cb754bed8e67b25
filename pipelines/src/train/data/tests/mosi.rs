//! The real utterance features of CMU-MOSI, by way of the importer.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use affekt_cache::{Description, Index, import_table};
use affekt_core::{FeatureKind, Silent};
use affekt_testkit::realdata;
use affekt_train::Key;
use candle_core::Device;

use super::super::{Batching, Corpus, Error, Rules, Source, feed};
use super::KINDS;
use crate::dataset::Split;

const FILES: [(FeatureKind, &str, usize); 3] = [
    (FeatureKind::Audio, "mosi_audio_73.npy", 73),
    (FeatureKind::Text, "mosi_text_100.npy", 100),
    (FeatureKind::Video, "mosi_video_100.npy", 100),
];

#[test]
fn mosi_is_read_by_each_of_its_splits() {
    let Some(files) = realdata::files("mosi_utterance", &["tsv"]) else { return };
    let labels = files.iter().find(|path| path.ends_with("mosi_index.tsv")).unwrap();
    let place = tempfile::tempdir().unwrap();
    for (kind, file, _) in FILES {
        let description = Description {
            kind,
            encoder: "mosi".into(),
            weights: None,
            layers: None,
            preprocessing: Vec::new(),
            width: None,
            dtype: "f32".into(),
            row: None,
        };
        let index = Index { path: labels.clone(), id: None, row: None, length: None };
        import_table(place.path(), &labels.with_file_name(file), &index, &description, &Silent).unwrap();
    }
    let open = |split_column| {
        let source = Source { cache: place.path(), recipes: &BTreeMap::new(), labels, split_column };
        Corpus::open(&source, &KINDS, &Rules::default())
    };
    let error = open(None).err().unwrap();
    assert!(matches!(&error, Error::NoSplits { candidates, .. } if candidates.len() == 3), "{error}");
    // As the data's own description counts them.
    for (column, counts) in [("split_bclstm", [1447, 0, 752]), ("split_clean752", [469, 74, 209])] {
        let corpus = open(Some(column)).unwrap();
        assert_eq!(Split::ALL.map(|split| corpus.split(split).len()), counts, "{column}");
        assert!(corpus.left_out().is_empty());
        assert_eq!(
            corpus.widths().into_values().collect::<Vec<_>>(),
            FILES.map(|(_, _, width)| width).to_vec()
        );
        let facts = corpus.facts();
        assert_eq!(facts.splits["train"].clips, counts[0]);
        assert!(
            facts.splits.values().all(|split| split.label_mean.abs() < 1.0 && split.label_deviation > 1.0)
        );
        let plan = Batching { size: 128, pool: 8 }.epoch(corpus.split(Split::Train), Some(Key::new(1)));
        let mut clips = 0;
        let fed = feed(&corpus, Split::Train, &plan, &Device::Cpu, 2, |_, batch| {
            clips += batch.len();
            assert_eq!(batch.features[&FeatureKind::Text].rows.dims3()?, (batch.len(), 1, 100));
            Ok::<_, Error>(ControlFlow::Continue(()))
        });
        assert_eq!((fed.unwrap().batches, clips), (counts[0].div_ceil(128), counts[0]));
    }
}
