//! `resize` against Pillow, to the byte. `golden.py` makes the file.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use affekt_core::RgbImage;
use affekt_faces::Rect;
use affekt_faces::resize::{resize, resize_part};
use affekt_testkit::golden::Golden;

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
