//! Results of several inputs as a table for people: a line each, and a last one that adds up.

use std::collections::HashSet;
use std::fmt::Write;

use affekt_core::Seconds;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::Failure;
use crate::prediction::{Label, Prediction};

/// Headings of the columns after the input, each as wide as its widest entry; numbers stand to the right.
const COLUMNS: [Column; 6] = [
    Column { heading: "with text", width: 9, right: true },
    Column { heading: "without", width: 7, right: true },
    Column { heading: "label", width: 8, right: false },
    Column { heading: "length", width: 8, right: true },
    Column { heading: "face", width: 4, right: true },
    Column { heading: "warnings", width: 8, right: true },
];
/// Between two columns.
const GAP: &str = "  ";
/// Where letters are left out.
const DOTS: &str = "...";
/// The input has at least so many columns, however narrow the table.
const NARROWEST: usize = 16;
/// Where there is nothing to tell.
const NONE: &str = "-";

struct Column {
    heading: &'static str,
    width: usize,
    right: bool,
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The input as it was named, without letters that would break the line.
    input: String,
    told: Result<Told, String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Told {
    with_text: Option<f64>,
    without_text: f64,
    label: Label,
    length: Seconds,
    face: Option<f64>,
    warnings: usize,
    time: Seconds,
}

impl Row {
    /// What the table keeps of a prediction.
    pub fn of(result: &Prediction) -> Self {
        let told = Told {
            with_text: result.valence.with_text,
            without_text: result.valence.without_text,
            label: result.label,
            length: result.duration_s,
            face: (result.faces.frames > 0).then_some(result.faces.coverage),
            warnings: result.warnings.len(),
            time: result.timing_s.total,
        };
        Self { input: on_one_line(&result.input), told: Ok(told) }
    }

    /// What the table keeps of a failure: its kind in a word or two.
    pub fn failed(failure: &Failure) -> Self {
        let kind = serde_json::to_value(failure.error.kind).expect("a unit variant is a string");
        let word = kind.as_str().unwrap_or_default().replace('_', " ");
        Self { input: on_one_line(&failure.input), told: Err(word) }
    }
}

/// The table, at most `width` columns wide wherever inputs stay distinct at that, ending in a line break; times are those
/// that the predictions took. Empty without rows.
pub fn table(rows: &[Row], width: usize) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let room = room(rows, width);
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_table(&mut out, rows, room);
    out
}

fn write_table(out: &mut String, rows: &[Row], room: usize) -> std::fmt::Result {
    line(out, "input", room, COLUMNS.map(|column| column.heading.to_owned()))?;
    for row in rows {
        let input = shortened(&row.input, room);
        match &row.told {
            Ok(told) => line(out, &input, room, told.cells())?,
            Err(word) => writeln!(out, "{input}{}{GAP}failed: {word}", padding(&input, room))?,
        }
    }
    writeln!(out, "{}", summary(rows))
}

impl Told {
    /// One entry a column.
    fn cells(&self) -> [String; COLUMNS.len()] {
        let some = |text: Option<String>| text.unwrap_or_else(|| NONE.into());
        [
            some(self.with_text.map(|valence| format!("{valence:+.3}"))),
            format!("{:+.3}", self.without_text),
            self.label.word().into(),
            duration(self.length),
            some(self.face.map(|share| format!("{:.0}%", 100.0 * share))),
            some((self.warnings > 0).then(|| self.warnings.to_string())),
        ]
    }
}

/// An input and its entries, in columns; nothing stands after the last.
fn line(out: &mut String, input: &str, room: usize, cells: [String; COLUMNS.len()]) -> std::fmt::Result {
    write!(out, "{input}{}", padding(input, room))?;
    for (Column { width, right, .. }, cell) in COLUMNS.iter().zip(cells) {
        if *right {
            write!(out, "{GAP}{cell:>width$}")?;
        } else {
            write!(out, "{GAP}{cell:<width$}")?;
        }
    }
    writeln!(out)
}

fn summary(rows: &[Row]) -> String {
    let judged: Vec<&Told> = rows.iter().filter_map(|row| row.told.as_ref().ok()).collect();
    let failed = rows.len() - judged.len();
    let length = Seconds(judged.iter().map(|told| told.length.0).sum());
    let time = Seconds(judged.iter().map(|told| told.time.0).sum());
    match judged.len() {
        0 => format!("none judged, {failed} failed"),
        count => {
            let (length, time) = (duration(length), duration(time));
            format!("{count} judged, {failed} failed; {length} of recordings in {time}")
        }
    }
}

/// `8.2 s`, `12:34` or `1:02:03`.
fn duration(seconds: Seconds) -> String {
    let whole = seconds.0.round() as u64;
    let (hours, minutes, rest) = (whole / 3_600, whole / 60 % 60, whole % 60);
    match (hours, minutes) {
        (0, 0) => format!("{:.1} s", seconds.0),
        (0, _) => format!("{minutes}:{rest:02}"),
        _ => format!("{hours}:{minutes:02}:{rest:02}"),
    }
}

/// Columns for the input: what the table leaves, no more than the longest needs, and enough for different inputs to
/// look different.
fn room(rows: &[Row], width: usize) -> usize {
    let others: usize = COLUMNS.iter().map(|column| GAP.len() + column.width).sum();
    let inputs: HashSet<&str> = rows.iter().map(|row| row.input.as_str()).collect();
    let longest = inputs.iter().map(|input| input.width()).max().unwrap_or(0).max("input".len());
    let fitting = width.saturating_sub(others).max(NARROWEST).min(longest);
    let is_distinct = |room: &usize| {
        let shown: HashSet<String> = inputs.iter().map(|input| shortened(input, *room)).collect();
        shown.len() == inputs.len()
    };
    (fitting..longest).find(is_distinct).unwrap_or(longest)
}

/// At most `room` columns of a path: its end, with the whole file name; where that is too long, both ends of the name.
fn shortened(input: &str, room: usize) -> String {
    if input.width() <= room {
        return input.into();
    }
    let room = room.saturating_sub(DOTS.len());
    let name = input.rsplit('/').next().unwrap_or(input);
    if name.width() <= room {
        return format!("{DOTS}{}", last_columns(input, room));
    }
    let end = last_columns(name, room / 2);
    format!("{}{DOTS}{end}", first_columns(name, room - room / 2))
}

fn first_columns(text: &str, room: usize) -> &str {
    let mut columns = 0;
    let beyond = text.char_indices().find(|(_, letter)| {
        columns += letter.width().unwrap_or(0);
        columns > room
    });
    &text[..beyond.map_or(text.len(), |(at, _)| at)]
}

fn last_columns(text: &str, room: usize) -> &str {
    let mut columns = 0;
    let fitting = text.char_indices().rev().take_while(|(_, letter)| {
        columns += letter.width().unwrap_or(0);
        columns <= room
    });
    // An accent without its letter would stand on the dots.
    let start = fitting.filter(|(_, letter)| letter.width().unwrap_or(0) > 0).last();
    &text[start.map_or(text.len(), |(at, _)| at)..]
}

fn padding(text: &str, room: usize) -> String {
    " ".repeat(room.saturating_sub(text.width()))
}

/// `text` with its control characters spelled out: file names and messages may hold line breaks and commands to the
/// terminal.
pub fn on_one_line(text: &str) -> String {
    let shown = |letter: char| match letter.is_control() {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests;
