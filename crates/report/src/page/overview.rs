//! Several inputs at a glance, and inputs that failed.

use super::markup::Markup;
use super::number::{counted, percent, signed, signed_or_dash};
use super::{Entry, Place, axis, file_name, verdict};
use crate::{Failure, Prediction};

/// One row an input, with links to the sections.
pub fn table(page: &mut Markup, entries: &[Entry]) {
    let failed = entries.iter().filter(|entry| matches!(entry, Entry::Failed(_))).count();
    page.tag("section").class("card overview").with(|page| {
        page.tag("h2").text("All inputs");
        let judged = entries.len() - failed;
        page.tag("p")
            .class("note")
            .text(format_args!("{} judged, {failed} failed.", counted(judged, "input", "inputs")));
        page.tag("table").class("stack").with(|page| {
            super::head(
                page,
                "plain",
                &["Input", "Label", "With text", "Without text", "Face seen", "Length", "Warnings"],
            );
            page.tag("tbody").with(|page| {
                for (index, entry) in entries.iter().enumerate() {
                    let place = Place { index, count: entries.len(), heads: false };
                    page.tag("tr").with(|page| row(page, place, entry));
                }
            });
        });
    });
}

fn row(page: &mut Markup, place: Place, entry: &Entry) {
    page.tag("th").set("scope", "row").with(|page| {
        page.tag("a")
            .set("href", format_args!("#{}", place.anchor()))
            .with(|page| page.tag("bdi").text(file_name(entry.input())));
    });
    match entry {
        Entry::Judged { prediction, .. } => judged(page, prediction),
        Entry::Failed(failure) => {
            page.tag("td")
                .set("data-label", "Label")
                .with(|page| page.tag("span").class("label failed").text("failed"));
            page.tag("td")
                .set("colspan", 5)
                .class("reason")
                .with(|page| page.tag("bdi").text(&failure.error.message));
        }
    }
}

fn judged(page: &mut Markup, prediction: &Prediction) {
    page.tag("td").set("data-label", "Label").with(|page| verdict::label(page, prediction.label));
    let seen =
        if prediction.faces.frames == 0 { "\u{2013}".into() } else { percent(prediction.faces.coverage) };
    let cells = [
        ("With text", signed_or_dash(prediction.valence.with_text)),
        ("Without text", signed(prediction.valence.without_text)),
        ("Face seen", seen),
        ("Length", axis::length(prediction.duration_s)),
        ("Warnings", prediction.warnings.len().to_string()),
    ];
    for (name, value) in cells {
        page.tag("td").class("number").set("data-label", name).text(value);
    }
}

/// The section of an input that has no result.
pub fn failed(page: &mut Markup, place: Place, failure: &Failure) {
    page.tag("section").class("card verdict").with(|page| {
        verdict::name(page, place, &failure.input);
        page.tag("div").class("notice strong").with(|page| {
            page.tag("p").with(|page| {
                page.tag("strong").text("Not judged. ");
                page.tag("bdi").text(&failure.error.message);
            });
            if let Some(hint) = &failure.error.hint {
                page.tag("p").with(|page| {
                    page.tag("strong").text("What helps: ");
                    page.tag("bdi").text(hint);
                });
            }
        });
    });
}
