//! What a training step of the fusion network spends its time in, at its published size: projections and attention.

use affekt_nn::dropout::Dropout;
use affekt_nn::trainable::{Frames, Keys, attend, linear};
use candle_core::{Device, Result, Tensor, Var};
use criterion::{Criterion, criterion_group, criterion_main};

const CLIPS: usize = 64;
const DIM: usize = 256;

/// Name, frames and feature width of each modality.
const MODALITIES: [(&str, usize, usize); 3] =
    [("audio", 365, 1024), ("text", 40, 4096), ("video", 220, 1024)];

fn noise(shape: &[usize]) -> Tensor {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu).expect("a shape")
}

fn var(shape: &[usize]) -> Var {
    Var::from_tensor(&(noise(shape) * 0.06).expect("numbers")).expect("a variable")
}

/// A result, and how it goes back to the variables from a gradient of ones.
fn measure(c: &mut Criterion, name: &str, forward: impl Fn() -> Result<Tensor>) {
    let mut group = c.benchmark_group(name);
    group.sample_size(10);
    group.bench_function("forward", |b| b.iter(|| forward().expect("a result")));
    group.bench_function("both", |b| {
        b.iter(|| forward().and_then(|found| found.backward()).expect("gradients"));
    });
    group.finish();
}

fn train_step(c: &mut Criterion) {
    for (name, frames, width) in MODALITIES {
        let x = noise(&[CLIPS, frames, width]);
        let (weight, bias) = (var(&[DIM, width]), var(&[DIM]));
        measure(c, &format!("{name}/project"), || linear(&x, &weight, &bias));
        let rows = var(&[CLIPS, frames, DIM]);
        let (weight, bias) = (var(&[DIM, DIM]), var(&[DIM]));
        for queries in [1, 7] {
            let queries = var(&[CLIPS, queries, DIM]);
            measure(c, &format!("{name}/attend/{}", queries.dims()[1]), || {
                let keys = Keys { weight: &weight, bias: &bias };
                attend(&Frames::new(&rows, None)?, keys, &queries, 0.3, Dropout::keyed(1), 0.5)
            });
        }
    }
}

criterion_group!(benches, train_step);
criterion_main!(benches);
