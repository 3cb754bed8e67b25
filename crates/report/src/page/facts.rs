//! The windows as a table, wall time, and what was found in the file.

use affekt_core::Seconds;

use super::axis::{self, Axis};
use super::markup::Markup;
use super::number::{counted, grouped, percent, signed_or_dash};
use super::{facts_list, plot, section};
use crate::prediction::Window;
use crate::{Exhibit, Prediction};

/// A longer table is folded.
const MOST_WINDOWS: usize = 12;

/// The sections.
pub fn write(page: &mut Markup, prediction: &Prediction, exhibit: &Exhibit, axis: &Axis) {
    let windows = &prediction.timeline;
    if !windows.is_empty() {
        section(page, "Windows", |page| {
            if windows.len() > MOST_WINDOWS {
                page.tag("details").with(|page| {
                    page.tag("summary").text(counted(windows.len(), "window", "windows"));
                    table(page, windows, axis);
                });
            } else {
                table(page, windows, axis);
            }
        });
    }
    section(page, "Recording", |page| {
        page.tag("div").class("columns three").with(|page| {
            page.tag("div").with(|page| group(page, "File", media(exhibit)));
            page.tag("div").with(|page| group(page, "Face", faces(prediction)));
            page.tag("div").with(|page| group(page, "Sound", sound(prediction)));
        });
    });
    section(page, "Wall time", |page| timing(page, prediction));
}

fn table(page: &mut Markup, windows: &[Window], axis: &Axis) {
    page.tag("table").class("windows").with(|page| {
        super::head(page, "number", &["Start", "End", "With text", "Without text"]);
        page.tag("tbody").with(|page| {
            for window in windows {
                page.tag("tr").with(|page| {
                    page.tag("th").set("scope", "row").class("number").text(axis.exact(window.start));
                    page.tag("td").class("number").text(axis.exact(window.end));
                    page.tag("td").class("number").text(signed_or_dash(window.with_text));
                    page.tag("td").class("number").text(signed_or_dash(window.without_text));
                });
            }
        });
    });
}

fn group(page: &mut Markup, name: &str, facts: Vec<(&str, String)>) {
    page.tag("h4").text(name);
    facts_list(page, facts);
}

fn media(exhibit: &Exhibit) -> Vec<(&str, String)> {
    exhibit.media.iter().map(|(name, value)| (name.as_str(), value.clone())).collect()
}

fn faces(prediction: &Prediction) -> Vec<(&'static str, String)> {
    let faces = &prediction.faces;
    if faces.frames == 0 {
        return vec![("Frames", "none: no picture".into())];
    }
    vec![
        ("Frames", grouped(faces.frames)),
        ("With the face", format!("{} ({})", grouped(faces.with_face), percent(faces.coverage))),
        ("Tracks to choose from", faces.tracks.to_string()),
    ]
}

fn sound(prediction: &Prediction) -> Vec<(&'static str, String)> {
    let audio = &prediction.audio;
    if !audio.present {
        return vec![("Sound", "none".into())];
    }
    vec![
        ("Length", axis::length(audio.seconds)),
        ("Audible", if audio.silent { "no: silent".into() } else { "yes".into() }),
    ]
}

fn timing(page: &mut Markup, prediction: &Prediction) {
    let timing = &prediction.timing_s;
    let (total, judged) = (timing.total.0, prediction.duration_s.0);
    page.tag("p").class("note").with(|page| {
        page.tag("strong").text(wall(timing.total));
        page.text(" in all");
        if total > 0.0 && judged > 0.0 {
            let (faster, word) =
                if judged >= total { (judged / total, "faster") } else { (total / judged, "slower") };
            page.text(format_args!(": {faster:.1} times {word} than the recording plays"));
        }
        page.text(".");
    });
    let longest = timing.stages.iter().fold(1e-9_f64, |longest, (_, time)| longest.max(time.0));
    page.tag("table").class("views").with(|page| {
        page.tag("caption").class("hidden").text("Wall time by stage");
        page.tag("tbody").with(|page| {
            for (stage, time) in &timing.stages {
                page.tag("tr").with(|page| {
                    page.tag("th").set("scope", "row").text(stage.name());
                    page.tag("td").with(|page| {
                        let title = format!("{}: {}", stage.name(), wall(*time));
                        plot::drawing(page, "stage", 16, title, |page| {
                            plot::bar(page, 3.0, 78.0 * time.0 / longest, wall(*time));
                        });
                    });
                });
            }
        });
    });
}

/// Wall time: milliseconds where it is short.
fn wall(time: Seconds) -> String {
    match time.0 {
        seconds if seconds < 0.0995 => format!("{:.0} ms", 1_000.0 * seconds.max(0.0)),
        seconds if seconds < 1.0 => format!("{seconds:.2} s"),
        _ => axis::length(time),
    }
}
