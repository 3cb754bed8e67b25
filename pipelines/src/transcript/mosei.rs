//! MOSEI's segmented format: a line `ID___CLIP___START___END___TEXT` for each clip, in seconds.

use affekt_core::Seconds;

use super::Cue;

const MARK: &str = "___";

/// The clips, where any line is one. A line without a mark continues the clip before it.
///
/// # Errors
/// Any other line among them.
pub fn cues(text: &str) -> Result<Option<Vec<Cue>>, String> {
    let lines = || text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    if !lines().any(|(_, line)| cue(line).is_some()) {
        return Ok(None);
    }
    let mut cues: Vec<Cue> = Vec::new();
    for (at, line) in lines() {
        match (cue(line), cues.last_mut()) {
            (Some(cue), _) => cues.push(cue),
            (None, Some(last)) if !line.contains(MARK) => {
                last.text.push(' ');
                last.text.push_str(line.trim());
            }
            _ => return Err(format!("line {} is not ID___CLIP___START___END___TEXT, as others are", at + 1)),
        }
    }
    Ok(Some(cues))
}

/// An id may have a mark in it, as a text may: the times are the first two numbers behind the number of the clip, or
/// behind what stands in its place.
fn cue(line: &str) -> Option<Cue> {
    // The text may have any number of marks, an id a few.
    let fields: Vec<&str> = line.splitn(10, MARK).collect();
    let times = |at: usize| Some((number(fields.get(at)?)?, number(fields.get(at + 1)?)?));
    // Behind the times there is a text, even if it is empty.
    let places = || (2..fields.len().saturating_sub(2)).filter(|&at| times(at).is_some());
    let numbered = |&at: &usize| fields[at - 1].trim().parse::<u32>().is_ok();
    let at = places().find(numbered).or_else(|| places().next())?;
    let (start, end) = times(at)?;
    Some(Cue { start, end, text: fields[at + 2..].join(MARK).trim().to_owned() })
}

fn number(text: &str) -> Option<Seconds> {
    let seconds = text.trim().parse().ok().filter(|seconds: &f64| seconds.is_finite())?;
    Some(Seconds(seconds))
}
