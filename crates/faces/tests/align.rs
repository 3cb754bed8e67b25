//! Alignment on a drawn face, turned, scaled and shifted.

use affekt_core::RgbImage;
use affekt_faces::align::{Similarity, TEMPLATE, align_on};
use affekt_faces::{CROP_SIZE, Landmarks, Point, align};
use affekt_nn::frames;
use candle_core::{DType, Device};

/// A way from the template to a picture: turned by `degrees`, `scale` pixels for one, the crop's middle at (`x`, `y`).
fn placed(degrees: f64, scale: f64, x: f64, y: f64) -> Similarity {
    let (a, b) = (scale * degrees.to_radians().cos(), scale * degrees.to_radians().sin());
    let middle = CROP_SIZE as f64 / 2.0;
    Similarity { a, b, x: x - (a - b) * middle, y: y - (b + a) * middle }
}

fn landmarks(way: &Similarity) -> Landmarks {
    TEMPLATE.map(|point| way.apply(point))
}

/// What there is to see at a place of the template: waves of 16 pixels and more, another in each colour.
fn pattern(at: Point) -> [f32; 3] {
    let wave = |across: f32, down: f32| 128.0 + 55.0 * (across * at.x).sin() + 55.0 * (down * at.y).cos();
    [wave(0.21, 0.17), wave(0.13, 0.39), wave(0.3, 0.05)]
}

/// A picture of 640 x 480 that shows the pattern by `way`; each pixel is the mean of 16 places.
fn picture(way: &Similarity) -> RgbImage {
    let square = way.a * way.a + way.b * way.b;
    let (a, b) = (way.a / square, -way.b / square);
    let back = Similarity { a, b, x: -(a * way.x - b * way.y), y: -(b * way.x + a * way.y) };
    let mut image = RgbImage::black(640, 480);
    for (index, pixel) in image.data.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        let mut sum = [0.0; 3];
        for sample in 0..16 {
            let x = (index % 640) as f32 + (sample % 4) as f32 / 4.0 + 0.125;
            let y = (index / 640) as f32 + (sample / 4) as f32 / 4.0 + 0.125;
            let seen = pattern(back.apply(Point { x, y }));
            sum.iter_mut().zip(seen).for_each(|(sum, value)| *sum += value / 16.0);
        }
        *pixel = sum.map(|value| value as u8);
    }
    image
}

/// Mean and largest difference of a crop from the pattern.
fn error(crop: &RgbImage) -> (f32, f32) {
    let (mut sum, mut largest) = (0.0, 0f32);
    for (index, pixel) in crop.data.as_chunks::<3>().0.iter().enumerate() {
        let (x, y) = ((index % CROP_SIZE) as f32 + 0.5, (index / CROP_SIZE) as f32 + 0.5);
        for (&got, want) in pixel.iter().zip(pattern(Point { x, y })) {
            let difference = (f32::from(got) - want).abs();
            sum += difference;
            largest = largest.max(difference);
        }
    }
    (sum / crop.data.len() as f32, largest)
}

#[test]
fn the_same_face_gives_the_same_crop_however_it_lies() {
    let ways = [
        (0.0, 1.0, 320.0, 240.0),
        (0.0, 1.0, 320.37, 240.81),
        (30.0, 1.0, 301.5, 222.2),
        (-75.0, 1.7, 320.0, 240.0),
        (180.0, 2.0, 320.0, 240.0),
        (12.0, 2.9, 320.0, 240.0),
        (-5.0, 3.9, 320.0, 240.0),
        (8.0, 0.6, 100.0, 100.0),
    ];
    for (degrees, scale, x, y) in ways {
        let way = placed(degrees, scale, x, y);
        let crop = align(&picture(&way), &landmarks(&way)).unwrap();
        assert_eq!((crop.width, crop.height), (CROP_SIZE, CROP_SIZE));
        let (mean, largest) = error(&crop);
        // Smoothing takes a little of the finest waves; a shift by a tenth of a pixel would make 1.2 on average.
        assert!(mean < 2.0 && largest < 10.0, "{degrees} degrees, scale {scale}: {mean} {largest}");
    }
}

#[test]
fn slow_motion_does_not_shimmer() {
    let mut last: Option<RgbImage> = None;
    for step in 0..20 {
        let shift = f64::from(step) * 0.11;
        let way = placed(3.0 + shift, 1.4 + 0.05 * shift, 320.0 + shift, 240.0 - shift);
        let crop = align(&picture(&way), &landmarks(&way)).unwrap();
        if let Some(last) = last {
            let sum: u32 = crop.data.iter().zip(&last.data).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
            let mean = sum as f32 / crop.data.len() as f32;
            assert!(mean < 0.7, "step {step}: {mean}");
        }
        last = Some(crop);
    }
}

#[test]
fn landmarks_land_on_the_template() {
    for (degrees, scale) in [(0.0, 1.0), (25.0, 3.0), (-170.0, 0.2)] {
        let points = landmarks(&placed(degrees, scale, 77.0, -12.0));
        let fit = Similarity::fit(&points, &TEMPLATE).unwrap();
        for (point, want) in points.into_iter().zip(TEMPLATE) {
            let got = fit.apply(point);
            assert!((got.x - want.x).hypot(got.y - want.y) < 0.01, "{got:?} {want:?}");
        }
    }
    let same = Similarity::fit(&TEMPLATE, &TEMPLATE).unwrap();
    assert!((same.a - 1.0).abs() < 1e-9 && same.b.abs() < 1e-9 && same.x.hypot(same.y) < 1e-6, "{same:?}");
}

#[test]
fn a_face_cut_by_the_border_stays_in_place_and_the_rest_is_black() {
    // The crop's left third lies beyond the picture.
    let way = placed(0.0, 1.0, 56.0 - 37.5, 240.0);
    let crop = align(&picture(&way), &landmarks(&way)).unwrap();
    for y in [3, 56, 108] {
        assert_eq!((crop.pixel(0, y), crop.pixel(36, y)), ([0; 3], [0; 3]));
        let want = pattern(Point { x: 60.5, y: y as f32 + 0.5 });
        let near = |(got, want): (u8, f32)| (f32::from(got) - want).abs() < 6.0;
        assert!(crop.pixel(60, y).into_iter().zip(want).all(near), "{:?} {want:?}", crop.pixel(60, y));
        // Half of this pixel is inside.
        let want = pattern(Point { x: 37.5, y: y as f32 + 0.5 }).map(|value| value / 2.0);
        let near = |(got, want): (u8, f32)| (f32::from(got) - want).abs() < 8.0;
        assert!(crop.pixel(37, y).into_iter().zip(want).all(near), "{:?} {want:?}", crop.pixel(37, y));
    }
    let far = placed(10.0, 1.0, -5000.0, 240.0);
    assert_eq!(align(&picture(&way), &landmarks(&far)).unwrap(), RgbImage::black(CROP_SIZE, CROP_SIZE));
}

#[test]
fn points_that_are_no_face_are_refused() {
    let image = RgbImage::black(64, 64);
    let at = |x: f32, y: f32| Point { x, y };
    let mirrored = TEMPLATE.map(|point| at(-point.x, point.y));
    let mut not_finite = TEMPLATE;
    not_finite[3].y = f32::NAN;
    let mut endless = TEMPLATE;
    endless[0].x = f32::INFINITY;
    let huge = TEMPLATE.map(|point| at(point.x * 1e38, point.y * 1e38));
    for points in [[at(5.0, 5.0); 5], not_finite, endless, TEMPLATE.map(|p| at(p.x / 500.0, p.y))] {
        // The last has one line for a face, which still turns like one.
        let crop = align(&image, &points);
        assert!(crop.is_none_or(|crop| crop == RgbImage::black(CROP_SIZE, CROP_SIZE)), "{points:?}");
    }
    assert_eq!(align(&image, &[at(5.0, 5.0); 5]), None);
    assert_eq!(align(&image, &not_finite), None);
    // A mirrored face is fitted without a mirror, or refused; neither panics.
    align(&image, &mirrored);
    align(&image, &huge);
    align(&RgbImage::black(0, 0), &TEMPLATE);
    align(&RgbImage::black(1, 1), &TEMPLATE).unwrap();
}

/// With the kernels of `affekt-nn` emulated, this runs them.
#[test]
fn a_card_turns_to_the_same_bytes() {
    let device = &Device::Cpu;
    if !frames::takes(DType::F32, device).unwrap() {
        return;
    }
    let ways = [
        placed(0.0, 1.0, 320.0, 240.0),
        placed(33.0, 0.4, 300.0, 200.0),
        placed(-110.0, 2.3, 10.0, 400.0),
        placed(10.0, 1.0, -5000.0, 240.0),
        placed(5.0, 0.1, 320.0, 240.0),
        placed(179.0, 1.7, 630.0, 5.0),
    ];
    let mut faces: Vec<(RgbImage, Landmarks)> =
        ways.iter().map(|way| (picture(way), landmarks(way))).collect();
    faces.push((RgbImage::black(20, 20), [Point { x: 5.0, y: 5.0 }; 5]));
    faces.push((RgbImage { width: 1, height: 1, data: vec![7, 8, 9] }, TEMPLATE));
    faces.push((RgbImage::black(0, 0), TEMPLATE));
    let given: Vec<_> = faces.iter().map(|(image, landmarks)| (image, landmarks)).collect();
    let crops = align_on(device, &given).unwrap();
    for ((image, landmarks), crop) in faces.iter().zip(&crops) {
        assert!(*crop == align(image, landmarks), "{landmarks:?}");
    }
    assert!(align_on(device, &[]).unwrap().is_empty());
    assert!(frames::turn(&[], CROP_SIZE, device).is_err());
}
