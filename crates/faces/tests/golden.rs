//! `resize` against Pillow, to the byte. `golden.py` makes the file.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use affekt_core::RgbImage;
use affekt_faces::Rect;
use affekt_faces::resize::{resize, resize_part};
use affekt_nn::frames;
use affekt_testkit::golden::Golden;
use candle_core::{DType, Device, Tensor};

fn picture(golden: &Golden, name: &str) -> RgbImage {
    let tensor = golden.tensor(name); // (height, width, 3)
    let (height, width, _) = tensor.dims3().unwrap();
    RgbImage { width, height, data: tensor.flatten_all().unwrap().to_vec1().unwrap() }
}

#[test]
fn resize_equals_pillow_byte_by_byte() {
    let golden = Golden::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/resize.safetensors"));
    let cases = golden.names().len() / 3;
    assert!(cases >= 7);
    for case in 0..cases {
        let source = picture(&golden, &format!("source.{case}"));
        let want = picture(&golden, &format!("resized.{case}"));
        let corners: Vec<f64> = golden.tensor(&format!("box.{case}")).to_vec1().unwrap();
        let [left, top, right, bottom] = corners[..] else { panic!("a box has four corners") };
        let area = Rect::new(left as f32, top as f32, (right - left) as f32, (bottom - top) as f32);
        let got = resize_part(&source, area, want.width, want.height);
        assert!(got == want, "case {case}: {} bytes differ", differing(&got, &want));
        if area == Rect::new(0.0, 0.0, source.width as f32, source.height as f32) {
            assert!(resize(&source, want.width, want.height) == want, "case {case}, whole");
        }
    }
}

fn differing(got: &RgbImage, want: &RgbImage) -> usize {
    got.data.iter().zip(&want.data).filter(|(got, want)| got != want).count()
}

#[test]
fn pictures_without_pixels_are_taken() {
    assert_eq!(resize(&RgbImage::black(0, 7), 2, 2), RgbImage::black(2, 2));
    assert_eq!(resize(&RgbImage::black(3, 3), 0, 5), RgbImage::black(0, 5));
}

/// Cards resize by the same weights; with the kernels of `affekt-nn` emulated, this runs them.
#[test]
fn a_card_resizes_to_the_same_bits() {
    let device = &Device::Cpu;
    if !frames::takes(DType::F32, device).unwrap() {
        return;
    }
    let sizes = [
        ((112, 112), (224, 224)),
        ((1, 1), (5, 3)),
        ((7, 1), (3, 2)),
        ((300, 90), (31, 224)),
        ((5, 9), (5, 9)),
    ];
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    let mut side = || 1 + random() as usize % 70;
    let more: Vec<_> = (0..20).map(|_| ((side(), side()), (side(), side()))).collect();
    for ((width, height), (to_width, to_height)) in sizes.into_iter().chain(more) {
        let pictures: Vec<RgbImage> = (0..2)
            .map(|_| RgbImage {
                width,
                height,
                data: (0..3 * width * height).map(|_| random() as u8).collect(),
            })
            .collect();
        let bytes = pictures.iter().flat_map(|picture| picture.data.clone()).collect();
        let bytes = Tensor::from_vec(bytes, (2, height, width, 3), device).unwrap();
        let card = frames::Resize::new((width, height), (to_width, to_height), device).unwrap();
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            let got = card.forward(&bytes, dtype).unwrap(); // (2, 3, height, width)
            assert_eq!(got.dims(), [2, 3, to_height, to_width]);
            let want: Vec<f32> = pictures
                .iter()
                .flat_map(|picture| resize(picture, to_width, to_height).data)
                .map(|value| f32::from(value) / 255.0)
                .collect();
            let want = Tensor::from_vec(want, (2, to_height, to_width, 3), device).unwrap();
            let numbers =
                |x: Tensor| x.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let got = numbers(got.permute((0, 2, 3, 1)).unwrap());
            assert!(
                got == numbers(want.to_dtype(dtype).unwrap()),
                "{width} x {height} to {to_width} x {to_height}"
            );
        }
    }
    assert!(frames::Resize::new((0, 3), (2, 2), device).is_err());
    let resize = frames::Resize::new((3, 3), (2, 2), device).unwrap();
    assert!(resize.forward(&Tensor::zeros((1, 4, 3, 3), DType::U8, device).unwrap(), DType::F32).is_err());
}
