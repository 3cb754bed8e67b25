//! Faces on their way to MANet: crops that the device resizes and turns, against the same arithmetic written out here, to
//! the byte. Builds without media have it too.

use affekt_nn::frames::{PRECISION, Resize, Span, Turn, Weights, takes, turn};
use candle_core::{DType, Device, Tensor};

use super::Error;
use super::bounds::Kind;
use super::ledger::{Ledger, Worst};
use crate::seeded::integers;

/// From and to, width and height: enlarged as MANet's are, reduced, one pixel, odd ones, untouched.
const SIZES: [((usize, usize), (usize, usize)); 6] = [
    ((112, 112), (224, 224)),
    ((300, 90), (31, 224)),
    ((640, 480), (224, 224)),
    ((1, 1), (5, 3)),
    ((7, 1), (3, 2)),
    ((5, 9), (5, 9)),
];

/// Of pictures that are turned.
const PICTURES: [(usize, usize); 3] = [(200, 150), (31, 64), (1, 1)];
/// Degrees, pixels of the picture for one of the crop, and where the crop begins: inside, across an edge, far beyond.
const WAYS: [(f64, f64, f64, f64); 4] =
    [(0.0, 1.0, 20.0, 10.0), (33.0, 1.9, 40.3, -7.6), (-110.0, 0.4, 12.2, 61.7), (10.0, 1.0, -5000.0, 3.0)];
/// Of a crop.
const SIDE: usize = 112;

pub fn check(ledger: &mut Ledger) {
    let (dtype, device) = (ledger.dtype, ledger.device());
    if matches!(takes(dtype, device), Ok(false)) {
        ledger.case("crops resized and turned", Kind::Told, |worst| {
            worst.near_number("this device leaves them to the CPU: there is nothing to compare", 0.0, 0.0);
            Ok(())
        });
        return;
    }
    ledger.case("crops resized, to the bit", Kind::Fact, |worst| {
        SIZES.into_iter().try_for_each(|(from, to)| resize(worst, from, to, dtype, device))
    });
    ledger.case("crops turned, to the byte", Kind::Fact, |worst| turns(worst, device));
}

fn resize(
    worst: &mut Worst,
    from: (usize, usize),
    to: (usize, usize),
    dtype: DType,
    device: &Device,
) -> Result<(), Error> {
    let numbers = 3 * from.0 * from.1;
    let bytes = pixels("crops", 2 * numbers);
    let want = bytes.chunks_exact(numbers).flat_map(|picture| resized(picture, from, to));
    let want: Vec<f32> = want.map(|value| f32::from(value) / 255.0).collect();
    let want = Tensor::from_vec(want, (2, to.1, to.0, 3), &Device::Cpu)?.to_dtype(dtype)?;
    let pictures = Tensor::from_vec(bytes, (2, from.1, from.0, 3), device)?;
    let got = Resize::new(from, to, device)?.forward(&pictures, dtype)?; // (2, 3, height, width)
    let got = got.permute((0, 2, 3, 1))?;
    let floats = |x: &Tensor| -> Result<Vec<f32>, Error> {
        Ok(x.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    };
    same(worst, &format!("{from:?} pixels to {to:?}"), &floats(&got)?, &floats(&want)?);
    Ok(())
}

fn turns(worst: &mut Worst, device: &Device) -> Result<(), Error> {
    let pictures = PICTURES.map(|size| (size, pixels("pictures", 3 * size.0 * size.1)));
    let mut views = Vec::new();
    for (size, data) in &pictures {
        for (degrees, scale, x, y) in WAYS {
            let (sine, cosine) = f64::to_radians(degrees).sin_cos();
            let borders = [0.0, 0.0, size.0 as f32, size.1 as f32];
            views.push(Turn { size: *size, data, way: [scale * cosine, scale * sine, x, y], borders });
        }
    }
    let crops = turn(&views, SIDE, device)?; // (n, side, side, 3)
    worst.holds(crops.len() == views.len() * 3 * SIDE * SIDE, || format!("{} bytes of crops", crops.len()));
    for (view, crop) in views.iter().zip(crops.chunks_exact(3 * SIDE * SIDE)) {
        same(worst, &format!("{:?} pixels by {:?}", view.size, view.way), crop, &turned(view));
    }
    Ok(())
}

/// Bytes that are the same everywhere.
fn pixels(name: &str, count: usize) -> Vec<u8> {
    integers(name, count, 256).into_iter().map(|value| value as u8).collect()
}

/// Says where numbers differ, and how many.
fn same<T: PartialEq>(worst: &mut Worst, what: &str, got: &[T], want: &[T]) {
    let differ = got.iter().zip(want).filter(|(got, want)| got != want).count();
    worst.holds(got.len() == want.len() && differ == 0, || {
        format!("{what}: {differ} of {} numbers differ", want.len())
    });
}

/// A picture (height, width, 3) as the CPU resizes it: across, then down.
fn resized(picture: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
    let weights = |input: usize, output: usize| Weights::new(input, 0.0, input as f64, output);
    let (Some(across), Some(down)) = (weights(from.0, to.0), weights(from.1, to.1)) else {
        return Vec::new();
    };
    let rows = picture.chunks_exact(3 * from.0);
    let strip: Vec<u8> = rows.flat_map(|row| pass(row, 3, &across)).collect(); // (height before, width, 3)
    pass(&strip, 3 * to.0, &down)
}

/// Weighted sums over places that are `stride` numbers apart, each rounded to a byte.
fn pass(numbers: &[u8], stride: usize, weights: &Weights) -> Vec<u8> {
    let sum = |span: &Span, offset: usize| {
        let seen = numbers[span.start * stride + offset..].iter().step_by(stride);
        let sum: i32 = seen.zip(weights.of(span)).map(|(&value, &weight)| i32::from(value) * weight).sum();
        ((sum + (1i32 << (PRECISION - 1))) >> PRECISION).min(255) as u8
    };
    let mut all = Vec::with_capacity(weights.spans().len() * stride);
    for span in weights.spans() {
        all.extend((0..stride).map(|offset| sum(span, offset)));
    }
    all
}

/// A crop (side, side, 3) as the CPU turns it: each pixel the mean of four places.
fn turned(view: &Turn) -> Vec<u8> {
    let pixel = |index: usize| {
        let (u, v) = ((index % SIDE) as f32, (index / SIDE) as f32);
        let mut sum = [0.0; 3];
        for (right, down) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
            add(view, f64::from(u + right), f64::from(v + down), &mut sum);
        }
        sum.map(|sum| (sum / 4.0 + 0.5) as u8)
    };
    (0..SIDE * SIDE).flat_map(pixel).collect()
}

/// Adds the colour at a place of the crop, read bilinearly, darker by how much of it lies beyond the borders.
fn add(view: &Turn, u: f64, v: f64, sum: &mut [f32; 3]) {
    let ([a, b, c, d], [left, top, right, bottom]) = (view.way, view.borders);
    let (x, y) = ((a * u - b * v + c) as f32, (b * u + a * v + d) as f32);
    let inside =
        |at: f32, from: f32, to: f32| (at - from + 0.5).clamp(0.0, 1.0) * (to - at + 0.5).clamp(0.0, 1.0);
    let shown = inside(x, left, right) * inside(y, top, bottom);
    if shown <= 0.0 {
        return;
    }
    let (width, height) = view.size;
    let (x, y) = ((x - 0.5).clamp(0.0, (width - 1) as f32), (y - 0.5).clamp(0.0, (height - 1) as f32));
    let (column, row) = (x as usize, y as usize);
    let (across, down) = (x - column as f32, y - row as f32);
    for (below, of_row) in [(0, 1.0 - down), (1, down)] {
        for (beside, of_column) in [(0, 1.0 - across), (1, across)] {
            let at = 3 * ((row + below).min(height - 1) * width + (column + beside).min(width - 1));
            for (sum, &value) in sum.iter_mut().zip(&view.data[at..at + 3]) {
                *sum += f32::from(value) * (of_column * of_row) * shown;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_moved_stays_and_what_lies_beyond_is_dark() {
        let bytes = pixels("crops", 3 * 5 * 9);
        assert_eq!(resized(&bytes, (5, 9), (5, 9)), bytes);
        let data = pixels("pictures", 3 * SIDE * SIDE);
        let borders = [0.0, 0.0, SIDE as f32, SIDE as f32];
        let view = |x: f64| Turn { size: (SIDE, SIDE), data: &data, way: [1.0, 0.0, x, 0.0], borders };
        assert!(turned(&view(-5000.0)).iter().all(|&value| value == 0));
        // The mean of four places around its middle: a grey picture stays grey.
        let grey = vec![77; 3 * SIDE * SIDE];
        let crop = turned(&Turn { data: &grey, ..view(0.0) });
        assert_eq!(crop[3 * (SIDE + 1)..3 * (SIDE + 4)], [77; 9]);
    }
}
