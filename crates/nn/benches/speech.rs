//! The pieces of WavLM-Large on 8 s of speech: ours against the same composed of candle's operations.
//! `cargo bench -p affekt-nn --bench speech`.
#![expect(clippy::unwrap_used, reason = "in a benchmark, a panic is the message")]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Duration;

use affekt_nn::conv::{Conv1d, GroupedConv1d};
use affekt_nn::gated_attention::{PositionBias, gated_attention};
use affekt_nn::gelu::gelu_erf;
use affekt_nn::linear::Linear;
use affekt_nn::norm::LayerNorm;
use candle_core::{DType, Device, Module, Result, Tensor};
use candle_nn::VarBuilder;
use candle_nn::ops::softmax_last_dim;
use criterion::{Criterion, criterion_group, criterion_main};

const FRAMES: usize = 400;
const HEADS: usize = 16;
const SAMPLES: usize = 128_000;
const EPS: f64 = 1e-5;

fn noise(shape: &[usize]) -> Tensor {
    affekt_testkit::noise(0.0, 1.0, shape)
}

/// Both forms of one piece, one after the other.
fn compare(
    criterion: &mut Criterion,
    piece: &str,
    ours: impl Fn() -> Result<Tensor>,
    candle: impl Fn() -> Result<Tensor>,
) {
    let mut group = criterion.benchmark_group(piece);
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    group.bench_function("affekt", |bench| bench.iter(|| black_box(ours().unwrap())));
    group.bench_function("candle", |bench| bench.iter(|| black_box(candle().unwrap())));
    group.finish();
}

/// A layer norm in both forms.
fn norms(width: usize) -> (LayerNorm, candle_nn::LayerNorm) {
    let (weight, bias) = (noise(&[width]), noise(&[width]));
    let named = HashMap::from([("weight".to_owned(), weight.clone()), ("bias".to_owned(), bias.clone())]);
    let vb = VarBuilder::from_tensors(named, DType::F32, &Device::Cpu);
    (LayerNorm::load(&vb, width, EPS).unwrap(), candle_nn::LayerNorm::new(weight, bias, EPS))
}

fn rows(criterion: &mut Criterion) {
    let x = noise(&[1, FRAMES, 4096]);
    compare(criterion, "gelu 4096", || gelu_erf(&x), || x.gelu_erf());

    let x = noise(&[1, FRAMES, 1024]);
    let (ours, candle) = norms(1024);
    compare(criterion, "layer norm 1024", || ours.forward(&x), || candle.forward(&x));

    let (weight, bias) = (noise(&[4096, 1024]), noise(&[4096]));
    let ours = Linear::new(&weight, Some(bias.clone())).unwrap();
    let candle = candle_nn::Linear::new(weight, Some(bias));
    compare(
        criterion,
        "linear 1024 to 4096, gelu",
        || ours.forward_gelu(&x),
        || candle.forward(&x)?.gelu_erf(),
    );

    let (inner, weight, bias) = (noise(&[1, FRAMES, 4096]), noise(&[1024, 4096]), noise(&[1024]));
    let ours = Linear::new(&weight, Some(bias.clone())).unwrap();
    let candle = candle_nn::Linear::new(weight, Some(bias));
    compare(
        criterion,
        "linear 4096 to 1024, residual",
        || ours.forward_add(&inner, &x),
        || candle.forward(&inner)? + &x,
    );
}

fn convolutions(criterion: &mut Criterion) {
    let (ours_norm, candle_norm) = norms(512);
    let layers = [("first", SAMPLES, 1, 10, 5), ("second", SAMPLES / 5 - 1, 512, 3, 2)];
    for (name, length, c_in, kernel, stride) in layers {
        let (x, weight) = (noise(&[1, length, c_in]), noise(&[512, c_in, kernel]));
        let turned = x.transpose(1, 2).unwrap().contiguous().unwrap();
        let ours = Conv1d::new(&weight, None, stride).unwrap();
        compare(
            criterion,
            &format!("{name} convolution, norm, gelu"),
            || ours.forward_norm_gelu(&x, &ours_norm),
            || {
                let y = turned.conv1d(&weight, 0, stride, 1, 1)?.transpose(1, 2)?.contiguous()?;
                candle_norm.forward(&y)?.gelu_erf()
            },
        );
    }

    let (x, weight, bias) = (noise(&[1, FRAMES, 1024]), noise(&[1024, 64, 128]), noise(&[1024]));
    let ours = GroupedConv1d::new(&weight, &bias, HEADS, (64, 63)).unwrap();
    let candle = || {
        let y = x.transpose(1, 2)?.contiguous()?.conv1d(&weight, 64, 1, 1, 16)?.narrow(2, 0, FRAMES)?;
        &x + y.transpose(1, 2)?.broadcast_add(&bias)?.gelu_erf()?
    };
    compare(criterion, "positional convolution, gelu, residual", || ours.forward_gelu_add(&x), candle);
}

fn attention(criterion: &mut Criterion) {
    let (qkv, gates) = (noise(&[1, FRAMES, 3072]), noise(&[1, FRAMES, HEADS]));
    let (by_distance, by_pair) = (noise(&[HEADS, 2 * FRAMES - 1]), noise(&[1, HEADS, FRAMES, FRAMES]));
    let bias = PositionBias::new(&by_distance).unwrap();
    let candle = || {
        let heads = qkv.reshape((1, FRAMES, 3, HEADS, 64))?;
        let part = |at: usize| heads.narrow(2, at, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous(); // (1, h, t, 64)
        let gated = by_pair.broadcast_mul(&gates.transpose(1, 2)?.unsqueeze(3)?)?; // (1, h, t, t)
        let weights = softmax_last_dim(&(part(0)?.matmul(&part(1)?.t()?)? + gated)?)?;
        weights.matmul(&part(2)?)?.transpose(1, 2)?.flatten_from(2) // (1, t, 1024)
    };
    compare(criterion, "gated attention", || gated_attention(&qkv, None, &gates, &bias, None), candle);
}

criterion_group!(benches, rows, convolutions, attention);
criterion_main!(benches);
