//! Convolutions at the shapes of MANet, on eight faces: ours against candle's `conv2d` with the bias and the ReLU that
//! follow. `cargo bench -p affekt-nn --bench conv2d`.
#![expect(clippy::unwrap_used, reason = "in a benchmark, a panic is the message")]

use std::hint::black_box;
use std::time::Duration;

use affekt_nn::conv2d::{Conv2d, Finish};
use candle_core::Tensor;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const FACES: usize = 8;

/// (name, c_in, c_out, kernel, stride, side of the input)
const SHAPES: [(&str, usize, usize, usize, usize, usize); 7] = [
    ("stem", 3, 64, 7, 2, 224),
    ("layer1", 64, 64, 3, 1, 56),
    ("layer2.0.conv1", 64, 128, 3, 2, 56),
    ("layer2", 128, 128, 3, 1, 28),
    ("layer3_1.0.downsample", 128, 256, 1, 2, 14),
    ("layer4_1", 512, 512, 3, 1, 7),
    ("layer3_2.conv1_2", 64, 64, 3, 1, 14),
];

fn noise(shape: &[usize]) -> Tensor {
    affekt_testkit::noise(0.0, 1.0, shape)
}

fn convolutions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("conv2d");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for (name, c_in, c_out, kernel, stride, side) in SHAPES {
        let (weight, bias) = (noise(&[c_out, c_in, kernel, kernel]), noise(&[c_out]));
        let x = noise(&[FACES, side, side, c_in]);
        let turned = x.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
        let conv = Conv2d::new(&weight, bias.clone(), stride).unwrap();
        let bias = bias.reshape((1, c_out, 1, 1)).unwrap();
        let places = side.div_ceil(stride).pow(2);
        group.throughput(Throughput::Elements((2 * FACES * places * c_out * c_in * kernel * kernel) as u64));
        group.bench_function(BenchmarkId::new("affekt", name), |bench| {
            bench.iter(|| black_box(conv.forward(&x, Finish::RELU).unwrap()));
        });
        group.bench_function(BenchmarkId::new("candle", name), |bench| {
            let candle = || turned.conv2d(&weight, kernel / 2, stride, 1, 1)?.broadcast_add(&bias)?.relu();
            bench.iter(|| black_box(candle().unwrap()));
        });
    }
    group.finish();
}

criterion_group!(benches, convolutions);
criterion_main!(benches);
