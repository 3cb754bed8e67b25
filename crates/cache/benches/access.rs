//! Random access to a clip of a store with the shape of MOSEI's: 22,800 clips of 30 rows, 512 a shard.
//! `cargo bench -p affekt-cache --bench access`.
#![expect(clippy::unwrap_used, reason = "in a benchmark, a panic is the message")]

use std::hint::black_box;

use affekt_cache::{Facts, Store};
use affekt_core::{ClipId, Digest, FeatureKind, FeatureSpec};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const CLIPS: usize = 22_800;
const A_SHARD: usize = 512;
const ROWS: usize = 30;
const WIDTH: usize = 64;

fn spec() -> FeatureSpec {
    FeatureSpec {
        kind: FeatureKind::Video,
        encoder: "manet".into(),
        weights: Digest::of(b"weights"),
        layers: None,
        preprocessing: vec!["crop-v1".into()],
        width: WIDTH,
        dtype: "f16".into(),
        row: "frame".into(),
    }
}

fn id(clip: usize) -> ClipId {
    ClipId::new(format!("{:011x}_{}", clip / 7, clip % 7)).unwrap()
}

fn fill(store: &Store) {
    let numbers = vec![0.5; ROWS * WIDTH];
    for first in (0..CLIPS).step_by(A_SHARD) {
        let mut writer = store.writer().unwrap();
        for clip in first..CLIPS.min(first + A_SHARD) {
            writer.add(id(clip), Facts::default(), &numbers).unwrap();
        }
        writer.commit().unwrap();
    }
}

fn access(criterion: &mut Criterion) {
    let cache = tempfile::tempdir().unwrap();
    let mut store = Store::open(cache.path(), &spec()).unwrap();
    fill(&store);
    let mut group = criterion.benchmark_group("access");
    group.sample_size(10);
    group.bench_function("open the store", |bench| {
        bench.iter(|| black_box(Store::open(cache.path(), &spec()).unwrap()));
    });
    store.refresh().unwrap();
    let mut clip = 0;
    // A step that has no factor with the number of clips: every clip once, far from the one before.
    let mut next = || {
        clip = (clip + 7_919) % CLIPS;
        id(clip)
    };
    group.sample_size(100);
    group.bench_function("find a clip, first number", |bench| {
        let first = |id: ClipId| store.feature(&id).unwrap().bytes[0];
        bench.iter_batched(&mut next, |id| black_box(first(id)), BatchSize::SmallInput);
    });
    group.bench_function("find a clip, 30 x 64 numbers as f32", |bench| {
        let all = |id: ClipId| store.feature(&id).unwrap().to_f32();
        bench.iter_batched(&mut next, |id| black_box(all(id)), BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, access);
criterion_main!(benches);
