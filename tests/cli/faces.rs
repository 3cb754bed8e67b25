//! `affekt faces`: what it tells, what it draws, and what it refuses.

use std::fs;
use std::path::{Path, PathBuf};

use affekt_testkit::{clips, realdata};

use crate::command::{Ended, SAMPLE, affekt, project};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The one error of a command that could not begin.
fn refused(args: &[&str]) -> (String, String, String) {
    let ended = affekt(args.iter().chain(&["--json"]));
    assert_eq!(ended.code, 1, "{args:?}: {}", ended.stdout);
    assert_eq!((ended.stdout.lines().count(), ended.stderr.as_str()), (1, ""), "{}", ended.stdout);
    let error = &ended.json()["error"];
    let part = |name: &str| error[name].as_str().unwrap_or_else(|| panic!("no {name}: {error}")).to_owned();
    let for_people = affekt(args);
    assert_eq!((for_people.code, for_people.stdout.as_str()), (1, ""));
    assert_eq!(for_people.stderr.matches("error: ").count(), 1, "{}", for_people.stderr);
    assert!(for_people.stderr.contains("hint: "), "{}", for_people.stderr);
    (part("kind"), part("message"), part("hint"))
}

#[test]
fn weights_that_are_none_have_one_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent.onnx");
    let words = folder.path().join("words.onnx");
    fs::write(&words, "these are no weights\n").unwrap();
    let page = folder.path().join("page.safetensors");
    fs::write(&page, "<!doctype html><html></html>").unwrap();
    let other = project().join("crates/faces/tests/golden/resize.safetensors");
    for (weights, kind) in
        [(&absent, "not_found"), (&words, "bad_model"), (&page, "bad_model"), (&other, "bad_model")]
    {
        // Two inputs, one error: the weights are wrong once.
        let (found, message, hint) = refused(&["faces", SAMPLE, SAMPLE, "--yunet", text(weights)]);
        assert_eq!(found, kind, "{message}");
        assert!(message.contains(text(weights)), "{message}");
        assert!(!hint.is_empty(), "{message}");
    }
}

#[test]
fn a_folder_that_cannot_be_drawn_into_is_told_before_the_search() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for target in [file.join("below"), file] {
        let (kind, message, _) = refused(&["faces", SAMPLE, "--draw", text(&target)]);
        assert_eq!(kind, "unwritable", "{message}");
        assert!(message.contains(text(&target)), "{message}");
    }
}

/// A scene of the sample clip, then the same mirrored and with other colours.
fn two_scenes(folder: &Path) -> PathBuf {
    let path = folder.join("scenes.mp4");
    let sample = project().join(SAMPLE);
    let graph = "[0:v]trim=0:1,setpts=PTS-STARTPTS,setsar=1[a];\
                 [0:v]trim=2:3.4,setpts=PTS-STARTPTS,negate,setsar=1[b];\
                 [a][b]concat=n=2:v=1:a=0";
    clips::ffmpeg(&["-i", text(&sample), "-filter_complex", graph, "-preset", "ultrafast", text(&path)]);
    path
}

#[test]
fn cuts_are_told_and_end_the_speakers_track() {
    let folder = tempfile::tempdir().unwrap();
    let path = two_scenes(folder.path());
    let json = affekt(["faces", text(&path), "--json"]).json();
    let cuts = json["cuts"].as_array().unwrap();
    assert_eq!(cuts.len(), 1, "{}", json["cuts"]);
    let cut = cuts[0].as_u64().unwrap();
    for frame in json["faces"].as_array().unwrap() {
        for face in frame["boxes"].as_array().unwrap() {
            let first_scene = frame["frame"].as_u64().unwrap() < cut;
            assert!(face["track"] != json["speaker"] || first_scene, "{frame}");
            assert!(face["landmarks"].is_null(), "{face}");
        }
    }
    assert_eq!(json["with_face"].as_u64(), Some(cut), "the face is there from the first frame to the cut");
    let for_people = affekt(["faces", text(&path)]);
    assert!(for_people.stdout.contains("cuts at 1.0"), "{}", for_people.stdout);
}

#[test]
fn pictures_of_equal_names_do_not_replace_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let still = project().join("crates/faces/tests/fixtures/sample.1.jpg");
    for name in ["one", "two"] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::copy(&still, folder.path().join(name).join("still.jpg")).unwrap();
    }
    let drawn = folder.path().join("new/drawn");
    let ended = affekt(["faces", text(folder.path()), "--draw", text(&drawn), "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    let inputs = ended.json_lines();
    assert_eq!(inputs.len(), 2, "a folder is searched: {}", ended.stdout);
    for name in ["still.sheet.png", "still-2.sheet.png"] {
        assert!(drawn.join(name).is_file(), "{name}");
    }
    let Ended { code, stderr, .. } = affekt(["faces", text(&drawn.join("absent.jpg")), text(&still)]);
    assert_eq!(code, 2, "{stderr}");
}

#[test]
fn yunet_tells_five_landmarks_of_each_face() {
    let Some(pictures) = realdata::files("faces", &["jpg"]) else { return };
    let weights = pictures[0].ancestors().nth(2).unwrap().join("face_detector/yunet_n_320_320.onnx");
    let picture = pictures.iter().find(|path| path.ends_with("facenet_multiface.jpg")).unwrap();
    let json = affekt(["faces", text(picture), "--yunet", text(&weights), "--json"]).json();
    assert_eq!(json["recipe"].as_array().unwrap()[2], "align-five-112-v1");
    assert_eq!(json["cuts"].as_array().unwrap().len(), 0);
    let boxes = json["faces"][0]["boxes"].as_array().unwrap();
    assert_eq!(boxes.len(), 6);
    for face in boxes {
        let number = |name: &str| face[name].as_f64().unwrap();
        let points = face["landmarks"].as_array().unwrap();
        assert_eq!(points.len(), 5, "{face}");
        for point in points {
            let (x, y) = (point[0].as_f64().unwrap() - number("x"), point[1].as_f64().unwrap() - number("y"));
            assert!((0.0..number("width")).contains(&x) && (0.0..number("height")).contains(&y), "{face}");
        }
    }
}
