//! Small caches of several shards, and tables of labels for them.

mod batches;
mod feeding;
mod mosi;
mod opening;
mod refusing;
mod standard;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use affekt_cache::{Facts, Store};
use affekt_core::{ClipId, Digest, FeatureKind, FeatureSpec};
use tempfile::TempDir;

use super::{Corpus, Error, Incomplete, Rules, Source};

const KINDS: [FeatureKind; 3] = [FeatureKind::Audio, FeatureKind::Text, FeatureKind::Video];

/// What a shard says of a clip.
#[derive(Clone, Copy)]
enum Has {
    Rows(usize),
    Absent,
    Failed,
}

/// A folder with a cache and a table of labels.
struct Place {
    folder: TempDir,
}

fn spec(kind: FeatureKind, width: usize, dtype: &str) -> FeatureSpec {
    FeatureSpec {
        kind,
        encoder: "test".into(),
        weights: Digest::of(b"weights"),
        layers: None,
        preprocessing: Vec::new(),
        width,
        dtype: dtype.into(),
        row: "frame".into(),
    }
}

fn audio() -> FeatureSpec {
    spec(FeatureKind::Audio, 3, "f16")
}

fn text() -> FeatureSpec {
    spec(FeatureKind::Text, 5, "bf16")
}

fn video() -> FeatureSpec {
    spec(FeatureKind::Video, 2, "f32")
}

/// The feature of a clip: numbers that every type can keep.
fn numbers(id: &str, spec: &FeatureSpec, rows: usize) -> Vec<f32> {
    let start = id.bytes().fold(spec.width, |all, byte| all * 31 + usize::from(byte));
    (0..rows * spec.width).map(|at| ((start + 7 * at) % 63 + 1) as f32 / 8.0).collect()
}

fn name(id: &str) -> ClipId {
    ClipId::new(id).unwrap()
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Six clips in two shards of each feature: three to learn from, one to choose by, two to report on.
    fn usual() -> Self {
        let place = Self::new();
        for (spec, rows) in [(audio(), 4), (text(), 2), (video(), 3)] {
            let clips = ["a_0", "a_1", "b_0", "c_0", "d_0", "d_1"];
            let all: Vec<_> = clips.iter().enumerate().map(|(at, id)| (*id, Has::Rows(rows + at))).collect();
            place.shard(&spec, &all[..2]);
            place.shard(&spec, &all[2..]);
        }
        place.label(
            "id,label,split\nd_1,-3,test\na_0,1.5,train\na_1,-0.25,train\nb_0,3,train\nc_0,0,valid\nd_0,1,test\n",
        );
        place
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn labels(&self) -> PathBuf {
        self.folder.path().join("labels.csv")
    }

    fn label(&self, text: &str) {
        fs::write(self.labels(), text).unwrap();
    }

    fn shard(&self, spec: &FeatureSpec, clips: &[(&str, Has)]) -> PathBuf {
        let mut writer = Store::open(&self.cache(), spec).unwrap().writer().unwrap();
        for (id, has) in clips {
            let (clip, facts) = (name(id), Facts::default());
            match has {
                Has::Rows(rows) => writer.add(clip, facts, &numbers(id, spec, *rows)),
                Has::Absent => writer.add_absent(clip, facts, "nothing of the kind"),
                Has::Failed => writer.add_failure(clip, facts, "decode", "no stream"),
            }
            .unwrap();
        }
        writer.commit().unwrap().unwrap()
    }

    fn open(&self, rules: &Rules) -> Result<Corpus, Error> {
        self.open_with(&KINDS, rules, &[], None)
    }

    fn open_with(
        &self,
        kinds: &[FeatureKind],
        rules: &Rules,
        recipes: &[(FeatureKind, &str)],
        split_column: Option<&str>,
    ) -> Result<Corpus, Error> {
        let recipes: BTreeMap<_, _> =
            recipes.iter().map(|(kind, digest)| (*kind, (*digest).to_owned())).collect();
        let (cache, labels) = (self.cache(), self.labels());
        let source = Source { cache: &cache, recipes: &recipes, labels: &labels, split_column };
        Corpus::open(&source, kinds, rules)
    }

    /// The error of a cache that cannot be learnt from.
    fn refused(&self) -> Error {
        self.open(&Rules::default()).err().unwrap()
    }
}

fn leaving_out() -> Rules {
    Rules { incomplete: Incomplete::LeaveOut, ..Rules::default() }
}
