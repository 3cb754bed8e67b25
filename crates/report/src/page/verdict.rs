//! The answer in one glance.

use super::markup::Markup;
use super::number::{Pc, Px, signed, whole};
use super::{Place, axis, file_name, plot};
use crate::prediction::Label;
use crate::{Exhibit, Prediction};
use affekt_core::TextSource;

/// Ends of the label scale.
const SCALE: f64 = 3.0;

/// Name, warnings and both valences.
pub fn write(page: &mut Markup, place: Place, prediction: &Prediction, exhibit: &Exhibit) {
    page.tag("section").class("card verdict").with(|page| {
        name(page, place, &prediction.input);
        page.tag("p").class("meta").with(|page| {
            page.text(axis::length(prediction.duration_s));
            page.text(" \u{b7} bundle ");
            page.tag("strong").with(|page| page.tag("bdi").text(&prediction.bundle));
            if !exhibit.bundle.is_empty() {
                page.tag("span").class("muted").with(|page| {
                    page.text(" \u{2014} ");
                    page.tag("bdi").text(&exhibit.bundle);
                });
            }
        });
        let others = match (&exhibit.caution, prediction.warnings.split_first()) {
            (Some(title), Some((first, others))) => {
                caution(page, title, first);
                others
            }
            _ => &prediction.warnings[..],
        };
        page.tag("div").class("answer").with(|page| {
            answer(page, prediction);
            page.tag("div").class("gauges").with(|page| gauges(page, prediction));
        });
        warnings(page, others);
    });
}

/// The input's name: the file, then the path where there is more of it.
pub fn name(page: &mut Markup, place: Place, input: &str) {
    if place.count > 1 {
        page.tag("p").class("eyebrow").text(format_args!("Input {} of {}", place.index + 1, place.count));
    }
    let file = file_name(input);
    let heading = if place.heads { page.tag("h1").class("name") } else { page.tag("h2") };
    heading.with(|page| page.tag("bdi").text(file));
    if file != input {
        page.tag("p").class("path muted").with(|page| page.tag("bdi").text(input));
    }
}

/// A label as a coloured word with a sign for those who do not see the colour.
pub fn label(page: &mut Markup, label: Label) {
    let sign = match label {
        Label::Negative => "\u{25bc}",
        Label::Neutral => "\u{25cf}",
        Label::Positive => "\u{25b2}",
    };
    page.tag("span").class(format_args!("label {}", label.word())).with(|page| {
        page.tag("span").set("aria-hidden", "true").text(sign);
        page.text(format_args!("\u{a0}{}", label.word()));
    });
}

fn answer(page: &mut Markup, prediction: &Prediction) {
    let (value, flow) = match prediction.valence.with_text {
        Some(value) => (value, "valence with text"),
        None => (prediction.valence.without_text, "valence without text"),
    };
    page.tag("div").class("headline").with(|page| {
        label(page, prediction.label);
        page.tag("p").class("value").text(signed(value));
        page.tag("p").class("note").text(flow);
    });
}

fn gauges(page: &mut Markup, prediction: &Prediction) {
    match prediction.valence.with_text {
        Some(value) => {
            let words = match prediction.text_source {
                Some(TextSource::Transcript) => Some("the given transcript"),
                Some(TextSource::Asr) => Some("recognised words"),
                None => None,
            };
            gauge(page, "with", "With text", &judged_by(prediction, words), value);
        }
        None => page.tag("p").class("gauge-name").with(|page| {
            page.tag("span").with(|page| {
                page.tag("strong").text("With text");
                page.tag("span").class("muted").text(" \u{2014} not judged: no transcript");
            });
        }),
    }
    let simulated = prediction.simulated.hypothesis.as_ref().map(|_| "words simulated from the voice");
    let valence = prediction.valence.without_text;
    gauge(page, "without", "Without text", &judged_by(prediction, simulated), valence);
    scale(page);
}

/// What a flow had to judge by.
fn judged_by(prediction: &Prediction, words: Option<&str>) -> String {
    let voice = (prediction.audio.present && !prediction.audio.silent).then_some("voice");
    let face = (prediction.faces.with_face > 0).then_some("face");
    [voice, face, words].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Where `valence` lies on a gauge, in percent; the ends of the scale lie inside so that a marker has room.
fn place(valence: f64) -> f64 {
    50.0 + 46.0 * (valence / SCALE).clamp(-1.0, 1.0)
}

fn gauge(page: &mut Markup, flow: &str, name: &str, source: &str, valence: f64) {
    let value = signed(valence);
    page.tag("div").class("gauge-name").with(|page| {
        page.tag("span").with(|page| {
            page.tag("strong").text(name);
            if !source.is_empty() {
                page.tag("span").class("muted").text(format_args!(" \u{2014} {source}"));
            }
        });
        page.tag("span").class("gauge-value").with(|page| {
            label(page, Label::of(valence));
            page.tag("strong").class("number").text(&value);
        });
    });
    let beyond = valence.abs() > SCALE;
    let title = format!("{name}: valence {value} on a scale from \u{2212}3 to +3");
    plot::drawing(page, &format!("gauge {flow}"), 30, title, |page| {
        let (low, high) = (place(-0.5), place(0.5));
        let zones =
            [("zone negative", 0.0, low), ("zone neutral", low, high), ("zone positive", high, 100.0)];
        for (zone, from, to) in zones {
            plot::rect(page, zone, (Pc(from), 5.0), (Pc(to - from), 20.0));
        }
        for step in -3..=3 {
            let class = if step == 0 { "zero" } else { "grid" };
            plot::upright(page, class, Pc(place(step.into())), 5.0, 25.0);
        }
        let (zero, end) = (place(0.0), place(valence));
        let (from, to) = (zero.min(end), zero.max(end));
        plot::rect(page, "bar", (Pc(from), 10.0), (Pc(to - from), 10.0));
        let at_end = page.tag("svg").set("x", Pc(end)).set("overflow", "visible");
        at_end.with(|page| marker(page, beyond.then_some(valence)));
    });
    if beyond {
        let note = format!("The drawing ends at the scale; the value, {value}, lies beyond it.");
        page.tag("p").class("note").text(note);
    }
}

/// A dot, or an arrow that points beyond the scale.
fn marker(page: &mut Markup, beyond: Option<f64>) {
    let Some(valence) = beyond else {
        return page.tag("circle").class("dot").set("cx", 0).set("cy", 15).set("r", 7).close();
    };
    let tip = Px(10.0 * valence.signum());
    page.tag("path").class("dot").set("d", format_args!("M0 6L{tip} 15L0 24Z")).close();
}

fn scale(page: &mut Markup) {
    plot::ticks(page, 34, |page| {
        for step in -3..=3 {
            plot::text(page, "middle", (Pc(place(step.into())), 12), whole(step));
        }
        for (word, at, side) in
            [("negative", 0.0, "start"), ("neutral", 50.0, "middle"), ("positive", 100.0, "end")]
        {
            plot::text(page, side, (Pc(at), 29), word);
        }
    });
}

/// What takes meaning from all numbers stands out; it is the first of the warnings.
fn caution(page: &mut Markup, title: &str, warning: &str) {
    page.tag("div").class("notice strong").set("role", "note").with(|page| {
        page.tag("p").with(|page| {
            page.tag("strong").text(format_args!("{title} "));
            page.tag("bdi").text(warning);
        });
    });
}

fn warnings(page: &mut Markup, warnings: &[String]) {
    if warnings.is_empty() {
        return;
    }
    page.tag("div").class("notice").set("role", "note").with(|page| {
        let heading = if warnings.len() == 1 { "Warning" } else { "Warnings" };
        page.tag("p").with(|page| page.tag("strong").text(heading));
        page.tag("ul").with(|page| {
            for warning in warnings {
                page.tag("li").with(|page| page.tag("bdi").text(warning));
            }
        });
    });
}
