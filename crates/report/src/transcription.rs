//! Recognised words: as data, as a block for people, and as subtitles.

use std::fmt::Write;

use affekt_core::Seconds;
use serde::Serialize;

use crate::prediction::Timing;
use crate::text::clock;

/// The words of one input. Field names and order are the contract of `transcribe --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transcription {
    /// The input as it was named.
    pub input: String,
    /// Duration of what was listened to.
    pub duration_s: Seconds,
    /// Name of the bundle that recognised.
    pub bundle: String,
    /// The language, by its code; `None` where no words were recognised, and of a network that knows but one.
    pub language: Option<String>,
    /// What was said, in the order of time.
    pub segments: Vec<Segment>,
    /// The words of all segments.
    pub text: String,
    /// What a user should know before trusting the words.
    pub warnings: Vec<String>,
    /// Wall time by stage.
    pub timing_s: Timing,
}

/// Words said without a break. Times count from the start of the recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Segment {
    /// First instant.
    pub start: Seconds,
    /// First instant after it.
    pub end: Seconds,
    /// The words.
    pub text: String,
    /// Mean log-probability of a token of its window: 0 is certainty.
    pub log_probability: f64,
    /// How probable it is that nothing is said in the window of the segment, from 0 to 1.
    pub no_speech: f64,
    /// Whether the words repeat themselves.
    pub looped: bool,
}

impl Transcription {
    /// A line a segment, with its times, below the input and its warnings; ends in a line break.
    pub fn block(&self) -> String {
        let Self { input, duration_s, bundle, language, .. } = self;
        let language = language.as_ref().map(|code| format!("language {code}, ")).unwrap_or_default();
        let mut out = format!("{input}  ({:.1} s, {language}bundle {bundle})\n", duration_s.0);
        // Writing to a String cannot fail.
        for warning in &self.warnings {
            let _ = writeln!(out, "  warning: {warning}");
        }
        for Segment { start, end, text, .. } in &self.segments {
            let _ = writeln!(out, "  {:>9} - {:>9}  {text}", clock(start.0), clock(end.0));
        }
        out
    }

    /// As SubRip subtitles.
    pub fn srt(&self) -> String {
        let cues = self.segments.iter().zip(1..).map(|(segment, number)| {
            let (start, end) = (stamp(segment.start, ','), stamp(segment.end, ','));
            // An arrow among the words would be read as one between times.
            let text = segment.text.replace("-->", "->");
            format!("{number}\n{start} --> {end}\n{text}\n")
        });
        cues.collect::<Vec<_>>().join("\n")
    }

    /// As WebVTT subtitles. Each cue has a number, lest a line of digits above times be taken for one.
    pub fn vtt(&self) -> String {
        let cues = self.segments.iter().zip(1..).map(|(segment, number)| {
            let (start, end) = (stamp(segment.start, '.'), stamp(segment.end, '.'));
            let text = segment.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            format!("\n{number}\n{start} --> {end}\n{text}\n")
        });
        std::iter::once("WEBVTT\n".to_owned()).chain(cues).collect()
    }
}

/// `01:02:03,456`: hours in full, thousandths behind `point`.
fn stamp(time: Seconds, point: char) -> String {
    let thousandths = (time.0.max(0.0) * 1000.0).round() as u64;
    let (seconds, rest) = (thousandths / 1000, thousandths % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{rest:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(texts: &[&str]) -> Transcription {
        let segment = |(at, text): (usize, &&str)| Segment {
            start: Seconds(3661.5 + at as f64),
            end: Seconds(3662.0004 + at as f64),
            text: (*text).to_owned(),
            log_probability: -0.25,
            no_speech: 0.125,
            looped: false,
        };
        Transcription {
            input: "talk.mkv".into(),
            duration_s: Seconds(3700.0),
            bundle: "tiny".into(),
            language: Some("en".into()),
            segments: texts.iter().enumerate().map(segment).collect(),
            text: texts.join(" "),
            warnings: vec!["doubtful".into()],
            timing_s: Timing::default(),
        }
    }

    #[test]
    fn people_read_a_line_a_segment() {
        let expected = "talk.mkv  (3700.0 s, language en, bundle tiny)\n  warning: doubtful\n  \
                        1:01:01.5 - 1:01:02.0  Well.\n";
        assert_eq!(said(&["Well."]).block(), expected);
    }

    #[test]
    fn subtitles_have_numbers_times_and_words() {
        let said = said(&["Well & good.", "a --> b"]);
        let srt =
            "1\n01:01:01,500 --> 01:01:02,000\nWell & good.\n\n2\n01:01:02,500 --> 01:01:03,000\na -> b\n";
        assert_eq!(said.srt(), srt);
        let vtt = "WEBVTT\n\n1\n01:01:01.500 --> 01:01:02.000\nWell &amp; good.\n\n\
                   2\n01:01:02.500 --> 01:01:03.000\na --&gt; b\n";
        assert_eq!(said.vtt(), vtt);
        let none = Transcription { segments: Vec::new(), ..said };
        assert_eq!((none.srt(), none.vtt()), (String::new(), "WEBVTT\n".to_owned()));
    }

    #[test]
    fn programs_read_the_members_in_order() {
        let json = serde_json::to_string(&said(&["Well."])).unwrap();
        let expected = r#"{"input":"talk.mkv","duration_s":3700.0,"bundle":"tiny","language":"en","segments":[{"start":3661.5,"end":3662.0004,"text":"Well.","log_probability":-0.25,"no_speech":0.125,"looped":false}],"text":"Well.","warnings":["doubtful"],"timing_s":{"total":0.0}}"#;
        assert_eq!(json, expected);
    }
}
