//! MOSEI's segmented format: a line `ID___CLIP___START___END___TEXT` for each clip, in seconds.

use affekt_core::Seconds;

use super::Cue;

pub(crate) const MARK: &str = "___";

/// One clip of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Its line, from 1.
    pub line: usize,
    /// The recording.
    pub video: String,
    /// The number of the clip, or what stands in its place.
    pub clip: String,
    /// Its time and words.
    pub cue: Cue,
}

/// The clips, where any line is one.
///
/// # Errors
/// A line among them that is none.
pub fn cues(text: &str) -> Result<Option<Vec<Cue>>, String> {
    let segments = segments(text);
    if !segments.iter().any(Result::is_ok) {
        return Ok(None);
    }
    let cue = |segment: Result<Segment, (usize, String)>| match segment {
        Ok(segment) => Ok(segment.cue),
        Err((line, _)) => Err(format!("line {line} is not ID___CLIP___START___END___TEXT, as others are")),
    };
    segments.into_iter().map(cue).collect::<Result<_, _>>().map(Some)
}

/// Every line that is not blank: a clip, or the number and the words of a line that is none. A line without a mark
/// continues the clip before it.
pub fn segments(text: &str) -> Vec<Result<Segment, (usize, String)>> {
    let mut segments: Vec<Result<Segment, (usize, String)>> = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match (segment(at + 1, line), segments.last_mut()) {
            (Some(segment), _) => segments.push(Ok(segment)),
            (None, Some(Ok(last))) if !line.contains(MARK) => {
                last.cue.text.push(' ');
                last.cue.text.push_str(line.trim());
            }
            _ => segments.push(Err((at + 1, line.to_owned()))),
        }
    }
    segments
}

/// An id may have a mark in it, as a text may: the times are the first two numbers behind the number of the clip, or
/// behind what stands in its place.
fn segment(line_number: usize, line: &str) -> Option<Segment> {
    // The text may have any number of marks, an id a few.
    let fields: Vec<&str> = line.splitn(10, MARK).collect();
    let times = |at: usize| Some((number(fields.get(at)?)?, number(fields.get(at + 1)?)?));
    // Behind the times there is a text, even if it is empty.
    let places = || (2..fields.len().saturating_sub(2)).filter(|&at| times(at).is_some());
    let numbered = |&at: &usize| fields[at - 1].trim().parse::<u32>().is_ok();
    let at = places().find(numbered).or_else(|| places().next())?;
    let (start, end) = times(at)?;
    let cue = Cue { start, end, text: fields[at + 2..].join(MARK).trim().to_owned() };
    let video = fields[..at - 1].join(MARK).trim().to_owned();
    Some(Segment { line: line_number, video, clip: fields[at - 1].trim().to_owned(), cue })
}

fn number(text: &str) -> Option<Seconds> {
    let seconds = text.trim().parse().ok().filter(|seconds: &f64| seconds.is_finite())?;
    Some(Seconds(seconds))
}
