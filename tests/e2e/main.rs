//! The main job on whole clips: the sample that ships with the project, and real clips where this machine has them.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod world;

use std::path::Path;

use affekt_testkit::realdata;
use assert_cmd::Command;
use serde_json::Value;

fn predict(media: &Path, flags: &[&str]) -> Value {
    let program = assert_cmd::cargo::cargo_bin("affekt");
    assert!(program.exists(), "{} is absent: run `cargo build -p affekt` first", program.display());
    let output = Command::new(program).arg("predict").arg(media).arg("--json").args(flags).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}: {stdout}", media.display());
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn the_sample_is_judged_with_face_voice_and_words() {
    let tiny = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/tiny"));
    let words = format!("@{}", tiny.join("sample.txt").display());
    let json = predict(&tiny.join("sample.mp4"), &["--transcript", &words]);
    assert!(json["valence"]["with_text"].is_number() && json["valence"]["without_text"].is_number());
    assert!(json["faces"]["coverage"].as_f64().unwrap() > 0.9, "{}", json["faces"]);
    assert_eq!((&json["audio"]["present"], &json["audio"]["silent"]), (&true.into(), &false.into()));
    assert!(json["simulated"]["tokens"].as_u64().unwrap() > 0);
}

#[test]
fn every_real_clip_has_a_valence() {
    for folder in ["video", "video_awkward"] {
        let Some(files) = realdata::files(folder, &["mp4", "mpg", "mov"]) else { return };
        assert!(!files.is_empty());
        for file in files {
            let json = predict(&file, &["--end", "1.0"]);
            assert!(json["valence"]["without_text"].is_number(), "{}", file.display());
            assert!(json["faces"]["frames"].as_u64().unwrap() > 0, "{}", file.display());
            // What the embedded bundle knows is a drawn world.
            let first = json["warnings"][0].as_str().unwrap();
            assert!(first.contains("knows only its small world"), "{}: {first}", file.display());
        }
    }
}
