//! `predict --transcript auto`: valence by recognised words.

use affekt_testkit::clips;
use serde_json::Value;

use super::{has_warning, number, sound, words_of};
use crate::bundles::digest;
use crate::command::{SAMPLE, affekt, project};

fn auto(media: &[&str], flags: &[&str]) -> Vec<Value> {
    let ended = affekt(["predict", "--json", "--transcript", "auto"].iter().chain(media).chain(flags));
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    ended.json_lines()
}

#[test]
fn recognised_words_are_judged_and_told_apart() {
    let json = &auto(&[SAMPLE], &[])[0];
    assert_eq!(json["text_source"], "asr");
    assert!(json["valence"]["with_text"].is_number() && json["timing_s"]["recognise"].is_number(), "{json}");
    // The words that `transcribe` finds, given as they are, say the same.
    let words = words_of(SAMPLE, &[]);
    let text = words["text"].as_str().unwrap();
    let given = affekt(["predict", SAMPLE, "--json", "--transcript", text]).json();
    assert_eq!(given["text_source"], "transcript");
    assert_eq!(given["valence"], json["valence"]);
    assert!(given["timing_s"]["recognise"].is_null(), "the network is there only where it is asked for");
    let foreign = words["language"] != "en";
    assert_eq!(has_warning(json, "the recognised language is"), foreign, "{json}");
    assert!(!has_warning(&auto(&[SAMPLE], &["--language", "en"])[0], "the recognised language"));
}

#[test]
fn where_nothing_is_recognised_no_source_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let sample = project().join(SAMPLE).display().to_string();
    let remade = |name: &str, flags: &[&str]| {
        let path = folder.path().join(name).display().to_string();
        clips::ffmpeg(&[&["-i", &sample, "-t", "1"], flags, &[&path]].concat());
        path
    };
    let (mute, silent) = (remade("mute.mp4", &["-an"]), remade("silent.mp4", &["-af", "volume=0"]));
    for json in auto(&[SAMPLE, &mute, &silent], &[]) {
        let heard = json["input"] == SAMPLE;
        assert_eq!(json["text_source"], if heard { "asr".into() } else { Value::Null }, "{json}");
        assert_eq!(json["valence"]["with_text"].is_number(), heard);
        assert_eq!(has_warning(&json, "no words were recognised"), !heard, "{json}");
    }
}

#[test]
fn every_window_of_a_long_recording_has_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let source = "aevalsrc='lt(mod(t,5),4)*0.3*sin(2*PI*(200+50*sin(6*t))*t)':s=16000:d=50";
    let talk = sound(folder.path(), "talk.wav", source);
    let talk = talk.to_str().unwrap();
    let lines = auto(&[talk], &["--language", "en"]);
    let json = lines.last().unwrap();
    let words = words_of(talk, &["--language", "en"]);
    for window in json["timeline"].as_array().unwrap() {
        let inside = |segment: &&Value| {
            let start = number(&segment["start"]);
            start >= number(&window["start"]) && start < number(&window["end"])
        };
        let said = words["segments"].as_array().unwrap().iter().find(inside).is_some();
        assert_eq!(window["with_text"].is_number(), said, "{window}");
    }
}

#[test]
fn the_page_says_that_words_were_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    auto(&[SAMPLE], &["--report", page.to_str().unwrap()]);
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("recognised words") && html.contains("The transcript was recognised."));
    assert!(html.contains(&digest("whisper/model.safetensors")), "the digest of Whisper's weights");
}

/// `auto` is a word, too.
#[test]
fn the_word_itself_comes_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("words.txt");
    std::fs::write(&file, "auto").unwrap();
    let json =
        affekt(["predict", SAMPLE, "--json", "--end", "1", "--transcript", &format!("@{}", file.display())]);
    assert_eq!(json.json()["text_source"], "transcript");
}
