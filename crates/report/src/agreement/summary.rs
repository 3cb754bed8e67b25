//! The report as a few lines for people.

use std::fmt::Write;

use super::{Agreement, Judged};
use crate::table::on_one_line;

/// Clips that are shown.
const WORST: usize = 5;
/// Letters of a name and of a text that are shown; the report has all of them.
const NAME: usize = 32;
const LETTERS: usize = 48;

impl Agreement {
    /// Rates, flags and the worst clips, ending in a line break. The summary of the run, which comes before, has the warnings.
    pub fn summary(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = write_summary(&mut out, self);
        out
    }
}

fn write_summary(out: &mut String, report: &Agreement) -> std::fmt::Result {
    let totals = report.totals();
    let (Some(wer), Some(cer), Some(median)) = (totals.wer, totals.cer, totals.median_wer) else {
        return writeln!(out, "  agreement   nothing to compare: {}", beside(report));
    };
    let (compared, clips) = (totals.compared, if totals.compared == 1 { "clip" } else { "clips" });
    writeln!(out, "  agreement   {compared} {clips} compared; {}", beside(report))?;
    let (wer, cer, median) = (100.0 * wer, 100.0 * cer, 100.0 * median);
    writeln!(
        out,
        "  errors      {wer:.1}% of words, {cer:.1}% of characters; median clip {median:.1}% of words"
    )?;
    writeln!(
        out,
        "  doubtful    {} over 50%, {} looped, {} refused, {} ended by the limit",
        totals.disagreeing, totals.looped, totals.refused, totals.capped
    )?;
    if totals.shifted > 0 || totals.disagreeing_recordings > 0 {
        writeln!(
            out,
            "  timestamps  {} fit another time of the recording; recordings: {} shifted as a whole, {} of which all \
             clips disagree",
            totals.shifted, totals.shifted_recordings, totals.disagreeing_recordings
        )?;
    }
    let worst = report.clips().iter().filter(|clip| clip.wer.is_some_and(|wer| wer > 0.0));
    for (place, clip) in worst.take(WORST).enumerate() {
        let head = if place == 0 { "worst" } else { "" };
        writeln!(out, "  {head:<12}{}", line(clip))?;
    }
    Ok(())
}

/// What was not compared.
fn beside(report: &Agreement) -> String {
    let totals = report.totals();
    let counts = [
        (totals.without_hypothesis, "without generated words"),
        (totals.incomparable, "that cannot be compared"),
        (totals.without_transcript, "without transcript"),
    ];
    let told: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if told.is_empty() { "none left out".into() } else { told.join(", ") }
}

fn line(clip: &Judged) -> String {
    let (text, quote) = match (&clip.compared.hypothesis, &clip.compared.note) {
        (Some(hypothesis), _) => (hypothesis.as_str(), "\""),
        (None, Some(note)) => (note.as_str(), ""),
        (None, None) => ("no words", ""),
    };
    let rate = 100.0 * clip.wer.unwrap_or_default();
    let name = shortened(clip.compared.clip.as_str(), NAME);
    format!("{rate:>5.0}%  {name}  {quote}{}{quote}", shortened(text, LETTERS))
}

fn shortened(text: &str, letters: usize) -> String {
    let text = on_one_line(text);
    if text.chars().count() <= letters {
        return text;
    }
    text.chars().take(letters.saturating_sub(3)).chain("...".chars()).collect()
}
