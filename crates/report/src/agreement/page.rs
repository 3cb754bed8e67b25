//! The report as one self-contained HTML page: figures, recordings, the worst clips.

use super::totals::{BANDS, CommonShift, Recording, Totals};
use super::{Agreement, Compared, DISAGREES, Judged};
use crate::error_rate::align;
use crate::page::markup::Markup;
use crate::page::number::{counted, grouped, percent};
use crate::page::{document, facts_list, file_name, footer, head, plot, section, words};

/// Rows of the page; the other formats list all.
const MOST_CLIPS: usize = 200;
const MOST_RECORDINGS: usize = 40;
/// Bytes of a text that the page shows.
const MOST_TEXT: usize = 4_000;
/// Height of a bar's drawing.
const BAR: usize = 18;

impl Agreement {
    /// A page without scripts that fetches nothing: well-formed XML as well. It lists at most 200 clips and 40 recordings.
    pub fn to_html(&self) -> String {
        let about = &self.about;
        document(&about.title, &about.program, |page| {
            page.tag("header").class("page").with(|page| {
                page.tag("p").class("eyebrow").text(format_args!("{} \u{b7} {}", about.program, about.made));
                page.tag("h1").set("dir", "auto").text(&about.title);
            });
            page.tag("main").with(|page| {
                warnings(page, &about.warnings);
                section(page, "Agreement of transcripts and generated words", |page| {
                    figures(page, &self.totals);
                });
                section(page, "Word error rates", |page| bands(page, &self.totals));
                if !self.recordings.is_empty() {
                    section(page, "By recording", |page| recordings(page, self));
                }
                section(page, "Clips that disagree most", |page| clips(page, self));
                if !about.recipe.is_empty() {
                    section(page, "How the words were generated", |page| {
                        let facts = about.recipe.iter().map(|(name, value)| (name.as_str(), value.clone()));
                        facts_list(page, facts);
                    });
                }
            });
            footer(page, &about.program, &about.made, &about.command);
        })
    }
}

/// They stand out as what takes meaning from all numbers does on the page of a prediction.
fn warnings(page: &mut Markup, warnings: &[String]) {
    for warning in warnings {
        page.tag("div").class("notice strong").set("role", "note").with(|page| {
            page.tag("p").with(|page| {
                page.tag("strong").text("Warning: ");
                page.tag("bdi").text(warning);
            });
        });
    }
}

fn figures(page: &mut Markup, totals: &Totals) {
    let rate = |rate: Option<f64>| rate.map_or_else(|| "\u{2013}".into(), percent);
    let of_words = format!(
        "{} for {}",
        counted(totals.word_errors, "error", "errors"),
        counted(totals.words, "word", "words")
    );
    let over = format!("above {}", percent(DISAGREES));
    let cards = [
        (rate(totals.wer), "word error rate of the corpus", of_words),
        (rate(totals.cer), "character error rate of the corpus", String::new()),
        (rate(totals.median_wer), "median word error rate of a clip", String::new()),
        (grouped(totals.disagreeing), "clips that disagree", over),
    ];
    page.tag("ul").class("figures").with(|page| {
        for (value, name, note) in cards {
            page.tag("li").with(|page| {
                page.tag("strong").class("number").text(value);
                page.tag("span").text(name);
                if !note.is_empty() {
                    page.tag("span").class("muted").text(note);
                }
            });
        }
    });
    doubts(page, totals);
    let counts = [
        ("Clips with a transcript", totals.clips),
        ("Of these compared", totals.compared),
        ("Without generated words", totals.without_hypothesis),
        ("Not comparable", totals.incomparable),
        ("Clips without a transcript", totals.without_transcript),
        ("Looped", totals.looped),
        ("Refused", totals.refused),
        ("Ended by the limit of tokens", totals.capped),
    ];
    facts_list(page, counts.map(|(name, count)| (name, grouped(count))));
}

/// What points at wrong timestamps.
fn doubts(page: &mut Markup, totals: &Totals) {
    let mut told = Vec::new();
    if totals.shifted > 0 {
        let verb = if totals.shifted == 1 { "says" } else { "say" };
        let mut text = format!(
            "{} {verb} what the transcript has at another time",
            counted(totals.shifted, "clip", "clips")
        );
        if totals.shifted_recordings > 0 {
            let recordings = counted(totals.shifted_recordings, "recording", "recordings");
            text += &format!("; {recordings} throughout, as if all timestamps were shifted");
        }
        told.push(text + ".");
    }
    if totals.disagreeing_recordings > 0 {
        let recordings = counted(totals.disagreeing_recordings, "recording", "recordings");
        let verb = if totals.disagreeing_recordings == 1 { "has" } else { "have" };
        told.push(format!("{recordings} of several clips {verb} none that agrees."));
    }
    if told.is_empty() {
        return;
    }
    page.tag("div").class("notice").set("role", "note").with(|page| {
        page.tag("p").with(|page| {
            page.tag("strong").text("Timestamps may be wrong: ");
            page.text(told.join(" "));
        });
    });
}

fn bands(page: &mut Markup, totals: &Totals) {
    if totals.compared == 0 {
        return page.tag("p").class("note").text("No clip could be compared.");
    }
    page.tag("p").class("note").text(
        "Errors are words to replace, to leave out and to put in, over the words of the transcript. Upper case, \
         punctuation and notes such as (uhh) do not count. Clips without generated words are not among these; in the list \
         below they stand at 100%.",
    );
    let largest = totals.bands.iter().copied().max().unwrap_or(0).max(1) as f64;
    page.tag("table").class("views").with(|page| {
        page.tag("caption").class("hidden").text("Clips by word error rate");
        page.tag("tbody").with(|page| {
            for (band, count) in totals.bands.into_iter().enumerate() {
                let name = band_name(band);
                page.tag("tr").with(|page| {
                    page.tag("th").set("scope", "row").class("number").text(&name);
                    page.tag("td").with(|page| {
                        let title = format!("{name}: {}", counted(count, "clip", "clips"));
                        let class = if 10 * band >= 50 { "without" } else { "with" };
                        plot::drawing(page, class, BAR, title, |page| {
                            plot::bar(page, 4.0, 78.0 * count as f64 / largest, grouped(count));
                        });
                    });
                });
            }
        });
    });
}

fn band_name(band: usize) -> String {
    match band {
        last if last + 1 == BANDS => "100% and more".into(),
        band => format!("{}\u{2013}{}%", 10 * band, 10 * band + 9),
    }
}

fn recordings(page: &mut Markup, report: &Agreement) {
    let several: Vec<&Recording> = report.recordings.iter().filter(|recording| recording.clips > 1).collect();
    page.tag("p").class("note").text(format_args!(
        "{} of {} have several clips that were compared; the worst first, by the mean of their clips, each \
         counted as 100% at most. Clips that looped, refused or were ended by the limit do not count as disagreeing. Wrong timestamps strike whole recordings: then the words generated from a clip are those \
         that the transcript has at another time, and its timestamps are late or early by the difference.",
        grouped(several.len()),
        counted(report.recordings.len(), "recording", "recordings"),
    ));
    if several.is_empty() {
        return;
    }
    page.tag("table").class("stack recordings").with(|page| {
        let names = ["Recording", "Mean", "All words", "Clips", "Disagree", "Timestamps"];
        head(page, "plain", &names);
        page.tag("tbody").with(|page| {
            for recording in several.iter().take(MOST_RECORDINGS) {
                page.tag("tr").with(|page| {
                    page.tag("th")
                        .set("scope", "row")
                        .with(|page| page.tag("bdi").text(file_name(&recording.media)));
                    let cells = [
                        percent(recording.mean_wer),
                        percent(recording.wer),
                        grouped(recording.clips),
                        if recording.disagrees() { "all".into() } else { grouped(recording.disagreeing) },
                    ];
                    for (name, value) in names[1..].iter().zip(cells) {
                        page.tag("td").class("number").set("data-label", name).text(value);
                    }
                    page.tag("td").set("data-label", names[5]).text(timestamps(recording));
                });
            }
        });
    });
    left_out(page, several.len(), MOST_RECORDINGS, "recordings");
}

fn timestamps(recording: &Recording) -> String {
    match (recording.shift, recording.shifted) {
        (Some(CommonShift { seconds, from, to, clips }), _) => {
            let word = if seconds > 0.0 { "late" } else { "early" };
            let (least, most) = (from.abs().min(to.abs()), from.abs().max(to.abs()));
            let clips = counted(clips, "clip", "clips");
            format!("about {:.1} s {word} ({clips}: {least:.1} to {most:.1} s)", seconds.abs())
        }
        (None, 0) => "\u{2013}".into(),
        (None, count) => format!("{} elsewhere", counted(count, "clip", "clips")),
    }
}

fn left_out(page: &mut Markup, count: usize, most: usize, what: &str) {
    if count > most {
        page.tag("p").class("note more").text(format_args!(
            "The first {most} of {} {what}; a report that ends in .tsv, .csv or .json lists all.",
            grouped(count)
        ));
    }
}

fn clips(page: &mut Markup, report: &Agreement) {
    let worst: Vec<&Judged> =
        report.clips.iter().filter(|clip| clip.wer.is_some_and(|wer| wer > 0.0)).collect();
    if worst.is_empty() {
        return page
            .tag("p")
            .class("note")
            .text("There is none: every clip that was compared agrees word for word.");
    }
    page.tag("p").class("note").with(|page| {
        page.text("Marked: ");
        page.tag("mark").class("with").text("words that only the transcript has");
        page.text(" and ");
        page.tag("mark").class("without").text("words that only the generated text has");
        page.text(".");
    });
    page.tag("table").class("words stack clips").with(|page| {
        head(page, "plain", &["Clip", "Said", "Generated"]);
        page.tag("tbody").with(|page| {
            for clip in worst.iter().take(MOST_CLIPS) {
                page.tag("tr").with(|page| row(page, clip));
            }
        });
    });
    left_out(page, worst.len(), MOST_CLIPS, "clips");
}

fn row(page: &mut Markup, judged: &Judged) {
    let clip = &judged.compared;
    page.tag("th").set("scope", "row").with(|page| {
        page.tag("strong").class("number rate").text(judged.wer.map_or_else(String::new, percent));
        page.tag("bdi").class("code").text(clip.clip.as_str());
        if let Some(place) = place(clip) {
            page.tag("span").class("muted").with(|page| page.tag("bdi").text(place));
        }
        let flags = [
            (clip.looped, "looped"),
            (clip.refused, "refused"),
            (clip.capped, "limit"),
            (judged.shift.is_some(), "shifted"),
        ];
        for (_, name) in flags.iter().filter(|(set, _)| *set) {
            page.tag("span").class("flag").text(name);
        }
    });
    let hypothesis = clip.hypothesis.as_deref();
    let short = clip.transcript.len().max(hypothesis.map_or(0, str::len)) <= MOST_TEXT;
    let aligned = hypothesis.filter(|_| short).and_then(|text| align(&clip.transcript, text));
    let (said, generated) = aligned.as_ref().map(|one| (&one.first[..], &one.second[..])).unzip();
    page.tag("td").set("data-label", "Said").with(|page| text(page, "with", Some(&clip.transcript), said));
    page.tag("td").set("data-label", "Generated").with(|page| {
        text(page, "without", hypothesis, generated);
        if let Some(shift) = &judged.shift {
            let what = format!(
                "Fits what the transcript has {:.1} s {}, in ",
                shift.seconds.abs(),
                if shift.seconds > 0.0 { "later" } else { "earlier" }
            );
            page.tag("p").class("note").with(|page| {
                page.text(what);
                page.tag("bdi").class("code").text(shift.clip.as_str());
                let errors = counted(shift.errors, "error", "errors");
                page.text(format_args!(": {errors} in {}.", counted(shift.words, "word", "words")));
            });
        }
        for note in [&judged.incomparable, &clip.note].into_iter().flatten() {
            page.tag("p").class("note").with(|page| page.tag("bdi").text(note));
        }
    });
}

/// `talk.mp4, 12.0–15.5 s`.
fn place(clip: &Compared) -> Option<String> {
    let time = clip.span.map(|span| match span.end {
        Some(end) => format!("{:.1}\u{2013}{:.1} s", span.start.0, end.0),
        None => format!("from {:.1} s", span.start.0),
    });
    let told: Vec<String> =
        clip.media.as_deref().map(|media| file_name(media).to_owned()).into_iter().chain(time).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

fn text(page: &mut Markup, flow: &str, text: Option<&str>, marks: Option<&[(&str, bool)]>) {
    let line = page.tag("p").set("dir", "auto");
    match (text, marks) {
        (None, _) => line.class("muted").text("(no words were generated)"),
        (Some(text), _) if text.trim().is_empty() => line.class("muted").text("(empty)"),
        (Some(text), Some(marks)) => line.with(|page| words::marked(page, flow, text, marks)),
        (Some(text), None) if text.len() > MOST_TEXT => {
            let end = (0..=MOST_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            line.text(format_args!(
                "{}\u{2026} (cut here: {} characters)",
                &text[..end],
                grouped(text.chars().count())
            ));
        }
        (Some(text), None) => line.text(text),
    }
}
