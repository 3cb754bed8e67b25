//! Products with quantised weights of 131 M numbers, larger than any cache: GB of weights read a second, and how that
//! falls when there are more rows. `cargo bench -p affekt-nn --bench quantized`.
#![expect(clippy::unwrap_used, reason = "in a benchmark, a panic is the message")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use affekt_nn::quantized::Quantized;
use affekt_nn::threads::in_pool;
use candle_core::Module;
use candle_core::quantized::{GgmlDType, QTensor};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const OUTPUTS: usize = 32_000;
const INPUTS: usize = 4096;
/// The blocks of so many outputs are repeated.
const DRAWN: usize = 320;

fn products(criterion: &mut Criterion) {
    for dtype in [GgmlDType::Q4K, GgmlDType::Q6K, GgmlDType::Q8_0] {
        let drawn = QTensor::quantize(&affekt_testkit::noise(0.0, 1.0, (DRAWN, INPUTS)), dtype).unwrap();
        let bytes = drawn.data().unwrap().repeat(OUTPUTS / DRAWN);
        let size = bytes.len() as u64;
        let weight = Quantized::new(Arc::new(bytes), dtype, (OUTPUTS, INPUTS)).unwrap();
        let mut group = criterion.benchmark_group(format!("quantized {dtype:?}"));
        group.sample_size(10).warm_up_time(Duration::from_millis(300));
        for rows in [1, 4, 8, 16, 64, 256] {
            group.measurement_time(Duration::from_millis(200 * rows.clamp(5, 10) as u64));
            group.throughput(Throughput::Bytes(size));
            let x = affekt_testkit::noise(0.0, 1.0, (rows, INPUTS));
            group.bench_function(BenchmarkId::from_parameter(rows), |bench| {
                bench.iter(|| in_pool(|| black_box(weight.forward(&x).unwrap())));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, products);
criterion_main!(benches);
