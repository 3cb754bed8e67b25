//! A picture of 1280 x 720 pixels in 4:2:0 to RGB: ours against swscale with accurate rounding and interpolated chroma,
//! and against its fast path. `cargo bench -p affekt-media --bench yuv`.
#![expect(clippy::unwrap_used, reason = "in a benchmark, a panic is the message")]

use std::hint::black_box;
use std::time::Duration;

use affekt_media::yuv::{Chroma, Coefficients, Matrix, Picture, Plane, to_rgb};
use criterion::{Criterion, criterion_group, criterion_main};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling::{Context, Flags};

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;

/// Noise around the middle: no plane is constant, few pixels clip.
fn noisy() -> Video {
    let mut frame = Video::new(Pixel::YUV420P, WIDTH, HEIGHT);
    let mut state = 1_u32;
    for plane in 0..3 {
        for byte in frame.data_mut(plane) {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = 64 + (state >> 25) as u8;
        }
    }
    frame
}

fn conversion(criterion: &mut Criterion) {
    let frame = noisy();
    let plane = |index| Plane { data: frame.data(index), stride: frame.stride(index) };
    let picture = Picture {
        width: WIDTH as usize,
        height: HEIGHT as usize,
        luma: plane(0),
        chroma: Chroma::Planar(plane(1), plane(2)),
        halved_x: true,
        halved_y: true,
        interlaced: false,
    };
    let coefficients = Coefficients::new(Matrix::BT709, false);
    let mut group = criterion.benchmark_group("yuv420p to rgb24, 720p");
    group.sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group.bench_function("affekt", |bench| {
        bench.iter(|| black_box(to_rgb(black_box(&picture), &coefficients).unwrap()));
    });
    let accurate = Flags::BILINEAR | Flags::ACCURATE_RND | Flags::FULL_CHR_H_INT;
    for (name, flags) in [("swscale, accurate", accurate), ("swscale, fast", Flags::BILINEAR)] {
        let mut scaler =
            Context::get(Pixel::YUV420P, WIDTH, HEIGHT, Pixel::RGB24, WIDTH, HEIGHT, flags).unwrap();
        let mut rgb = Video::empty();
        group.bench_function(name, |bench| {
            bench.iter(|| {
                scaler.run(black_box(&frame), &mut rgb).unwrap();
                black_box(rgb.data(0));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, conversion);
criterion_main!(benches);
