//! The report for programs: every clip, the worst first.

use csv::WriterBuilder;

use super::{Agreement, Judged};

/// Columns of the tables.
const COLUMNS: [&str; 23] = [
    "clip",
    "media",
    "start",
    "end",
    "wer",
    "cer",
    "word_errors",
    "words",
    "substitutions",
    "deletions",
    "insertions",
    "score",
    "tokens",
    "looped",
    "refused",
    "capped",
    "shift_s",
    "shift_clip",
    "shift_errors",
    "incomparable",
    "note",
    "transcript",
    "hypothesis",
];

impl Agreement {
    /// `{"about", "totals", "recordings": [..], "clips": [..]}`, ending in a line break.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is plain data") + "\n"
    }

    /// A line of names, then a line a clip, tabs between columns; what is not known is empty. White space inside a text is
    /// one blank, so that every clip is one line.
    pub fn to_tsv(&self) -> String {
        self.table(b'\t')
    }

    /// The same with commas.
    pub fn to_csv(&self) -> String {
        self.table(b',')
    }

    fn table(&self, delimiter: u8) -> String {
        let mut table = WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
        let rows = std::iter::once(COLUMNS.map(str::to_owned)).chain(self.clips.iter().map(row));
        rows.for_each(|row| table.write_record(row).expect("rows are equally long, and memory takes them"));
        let bytes = table.into_inner().expect("memory takes all");
        String::from_utf8(bytes).expect("made of text")
    }
}

fn row(judged: &Judged) -> [String; COLUMNS.len()] {
    let Judged { compared: clip, wer, errors, incomparable, shift } = judged;
    let count = |of: fn(&crate::ErrorRate) -> usize| text(errors.as_ref().map(of));
    let number =
        |value: Option<f64>| value.filter(|value| value.is_finite()).map(|value| format!("{value:.4}"));
    let line = |text: Option<&str>| text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    [
        clip.clip.as_str().into(),
        line(clip.media.as_deref()),
        text(clip.span.map(|span| span.start.0)),
        text(clip.span.and_then(|span| span.end).map(|end| end.0)),
        text(number(*wer)),
        text(number(errors.map(|errors| errors.cer))),
        count(|errors| errors.word_errors),
        count(|errors| errors.words),
        count(|errors| errors.substitutions),
        count(|errors| errors.deletions),
        count(|errors| errors.insertions),
        text(number(clip.score)),
        text(clip.tokens),
        clip.looped.to_string(),
        clip.refused.to_string(),
        clip.capped.to_string(),
        text(shift.as_ref().map(|shift| format!("{:.1}", shift.seconds))),
        text(shift.as_ref().map(|shift| shift.clip.as_str())),
        text(shift.as_ref().map(|shift| shift.errors)),
        line(incomparable.as_deref()),
        line(clip.note.as_deref()),
        line(Some(&clip.transcript)),
        line(clip.hypothesis.as_deref()),
    ]
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
