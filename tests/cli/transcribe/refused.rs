//! What cannot be recognised, and flags that cannot be met.

use affekt_testkit::clips::Clip;
use serde_json::Value;

use crate::bundles::deaf;
use crate::command::{SAMPLE, affekt, project};

fn refused(args: &[&str]) -> Value {
    let ended = affekt(args.iter().chain(&["--json"]));
    assert_eq!((ended.code, ended.stderr.as_str()), (1, ""), "{args:?}: {}", ended.stdout);
    let error = ended.json_lines()[0]["error"].clone();
    assert!(error["hint"].is_string(), "{error}");
    error
}

#[test]
fn flags_that_cannot_be_met_are_refused_by_name() {
    let cases: [(&[&str], &str, &str); 9] = [
        (&["transcribe", SAMPLE, "--language", "tlh"], "bad_config", "tlh"),
        (&["predict", SAMPLE, "--transcript", "auto", "--language", "tlh"], "bad_config", "tlh"),
        (&["predict", SAMPLE, "--transcript", "It is.", "--language", "en"], "bad_config", "--language"),
        (&["transcribe", SAMPLE, "--models", "nowhere"], "bad_model", "nowhere"),
        (&["transcribe", SAMPLE, "--start", "2", "--end", "1"], "bad_config", "--start"),
        (&["transcribe", SAMPLE, "--start", "100"], "bad_span", "100"),
        (&["transcribe", SAMPLE, "--format", "srt"], "bad_config", "--json"),
        (&["transcribe", SAMPLE, "--out", "x", "--format", "text"], "bad_config", "--format"),
        (&["transcribe", SAMPLE, "--out", SAMPLE], "unwritable", SAMPLE),
    ];
    for (args, kind, named) in cases {
        let error = refused(args);
        assert_eq!(error["kind"], kind, "{error}");
        assert!(error["message"].as_str().unwrap().contains(named), "{error}");
    }
    assert!(!project().join("x").exists(), "nothing is made for what is refused");
}

#[test]
fn subtitles_of_several_recordings_need_a_folder() {
    let ended = affekt(["transcribe", SAMPLE, SAMPLE, "--format", "vtt"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert!(ended.stderr.contains("--format") && ended.stderr.contains("--out"), "{}", ended.stderr);
}

#[test]
fn a_film_without_a_sound_track_has_no_words() {
    let folder = tempfile::tempdir().unwrap();
    let mute = Clip::new(1.0).without_audio().write(folder.path(), "mute.mp4");
    let error = refused(&["transcribe", mute.to_str().unwrap()]);
    assert_eq!(error["kind"], "no_streams");
    assert!(error["message"].as_str().unwrap().contains("no sound track"), "{error}");
    let error = refused(&["transcribe", "absent.mp4"]);
    assert_eq!(error["kind"], "not_found");
}

#[test]
fn a_bundle_without_a_recogniser_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    deaf(folder.path());
    let bundle = folder.path().to_str().unwrap();
    for args in [&["transcribe"][..], &["predict", "--transcript", "auto"]] {
        let error = refused(&[args, &[SAMPLE, "--models", bundle]].concat());
        assert_eq!(error["kind"], "bad_model");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(bundle) && message.contains("no network whisper"), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("affekt models import"), "{error}");
    }
    let ended = affekt(["predict", SAMPLE, "--models", bundle, "--end", "0.5", "--quiet"]);
    assert_eq!(ended.code, 0, "without recognised words nothing is missing: {}", ended.stderr);
}
