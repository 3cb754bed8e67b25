//! YuNet: every layer against PyTorch (`yunet.py`), and the published weights against OpenCV's detections, where there
//! is real data.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::path::{Path, PathBuf};
use std::process::Command;

use affekt_core::RgbImage;
use affekt_faces::yunet::halved::halved;
use affekt_faces::yunet::model::{Network, doubled};
use affekt_faces::yunet::names::KEYS;
use affekt_faces::{Detection, Error, FaceDetector, Point, Rect, YuNet, read_image};
use affekt_nn::finite::NotFinite;
use affekt_testkit::golden::Golden;
use affekt_testkit::{assert_close, realdata};
use affekt_weights::Checkpoint;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.safetensors"))
}

fn seeded() -> Network {
    let checkpoint = Checkpoint::open(&golden("yunet.weights")).unwrap();
    checkpoint.load(&KEYS, DType::F32, &Device::Cpu, Network::load).unwrap()
}

#[test]
fn every_layer_agrees_with_the_reference() {
    let golden = Golden::open(golden("yunet"));
    let near = |layer: &str, got: &Tensor| assert_close(layer, got, &golden.tensor(layer), 1e-4);
    let network = seeded();
    let image = golden.tensor("image");
    let mut map = network.stem.forward(&image).unwrap();
    near("backbone.model0", &map);
    let mut scales = Vec::new();
    for (index, stage) in network.stages.iter().enumerate() {
        let input = if index == 1 { map } else { halved(&map).unwrap() };
        map = stage.forward(&input).unwrap();
        near(&format!("backbone.model{}", index + 1), &map);
        scales.push(map.clone());
    }
    let coarse = network.lateral[2].forward(&scales[4]).unwrap();
    near("neck.lateral_convs.2", &coarse);
    let middle = (&scales[3] + doubled(&coarse).unwrap()).unwrap();
    let middle = network.lateral[1].forward(&middle).unwrap();
    near("neck.lateral_convs.1", &middle);
    let fine = (&scales[2] + doubled(&middle).unwrap()).unwrap();
    let fine = network.lateral[0].forward(&fine).unwrap();
    near("neck.lateral_convs.0", &fine);
    for (scale, map) in [fine, middle, coarse].iter().enumerate() {
        near(&format!("heads.{scale}"), &network.heads[scale].forward(map).unwrap());
    }
    for (scale, seen) in network.forward(&image).unwrap().iter().enumerate() {
        near(&format!("heads.{scale}"), seen);
    }
}

#[test]
fn batches_equal_single_pictures_and_other_shapes_are_refused() {
    let network = seeded();
    let image = Golden::open(golden("yunet")).tensor("image");
    let other = (image.flip(&[1]).unwrap() * 0.5).unwrap();
    let together = network.forward(&Tensor::cat(&[&image, &other], 0).unwrap()).unwrap();
    for (index, alone) in [image, other].iter().enumerate() {
        for (together, alone) in together.iter().zip(network.forward(alone).unwrap()) {
            assert_close("batch", &together.narrow(0, index, 1).unwrap(), &alone, 1e-6);
        }
    }
    for shape in [&[1, 32, 48, 3][..], &[1, 3, 32, 32], &[0, 32, 32, 3], &[32, 32, 3], &[1, 0, 32, 3]] {
        assert!(
            network.forward(&Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap()).is_err(),
            "{shape:?}"
        );
    }
}

#[test]
fn numbers_that_are_none_are_traced_to_their_layer() {
    let weights = candle_core::safetensors::load(golden("yunet.weights"), &Device::Cpu).unwrap();
    let image = Golden::open(golden("yunet")).tensor("image");
    for (bad, layer) in [
        ("backbone.model0.conv1.bias", "backbone.model0"),
        ("backbone.model4.conv2.bn.weight", "backbone.model4"),
        ("neck.lateral_convs.1.conv1.weight", "neck.lateral_convs.1"),
        ("bbox_head.multi_level_kps.2.conv2.bias", "bbox_head of stride 32"),
    ] {
        let mut weights = weights.clone();
        let tensor = &weights[bad];
        weights.insert(bad.into(), (tensor * f64::NAN).unwrap());
        let network = Network::load(VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu)).unwrap();
        let error = network.forward(&image).unwrap_err();
        assert_eq!(NotFinite::of(&error).unwrap().layer, layer, "{bad}");
    }
    let error = seeded().forward(&(image * f64::INFINITY).unwrap()).unwrap_err();
    assert_eq!(NotFinite::of(&error).unwrap().layer, "the input images");
}

#[test]
fn weights_of_another_network_are_refused_and_odd_pictures_taken() {
    let checkpoint = Checkpoint::open(&golden("resize")).unwrap();
    let Err(Error::Weights(error)) = YuNet::load(&checkpoint, 320, &Device::Cpu) else { panic!("it fits") };
    assert!(error.to_string().contains("backbone.model0.conv1.weight [16, 3, 3, 3]"), "{error}");
    let checkpoint = Checkpoint::open(&golden("yunet.weights")).unwrap();
    let mut detector = YuNet::load(&checkpoint, 64, &Device::Cpu).unwrap();
    assert_eq!((detector.name(), detector.finds_landmarks()), ("yunet-n-64", true));
    assert_eq!(detector.weights(), Some(&checkpoint.digest()));
    for (width, height) in [(0, 0), (0, 9), (1, 1), (63, 65), (4000, 1), (3, 2000)] {
        let image = RgbImage { width, height, data: vec![200; 3 * width * height] };
        detector.detect(&image).unwrap();
    }
}

#[test]
fn pictures_of_any_sizes_are_found_in_together_as_alone() {
    let checkpoint = Checkpoint::open(&golden("yunet.weights")).unwrap();
    let mut detector = YuNet::load(&checkpoint, 64, &Device::Cpu).unwrap();
    let sizes = [(40, 30), (0, 9), (200, 150), (40, 30), (64, 64), (200, 150), (33, 64)];
    let picture = |(at, (width, height)): (usize, (usize, usize))| {
        let value = |place: usize| (place * (7 + at) % 251) as u8;
        RgbImage { width, height, data: (0..3 * width * height).map(value).collect() }
    };
    let pictures: Vec<RgbImage> = sizes.into_iter().enumerate().map(picture).collect();
    let together = detector.detect_batch(&pictures.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(together.len(), pictures.len());
    for (picture, together) in pictures.iter().zip(together) {
        let alone = detector.detect(picture).unwrap();
        assert_eq!(alone.len(), together.len());
        for (alone, together) in alone.iter().zip(together) {
            assert!((alone.score - together.score).abs() < 1e-4 && alone.bbox.iou(&together.bbox) > 0.999);
        }
    }
}

fn published(folder: &Path, file: &str, longest: usize) -> YuNet {
    let checkpoint = Checkpoint::open(&folder.join("face_detector").join(file)).unwrap();
    YuNet::load(&checkpoint, longest, &Device::Cpu).unwrap()
}

/// A row of `yunet_reference.tsv`: box, five landmarks, score.
fn reference(row: &[f32]) -> Detection {
    let at = |index: usize| Point { x: row[index], y: row[index + 1] };
    let landmarks = (row.len() == 15).then(|| [at(4), at(6), at(8), at(10), at(12)]);
    let score = *row.last().unwrap();
    Detection { bbox: Rect::new(row[0], row[1], row[2], row[3]), score, landmarks }
}

/// Holds the faces found against the reference's, which are all there when scored over 0.8: the least overlap and the
/// largest difference of scores.
#[expect(clippy::print_stdout, reason = "how near they are is worth knowing when one fails")]
fn compare(name: &str, found: &[Detection], wanted: &[Detection]) -> (f32, f32) {
    let (mut overlap, mut difference) = (1f32, 0f32);
    for wanted in wanted.iter().filter(|face| face.score > 0.8) {
        let near =
            |a: &&Detection, b: &&Detection| a.bbox.iou(&wanted.bbox).total_cmp(&b.bbox.iou(&wanted.bbox));
        let face = found.iter().max_by(near).unwrap_or_else(|| panic!("{name}: nothing found"));
        overlap = overlap.min(face.bbox.iou(&wanted.bbox));
        difference = difference.max((face.score - wanted.score).abs());
        let landmarks = face.landmarks.iter().flatten().zip(wanted.landmarks.iter().flatten());
        for (got, wanted_point) in landmarks {
            let distance = (got.x - wanted_point.x).hypot(got.y - wanted_point.y);
            assert!(distance < 0.05 * wanted.bbox.width, "{name}: a landmark is {distance} pixels off");
        }
    }
    println!("{name}: {} faces, overlap from {overlap:.3}, scores to {difference:.4}", found.len());
    (overlap, difference)
}

#[test]
fn pictures_agree_with_opencv() {
    let Some(pictures) = realdata::files("faces", &["jpg", "png"]) else { return };
    let folder = pictures[0].ancestors().nth(2).unwrap();
    let mut detector = published(folder, "yunet_n_320_320.onnx", YuNet::STILL_SIDE);
    let mut other = published(folder, "yunet_n_dynamic.onnx", YuNet::STILL_SIDE);
    let table = std::fs::read_to_string(pictures[0].with_file_name("yunet_reference.tsv")).unwrap();
    for line in table.lines().skip(1) {
        let row: Vec<&str> = line.split('\t').collect();
        let image = read_image(&pictures[0].with_file_name(row[0])).unwrap();
        assert_eq!(
            (image.width, image.height),
            (row[1].parse().unwrap(), row[2].parse().unwrap()),
            "{}",
            row[0]
        );
        let found = detector.detect(&image).unwrap();
        assert_eq!(other.detect(&image).unwrap(), found);
        let rows: Vec<Vec<f32>> = serde_json::from_str(row[4]).unwrap();
        let wanted: Vec<Detection> = rows.iter().map(|row| reference(row)).collect();
        let (overlap, difference) = compare(row[0], &found, &wanted);
        assert!(overlap > 0.9 && difference < 0.01, "{}", row[0]);
        assert!(found.len().abs_diff(wanted.len()) <= wanted.len() / 10, "{}: {}", row[0], found.len());
    }
}

/// One frame of a clip, decoded by the `ffmpeg` command.
fn frame(clip: &Path, index: usize, width: usize, height: usize) -> RgbImage {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(clip)
        .args(["-vf", &format!("select=eq(n\\,{index})"), "-frames:v", "1"])
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .unwrap();
    assert_eq!(output.stdout.len(), 3 * width * height, "{}", clip.display());
    RgbImage { width, height, data: output.stdout }
}

#[test]
fn frames_of_clips_agree_with_opencv() {
    for folder in ["video", "video_awkward"] {
        let Some(clips) = realdata::files(folder, &["mpg", "mp4", "mov"]) else { return };
        let table = std::fs::read_to_string(clips[0].with_file_name("yunet_reference.tsv")).unwrap();
        for line in table.lines().skip(1) {
            let row: Vec<&str> = line.split('\t').collect();
            // A clip without a face has no frame to look at.
            let Ok(wanted) = serde_json::from_str::<Vec<f32>>(row[7]) else { continue };
            let [width, height, index] = [2, 3, 6].map(|column: usize| row[column].parse().unwrap());
            let image = frame(&clips[0].with_file_name(row[0]), index, width, height);
            agrees_with_opencv(&clips[0], row[0], &image, &reference(&wanted), row[5] == "1");
        }
    }
}

/// The reference looks at frames as at pictures.
fn agrees_with_opencv(clip: &Path, name: &str, image: &RgbImage, wanted: &Detection, alone: bool) {
    let root = clip.ancestors().nth(2).unwrap();
    let mut whole = published(root, "yunet_n_dynamic.onnx", YuNet::STILL_SIDE);
    let (overlap, difference) = compare(name, &whole.detect(image).unwrap(), &[*wanted]);
    assert!(overlap > 0.9 && difference < 0.01, "{name}");
    // The reduced picture shows a little less.
    let mut reduced = published(root, "yunet_n_dynamic.onnx", YuNet::VIDEO_SIDE);
    let found = reduced.detect(image).unwrap();
    assert!(!alone || found.len() == 1, "{name}: {}", found.len());
    assert!(compare(name, &found, &[*wanted]).0 > 0.8, "{name}");
}
