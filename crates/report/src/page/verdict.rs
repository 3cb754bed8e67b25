//! The answer in one glance.

use super::markup::Markup;
use super::number::{Pc, Px, signed};
use super::{Place, axis, file_name};
use crate::prediction::{Label, TextSource};
use crate::{Exhibit, Prediction};

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
        strong_warnings(page, &prediction.warnings);
        page.tag("div").class("answer").with(|page| {
            answer(page, prediction);
            page.tag("div").class("gauges").with(|page| gauges(page, prediction));
        });
        warnings(page, &prediction.warnings);
    });
}

/// The input's name: the file, then the path where there is more of it.
pub fn name(page: &mut Markup, place: Place, input: &str) {
    if place.count > 1 {
        page.tag("p").class("eyebrow").text(format_args!("Input {} of {}", place.index + 1, place.count));
    }
    let file = file_name(input);
    page.tag("h2").with(|page| page.tag("bdi").text(file));
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
    let source = match prediction.text_source {
        Some(TextSource::Transcript) => "voice, face and the given transcript",
        Some(TextSource::Asr) => "voice, face and recognised words",
        None => "voice, face and words",
    };
    match prediction.valence.with_text {
        Some(value) => gauge(page, "with", "With text", source, value),
        None => page.tag("p").class("gauge-name").with(|page| {
            page.tag("strong").text("With text");
            page.tag("span").class("muted").text(" \u{2014} not judged: there is no transcript");
        }),
    }
    let source = "voice and face; words simulated from the voice";
    gauge(page, "without", "Without text", source, prediction.valence.without_text);
    scale(page);
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
            page.tag("span").class("muted").text(format_args!(" \u{2014} {source}"));
        });
        page.tag("span").class("gauge-value").with(|page| {
            label(page, Label::of(valence));
            page.tag("strong").class("number").text(&value);
        });
    });
    let beyond = valence.abs() > SCALE;
    page.tag("svg")
        .class(format_args!("plot gauge {flow}"))
        .set("width", "100%")
        .set("height", 30)
        .set("role", "img")
        .with(|page| {
            page.tag("title").text(format_args!("{name}: valence {value} on a scale from \u{2212}3 to +3"));
            let (low, high) = (place(-0.5), place(0.5));
            for (class, from, to) in
                [("negative", 0.0, low), ("neutral", low, high), ("positive", high, 100.0)]
            {
                page.tag("rect")
                    .class(format_args!("zone {class}"))
                    .set("x", Pc(from))
                    .set("y", 5)
                    .set("width", Pc(to - from))
                    .set("height", 20)
                    .close();
            }
            for step in -3..=3 {
                let x = Pc(place(f64::from(step)));
                let class = if step == 0 { "zero" } else { "grid" };
                page.tag("line").class(class).set("x1", x).set("x2", x).set("y1", 5).set("y2", 25).close();
            }
            let (zero, end) = (place(0.0), place(valence));
            let (from, to) = (zero.min(end), zero.max(end));
            page.tag("rect")
                .class("bar")
                .set("x", Pc(from))
                .set("y", 10)
                .set("width", Pc(to - from))
                .set("height", 10)
                .close();
            page.tag("svg")
                .set("x", Pc(end))
                .set("overflow", "visible")
                .with(|page| marker(page, beyond.then_some(valence)));
        });
    if beyond {
        page.tag("p")
            .class("note")
            .text(format_args!("The drawing ends at the scale; the value, {value}, lies beyond it."));
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
    page.tag("svg")
        .class("plot ticks")
        .set("width", "100%")
        .set("height", 34)
        .set("aria-hidden", "true")
        .with(|page| {
            for step in -3..=3_i32 {
                let text = match step {
                    0 => "0".into(),
                    step if step < 0 => format!("\u{2212}{}", -step),
                    step => format!("+{step}"),
                };
                page.tag("text").set("x", Pc(place(f64::from(step)))).set("y", 12).class("middle").text(text);
            }
            for (word, at, class) in
                [("negative", 0.0, "start"), ("neutral", 50.0, "middle"), ("positive", 100.0, "end")]
            {
                page.tag("text").set("x", Pc(at)).set("y", 29).class(class).text(word);
            }
        });
}

/// A warning that the bundle is untrained stands out, because it voids all numbers.
fn voids(warning: &str) -> bool {
    warning.contains("is untrained")
}

fn strong_warnings(page: &mut Markup, warnings: &[String]) {
    for warning in warnings.iter().filter(|warning| voids(warning)) {
        page.tag("div").class("notice strong").set("role", "note").with(|page| {
            page.tag("p").with(|page| {
                page.tag("strong").text("Untrained bundle. ");
                page.tag("bdi").text(warning);
            });
        });
    }
}

fn warnings(page: &mut Markup, warnings: &[String]) {
    let warnings: Vec<&String> = warnings.iter().filter(|warning| !voids(warning)).collect();
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
