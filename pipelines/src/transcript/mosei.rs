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

/// The times are the first two neighbouring numbers behind id and clip: an id may have a mark in it, as a text may.
fn cue(line: &str) -> Option<Cue> {
    let marks: Vec<usize> = line.match_indices(MARK).map(|(at, _)| at).collect();
    marks.windows(3).skip(1).find_map(|marks| {
        let [before, between, after] = *marks else { return None };
        let start = number(&line[before + MARK.len()..between])?;
        let end = number(&line[between + MARK.len()..after])?;
        let text = line[after + MARK.len()..].trim().to_owned();
        Some(Cue { start, end, text })
    })
}

fn number(text: &str) -> Option<Seconds> {
    let seconds = text.trim().parse().ok().filter(|seconds: &f64| seconds.is_finite())?;
    Some(Seconds(seconds))
}
