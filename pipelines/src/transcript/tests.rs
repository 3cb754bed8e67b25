//! Tests by what they are about.

mod divided;
mod files;
mod fuzz;
mod shares;
mod subtitle;

use affekt_core::{Seconds, Span};

use super::{Cue, Transcript};

fn parse(text: &str) -> Transcript {
    Transcript::parse(text, false).unwrap()
}

fn refusal(text: &str) -> String {
    Transcript::parse(text, false).unwrap_err()
}

fn cue(start: f64, end: f64, text: &str) -> Cue {
    Cue { start: Seconds(start), end: Seconds(end), text: text.into() }
}

fn timed(cues: &[(f64, f64, &str)]) -> Transcript {
    Transcript::Timed(cues.iter().map(|&(start, end, text)| cue(start, end, text)).collect())
}

fn span(start: f64, end: f64) -> Span {
    Span::new(Some(start), Some(end)).unwrap()
}

#[test]
fn formats_are_seen_from_the_content() {
    let srt = "1\r\n00:00:01,000 --> 00:00:02,500\r\nhello <i>there</i>\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nbye\r\n";
    let vtt = "WEBVTT\n\n00:01.000 --> 00:02.500 align:start\nhello there\n\n00:03.000 --> 00:04.000\nbye";
    let mosei = "abc___0___1.0___2.5___hello there\nabc___1___3.0___4.0___bye\n";
    for text in [srt, vtt, mosei] {
        let transcript = parse(text);
        assert_eq!(transcript, timed(&[(1.0, 2.5, "hello there"), (3.0, 4.0, "bye")]));
        assert_eq!(transcript.within(Span::ALL).unwrap(), "hello there bye");
        assert_eq!(transcript.within(span(2.9, 9.0)).unwrap(), "bye");
        assert_eq!(transcript.within(Span::new(Some(8.0), None).unwrap()), None);
    }
    assert_eq!(parse(" I like 2 < 3. "), Transcript::Plain("I like 2 < 3.".into()));
    assert_eq!(parse("press A --> B"), Transcript::Plain("press A --> B".into()));
    assert_eq!(parse("a___b"), Transcript::Plain("a___b".into()));
}

#[test]
fn words_are_needed() {
    let silent_srt = "1\n00:00:01,000 --> 00:00:02,000\n<i> </i>\n";
    for text in ["", " \n", "\u{feff}", "abc___0___1.0___2.5___", "WEBVTT\n", silent_srt] {
        assert!(Transcript::parse(text, false).unwrap_err().contains("no words"), "{text:?}");
    }
    assert!(Transcript::from_argument("@absent.txt").unwrap_err().to_string().contains("absent.txt"));
    assert!(Transcript::from_argument("@home is where I am").is_err());
    assert!(Transcript::from_argument("").unwrap_err().to_string().contains("the text given"));
}

#[test]
fn any_script_and_any_length_pass() {
    for text in ["أنا سعيد جدا اليوم", "मैं आज बहुत खुश हूँ", "我今天很高兴", "วันนี้ฉันมีความสุขมาก", "😀👍🏽"]
    {
        assert_eq!(parse(text), Transcript::Plain(text.into()));
    }
    let long = "word ".repeat(10_000);
    assert_eq!(parse(&long).within(span(1.0, 2.0)).unwrap().split_whitespace().count(), 10_000);
}

#[test]
fn mosei_lines() {
    let text = "\n  a_b-c___0___ 1.5 ___2.5___ one \n\nx___y___1___0.25___1.25___two___2.0___3.0___three\nmore of it\n";
    assert_eq!(parse(text), timed(&[(0.25, 1.25, "two___2.0___3.0___three more of it"), (1.5, 2.5, "one")]));
    for broken in ["a___1___x___3.0___b", "a___1___2.0___nan___b", "a___1___2.0"] {
        let why = refusal(&format!("a___0___1.0___2.0___good\n\n{broken}\n"));
        assert!(why.contains("line 3"), "{broken}: {why}");
    }
    assert!(refusal("title\na___0___1.0___2.0___good\n").contains("line 1"));
}

#[test]
fn captions_that_roll_are_taken_once() {
    let text = "WEBVTT\nKind: captions\n\n\
        00:00:00.000 --> 00:00:02.389 align:start\n \nhello<00:00:00.719><c> and</c><00:00:00.880><c> you</c>\n\n\
        00:00:02.389 --> 00:00:02.399\nhello and you\n \n\n\
        00:00:02.399 --> 00:00:04.500\nhello and you\nno<00:00:03.000><c> no</c>\n\n\
        00:00:04.500 --> 00:00:04.510\nno no\n\n00:00:04.510 --> 00:00:06.000\nno no\nbye\n";
    assert_eq!(parse(text).within(Span::ALL).unwrap(), "hello and you no no bye");
    let spoken_twice = "WEBVTT\n\n00:01.000 --> 00:02.000\nno\n\n00:02.000 --> 00:03.000\nno\n";
    assert_eq!(parse(spoken_twice).within(Span::ALL).unwrap(), "no no");
}
