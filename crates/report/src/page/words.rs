//! What was said beside what the language model made of the voice.

use super::axis::Axis;
use super::markup::Markup;
use super::number::{counted, percent, signed};
use super::section;
use crate::error_rate::{Alignment, align};
use crate::exhibit::Words;
use crate::{Exhibit, Prediction};
use affekt_core::TextSource;

/// Rows, or words, beyond which the block scrolls.
const MOST_ROWS: usize = 8;
const MOST_WORDS: usize = 400;

/// Head of the column of simulated text.
const SIMULATED: &str = "Simulated from the voice";

/// The section; where there are no words of either kind it says so.
pub fn write(page: &mut Markup, prediction: &Prediction, exhibit: &Exhibit, axis: &Axis) {
    section(page, "Words", |page| {
        let rows = rows(prediction, exhibit, axis);
        let said = rows.iter().any(|row| row.transcript.is_some());
        if !said && rows.iter().all(|row| row.hypothesis.is_none()) {
            return page
                .tag("p")
                .class("note")
                .text("No transcript was given, and no words were simulated from the voice.");
        }
        let compared: Vec<Option<Alignment>> = rows.iter().map(compare).collect();
        about(page, prediction, &rows, &compared);
        let words: usize = rows.iter().map(length).sum();
        if rows.len() > MOST_ROWS || words > MOST_WORDS {
            let scroll = page.tag("div").class("scroll").set("tabindex", 0).set("role", "region");
            scroll
                .set("aria-label", "Words of all windows")
                .with(|page| table(page, &rows, &compared, said, axis));
        } else {
            table(page, &rows, &compared, said, axis);
        }
    });
}

/// The words by window; where the exhibit has none, the simulated text of the whole.
fn rows(prediction: &Prediction, exhibit: &Exhibit, axis: &Axis) -> Vec<Words> {
    if !exhibit.words.is_empty() {
        return exhibit.words.clone();
    }
    let hypothesis = prediction.simulated.hypothesis.clone();
    let (start, end) = (affekt_core::Seconds(axis.start), affekt_core::Seconds(axis.end));
    hypothesis
        .map(|text| Words { start, end, transcript: None, hypothesis: Some(text) })
        .into_iter()
        .collect()
}

fn compare(row: &Words) -> Option<Alignment<'_>> {
    align(row.transcript.as_deref()?, row.hypothesis.as_deref()?)
}

fn length(row: &Words) -> usize {
    let words = |text: &Option<String>| text.as_deref().map_or(0, |text| text.split_whitespace().count());
    words(&row.transcript) + words(&row.hypothesis)
}

fn about(page: &mut Markup, prediction: &Prediction, rows: &[Words], compared: &[Option<Alignment<'_>>]) {
    let source = match prediction.text_source {
        Some(TextSource::Transcript) => "The transcript was given.",
        Some(TextSource::Asr) => "The transcript was recognised.",
        None => "No transcript was given.",
    };
    let simulated = &prediction.simulated;
    page.tag("p").class("note").with(|page| {
        page.text(source);
        if simulated.tokens > 0 {
            page.text(format_args!(
                " The language model generated {}",
                counted(simulated.tokens, "token", "tokens")
            ));
            if let Some(score) = simulated.score {
                page.text(format_args!(", with a log probability of {} a token", signed(score)));
            }
            page.text(".");
        }
    });
    let (errors, words) =
        compared.iter().flatten().fold((0, 0), |sum, one| (sum.0 + one.errors, sum.1 + one.words));
    if words > 0 {
        page.tag("p").class("note").with(|page| {
            page.text("Marked: ");
            page.tag("mark").class("with").text("words that only the transcript has");
            page.text(" and ");
            page.tag("mark").class("without").text("words that only the simulated text has");
            page.text("; upper case and punctuation do not count. Word error rate of the simulated text: ");
            page.tag("strong").text(percent(errors as f64 / words as f64));
            page.text(format_args!(
                " ({} for {}).",
                counted(errors, "error", "errors"),
                counted(words, "word", "words")
            ));
        });
    }
    let both = |row: &Words| row.transcript.is_some() && row.hypothesis.is_some();
    let long = rows.iter().zip(compared).filter(|(row, one)| both(row) && one.is_none()).count();
    if long > 0 {
        page.tag("p").class("note").text(format_args!(
            "{} too long to compare word by word.",
            counted(long, "pair of texts is", "pairs of texts are")
        ));
    }
    if simulated.looped {
        page.tag("div").class("notice").set("role", "note").with(|page| {
            page.tag("p").with(|page| {
                page.tag("strong").text("Looped: ");
                page.text("the simulated text repeats itself at its end, which says little about the voice.");
            });
        });
    }
}

fn table(page: &mut Markup, rows: &[Words], compared: &[Option<Alignment<'_>>], said: bool, axis: &Axis) {
    page.tag("table").class("words stack").with(|page| {
        let names: &[&str] = if said { &["Time", "Said", SIMULATED] } else { &["Time", SIMULATED] };
        super::head(page, "plain", names);
        page.tag("tbody").with(|page| {
            for (row, compared) in rows.iter().zip(compared) {
                page.tag("tr").with(|page| {
                    page.tag("th").set("scope", "row").class("number").text(axis.stretch(row.start, row.end));
                    let (first, second) =
                        compared.as_ref().map(|one| (&one.first[..], &one.second[..])).unzip();
                    if said {
                        cell(page, "Said", "with", row.transcript.as_deref(), first);
                    }
                    cell(page, SIMULATED, "without", row.hypothesis.as_deref(), second);
                });
            }
        });
    });
}

fn cell(page: &mut Markup, name: &str, flow: &str, text: Option<&str>, words: Option<&[(&str, bool)]>) {
    let cell = page.tag("td").set("data-label", name).set("dir", "auto");
    match (text, words) {
        (None, _) => cell.class("muted").text("\u{2013}"),
        (Some(text), _) if text.trim().is_empty() => cell.class("muted").text("(empty)"),
        (Some(text), None) => cell.text(text),
        (Some(text), Some(words)) => cell.with(|page| marked(page, flow, text, words)),
    }
}

/// The text with its marks; neighbours that are marked share one, and what lies between words stays.
pub fn marked(page: &mut Markup, flow: &str, text: &str, words: &[(&str, bool)]) {
    let mut rest = text;
    for group in words.chunk_by(|one, next| one.1 == next.1) {
        let (first, last) = (group[0].0, group[group.len() - 1].0);
        // Words are slices of the text: their addresses say where they stand in it.
        let (from, to) = (offset(text, first), offset(text, last) + last.len());
        let before = offset(text, rest);
        page.text(&text[before..from]);
        if group[0].1 {
            page.text(&text[from..to]);
        } else {
            page.tag("mark").class(flow).text(&text[from..to]);
        }
        rest = &text[to..];
    }
    page.text(rest);
}

/// Where `part`, a slice of `text`, begins in it.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}
