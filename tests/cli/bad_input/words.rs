//! Transcripts that are long, empty or in any script; spans outside.

use std::fs;
use std::path::PathBuf;

use super::{ORDINARY, remade};
use crate::command::SAMPLE;
use crate::guarded::{guarded, judged, predict, warns};

/// The clip and the argument for a transcript file of `text`.
fn with_words(folder: &tempfile::TempDir, text: &str) -> (PathBuf, String) {
    let clip = remade(folder.path(), "a.mp4", &["-t", "0.4"]);
    let words = folder.path().join("words.txt");
    fs::write(&words, text).unwrap();
    (clip, format!("@{}", words.display()))
}

/// Attention costs the square of the length: what is longer than the language model takes is cut, and that is told.
#[test]
fn ten_thousand_words() {
    let folder = tempfile::tempdir().unwrap();
    let text = "this is rather good news for everyone today ".repeat(1_250);
    let (clip, words) = with_words(&folder, &text);
    let json = judged(&clip, &["--transcript", &words], 900);
    assert!(json["valence"]["with_text"].is_number(), "{json}");
    assert!(warns(&json, &["only the first", "tokens of the transcript"]), "{json}");
}

#[test]
fn words_in_any_script() {
    let folder = tempfile::tempdir().unwrap();
    let scripts = [
        "هذا الفيلم جميل جدا وأحببته كثيرا",
        "這部電影真好看，我非常喜歡。",
        "यह फिल्म बहुत अच्छी है",
        "נהניתי מאוד מהסרט",
        "😀🎉 e\u{301}te\u{301} \u{200b}\u{feff} \u{202e}right to left",
    ];
    for text in scripts {
        let (clip, words) = with_words(&folder, text);
        let json = judged(&clip, &["--transcript", &words], ORDINARY);
        assert!(json["valence"]["with_text"].is_number(), "{text}: {json}");
    }
}

#[test]
fn transcripts_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, words) = with_words(&folder, "");
    let file = words.trim_start_matches('@');
    let refused = |content: Option<&[u8]>, argument: &str| {
        if let Some(content) = content {
            fs::write(file, content).unwrap();
        }
        let (code, json) = predict(&clip, &["--transcript", argument], ORDINARY);
        assert_eq!((code, json["error"]["kind"].as_str()), (1, Some("bad_transcript")), "{json}");
        assert!(json["error"]["hint"].is_string(), "{json}");
        json["error"]["message"].as_str().unwrap().to_owned()
    };
    for content in [
        &b""[..],
        b" \n\t\n",
        b"\xef\xbb\xbf",
        b"\x00\x01\x02\x7f words",
        b"WEBVTT\n\n00:01.000 --> 00:02.000\n",
    ] {
        assert!(refused(Some(content), &words).contains(file));
    }
    assert!(refused(None, "@/nowhere/words.txt").contains("/nowhere/words.txt"));
    refused(None, "");
}

#[test]
fn spans_outside_and_numbers_that_are_none() {
    let cases = [
        (["--start", "100"], "bad_span"),
        (["--start", "1e300"], "bad_span"),
        (["--start", "5.9"], "bad_span"),
        (["--start", "nan"], "bad_config"),
        (["--start", "inf"], "bad_config"),
        (["--start", "-1"], "bad_config"),
        (["--end", "nan"], "bad_config"),
        (["--end", "0"], "bad_config"),
        (["--end", "-3"], "bad_config"),
    ];
    for (flags, kind) in cases {
        let run = guarded(["predict", SAMPLE, "--json"].iter().chain(&flags));
        let error = &run.ended.json()["error"];
        assert_eq!((run.ended.code, error["kind"].as_str()), (1, Some(kind)), "{flags:?}: {error}");
        assert_eq!(run.ended.stderr, "", "{flags:?}");
    }
    // What is no number is a matter of usage, which clap tells in its own way.
    let run = guarded(["predict", SAMPLE, "--json", "--start", "noon"]);
    assert!(run.ended.code != 0 && run.ended.stderr.contains("noon"), "{}", run.ended.stderr);
}

/// Less than a frame of the speech encoder: too little to hear, enough to see.
#[test]
fn a_span_of_a_millisecond() {
    let json = judged(SAMPLE.as_ref(), &["--start", "1", "--end", "1.001"], ORDINARY);
    assert_eq!(json["faces"]["frames"], 1, "{json}");
    let text = ["--start", "1.01", "--end", "1.0101", "--transcript", "yes"];
    let json = judged(SAMPLE.as_ref(), &text, ORDINARY);
    assert_eq!(json["faces"]["frames"], 0, "{json}");
}
