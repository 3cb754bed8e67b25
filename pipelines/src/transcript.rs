//! Words, from the command line or a file: plain text, SRT, WebVTT or MOSEI's segmented format.

use std::path::Path;

use affekt_core::{Seconds, Span};

use crate::Error;

/// What was said.
#[derive(Clone, Debug, PartialEq)]
pub enum Transcript {
    /// Words without times.
    Plain(String),
    /// Words with times, in file order.
    Timed(Vec<Cue>),
}

/// Words said between two times.
#[derive(Clone, Debug, PartialEq)]
pub struct Cue {
    /// First instant.
    pub start: Seconds,
    /// First instant after it.
    pub end: Seconds,
    /// The words.
    pub text: String,
}

impl Transcript {
    /// Reads the argument of `--transcript`: `@FILE`, or the words themselves.
    pub fn from_argument(argument: &str) -> Result<Self, Error> {
        match argument.strip_prefix('@') {
            Some(file) => Self::read(Path::new(file)),
            None if argument == "auto" => Err(Error::Transcript {
                name: argument.into(),
                reason: "speech recognition is not built into this version".into(),
            }),
            None => Self::parse(argument, "the text given"),
        }
    }

    /// Reads a file; its format is seen from its content.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let failed = |reason: String| Error::Transcript { name: name.clone(), reason };
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|error| failed(format!("it is not UTF-8: {error}")))?;
        Self::parse(&text, &name)
    }

    fn parse(text: &str, name: &str) -> Result<Self, Error> {
        // Editors on Windows put a byte order mark first and end lines with CR LF.
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        let transcript = mosei(&text).or_else(|| subtitles(&text));
        let transcript = transcript.map_or_else(|| Self::Plain(text.trim().to_owned()), Self::Timed);
        if transcript.is_empty() {
            return Err(Error::Transcript { name: name.into(), reason: "it has no words".into() });
        }
        Ok(transcript)
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Plain(text) => text.is_empty(),
            Self::Timed(cues) => cues.iter().all(|cue| cue.text.is_empty()),
        }
    }

    /// The words said in `span`: of timed words those whose middle lies in it. `None` where there are none.
    pub fn within(&self, span: Span) -> Option<String> {
        let text = match self {
            Self::Plain(text) => text.clone(),
            Self::Timed(cues) => {
                let inside = |cue: &&Cue| span.contains(Seconds((cue.start.0 + cue.end.0) / 2.0));
                cues.iter().filter(inside).map(|cue| cue.text.as_str()).collect::<Vec<_>>().join(" ")
            }
        };
        Some(text).filter(|text| !text.trim().is_empty())
    }
}

/// `ID___CLIP___START___END___TEXT`, on every line.
fn mosei(text: &str) -> Option<Vec<Cue>> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return None;
    }
    lines
        .into_iter()
        .map(|line| {
            let [_, _, start, end, text] = line.splitn(5, "___").collect::<Vec<_>>().try_into().ok()?;
            let (start, end) = (Seconds(start.trim().parse().ok()?), Seconds(end.trim().parse().ok()?));
            Some(Cue { start, end, text: text.trim().to_owned() })
        })
        .collect()
}

/// SRT and WebVTT: blocks parted by empty lines; in each a line of two times around `-->`, and the words after it.
fn subtitles(text: &str) -> Option<Vec<Cue>> {
    let cues: Vec<Cue> = text.split("\n\n").filter_map(cue).collect();
    (!cues.is_empty()).then_some(cues)
}

fn cue(block: &str) -> Option<Cue> {
    let mut lines = block.lines().skip_while(|line| !line.contains("-->"));
    let (start, end) = lines.next()?.split_once("-->")?;
    let start = clock(start)?;
    // WebVTT puts settings behind the second time.
    let end = clock(end.split_whitespace().next()?)?;
    let text = lines.map(without_tags).collect::<Vec<_>>().join(" ");
    Some(Cue { start, end, text: text.trim().to_owned() })
}

/// `[HH:]MM:SS.mmm`, with a comma in SRT.
fn clock(text: &str) -> Option<Seconds> {
    let text = text.trim().replace(',', ".");
    let parts: Vec<f64> = text.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    matches!(parts.len(), 2 | 3).then(|| Seconds(parts.iter().fold(0.0, |sum, part| sum * 60.0 + part)))
}

fn without_tags(line: &str) -> String {
    let mut inside = false;
    let kept = line.chars().filter(|&letter| {
        let keep = !inside && letter != '<';
        inside = letter == '<' || (inside && letter != '>');
        keep
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Transcript {
        Transcript::parse(text, "test").unwrap()
    }

    #[test]
    fn formats_are_seen_from_the_content() {
        let srt = "1\r\n00:00:01,000 --> 00:00:02,500\r\nhello <i>there</i>\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nbye\r\n";
        let vtt =
            "WEBVTT\n\n00:01.000 --> 00:02.500 align:start\nhello there\n\n00:03.000 --> 00:04.000\nbye";
        let mosei = "abc___0___1.0___2.5___hello there\nabc___1___3.0___4.0___bye\n";
        for text in [srt, vtt, mosei] {
            let transcript = parse(text);
            assert_eq!(transcript.within(Span::ALL).unwrap(), "hello there bye");
            let late = Span::new(Some(2.9), Some(9.0)).unwrap();
            assert_eq!(transcript.within(late).unwrap(), "bye");
            assert_eq!(transcript.within(Span::new(Some(8.0), None).unwrap()), None);
        }
        assert_eq!(parse(" I like 2 < 3. "), Transcript::Plain("I like 2 < 3.".into()));
    }

    #[test]
    fn words_are_needed() {
        for text in ["", " \n", "abc___0___1.0___2.5___"] {
            assert!(Transcript::parse(text, "test").is_err(), "{text:?}");
        }
        assert!(Transcript::from_argument("auto").unwrap_err().to_string().contains("auto"));
        assert!(Transcript::from_argument("@absent.txt").unwrap_err().to_string().contains("absent.txt"));
    }
}
