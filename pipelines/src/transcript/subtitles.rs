//! SRT and WebVTT: blocks parted by empty lines; in each perhaps a name, then a line of two times, then the words.
//!
//! Read line by line, and with what is found in the wild: counters that are missing, a missing or an extra empty line,
//! words behind an empty line inside a cue, `,` or `.` before the fraction, hours or none. Captions that roll, as video
//! sites make them, show each line once more above the next one; it is taken once.

use affekt_core::Seconds;

use super::{Cue, markup};

const ARROW: &str = "-->";

/// Blocks of WebVTT that have no words.
const COMMENTS: [&str; 3] = ["NOTE", "STYLE", "REGION"];

/// The cues, where the text has a header of WebVTT or any line of two times.
///
/// # Errors
/// A line that is meant to hold two times and does not; words before all times.
pub fn cues(text: &str) -> Result<Option<Vec<Cue>>, String> {
    let lines = || text.lines().map(str::trim);
    let header = lines().next().is_some_and(|line| is_named(line, "WEBVTT"));
    if !header && !lines().any(|line| times(line).is_some()) {
        return Ok(None);
    }
    let lines: Vec<&str> = lines().collect();
    let rolls = lines.iter().any(|line| markup::has_time(line));
    let mut reader = Reader { header, rolls, lines: &lines, cues: Vec::new(), shown: String::new() };
    let mut at = if header { reader.behind_header() } else { 0 };
    // Whether the line belongs to a block whose times were read.
    let mut in_cue = false;
    while at < lines.len() {
        (at, in_cue) = reader.line(at, in_cue)?;
    }
    for cue in &mut reader.cues {
        cue.text = markup::without(&cue.text);
    }
    Ok(Some(reader.cues))
}

struct Reader<'a> {
    header: bool,
    /// Whether words inside of cues have times: a mark of captions that roll.
    rolls: bool,
    lines: &'a [&'a str],
    cues: Vec<Cue>,
    /// The last line of words.
    shown: String,
}

impl Reader<'_> {
    /// The first line after the header, whose block may hold metadata.
    fn behind_header(&self) -> usize {
        let ends = |at: &usize| {
            self.lines[*at].is_empty() || self.names_cue(*at) || times(self.lines[*at]).is_some()
        };
        (1..self.lines.len()).find(ends).unwrap_or(self.lines.len())
    }

    /// Takes the line; returns the next one, and whether that is still in a cue.
    fn line(&mut self, at: usize, in_cue: bool) -> Result<(usize, bool), String> {
        let line = self.lines[at];
        if line.is_empty() {
            return Ok((at + 1, false));
        }
        if let Some((start, end)) = times(line) {
            self.cues.push(Cue { start, end, text: String::new() });
            return Ok((at + 1, true));
        }
        if self.is_counter(at) || (!in_cue && self.header && self.names_cue(at)) {
            return Ok((at + 1, false));
        }
        if !in_cue && self.header && COMMENTS.iter().any(|name| is_named(line, name)) {
            let end = (at..self.lines.len()).find(|&at| self.lines[at].is_empty());
            return Ok((end.unwrap_or(self.lines.len()), false));
        }
        if line.contains(ARROW) && (!in_cue || looks_like_times(line)) {
            return Err(format!("line {} has no two times around its arrow: {line:?}", at + 1));
        }
        let Some(cue) = self.cues.last_mut() else {
            return Err(format!("line {} stands before all times: {line:?}", at + 1));
        };
        let words = markup::without(line);
        if !(self.rolls && cue.text.is_empty() && words == self.shown) {
            cue.text.push_str(if cue.text.is_empty() { "" } else { " " });
            cue.text.push_str(line);
        }
        self.shown = words;
        Ok((at + 1, in_cue))
    }

    /// SRT numbers its cues; an empty line may follow by mistake, or be missing before.
    fn is_counter(&self, at: usize) -> bool {
        let next = self.lines[at + 1..].iter().find(|line| !line.is_empty());
        self.lines[at].bytes().all(|byte| byte.is_ascii_digit())
            && next.is_some_and(|line| times(line).is_some())
    }

    /// WebVTT names them.
    fn names_cue(&self, at: usize) -> bool {
        self.lines.get(at + 1).is_some_and(|line| times(line).is_some())
    }
}

/// Whether the line is the name, alone or with something behind a space.
fn is_named(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}

/// `START --> END`; WebVTT puts settings behind.
fn times(line: &str) -> Option<(Seconds, Seconds)> {
    let (start, end) = line.split_once(ARROW)?;
    Some((clock(start.trim())?, clock(end.split_whitespace().next()?)?))
}

/// Words may hold an arrow; what begins with a digit and has a colon before it is times gone wrong.
fn looks_like_times(line: &str) -> bool {
    let before = line.split_once(ARROW).map_or("", |(before, _)| before.trim());
    before.starts_with(|letter: char| letter.is_ascii_digit())
        && before.contains(':')
        && !before.contains(' ')
}

/// `[HH:]MM:SS[.mmm]`, with a comma in SRT, in seconds; negative where broken tools shifted it so.
fn clock(text: &str) -> Option<Seconds> {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let (whole, fraction) = text.split_once([',', '.']).unwrap_or((text, "0"));
    let parts: Vec<&str> = whole.split(':').collect();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(parts.len(), 2 | 3) || !parts.iter().all(|part| digits(part)) || !digits(fraction) {
        return None;
    }
    let fraction: f64 = format!("0.{fraction}").parse().ok()?;
    let whole = parts.iter().try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))?;
    let seconds = sign * (whole + fraction);
    seconds.is_finite().then_some(Seconds(seconds))
}
