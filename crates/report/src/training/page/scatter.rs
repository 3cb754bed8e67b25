//! Prediction against label: a point a clip.

use std::fmt::Write;

use super::scale::Scale;
use super::{chart, flow_class};
use crate::Metrics;
use crate::metrics::Metric;
use crate::page::markup::Markup;
use crate::page::number::{Pc, Px, counted, whole};
use crate::page::plot::{self, COLUMNS};
use crate::page::section;
use crate::training::Evidence;

/// Height in pixels.
const HEIGHT: f64 = 320.0;
/// Labels at the edge of the plot.
const LABEL_EDGE: f64 = 3.2;
/// Predictions beyond are drawn at the edge.
const MOST: f64 = 5.0;
/// Points of one shape do not darken each other; those of different ones do.
const SHAPES: usize = 6;

/// The section.
pub fn write(page: &mut Markup, evidence: &Evidence) {
    section(page, "Prediction against label", |page| {
        page.tag("p").class("note").text(format_args!(
            "Every clip of {} as a point. On the oblique line the prediction is the label. In the tinted quarters the two agree on the sign.",
            evidence.split
        ));
        let said = evidence.clips.iter().flat_map(|clip| &clip.valence).copied();
        let scale =
            Scale::of(said.filter(|v| v.is_finite()).map(|v| v.clamp(-MOST, MOST)).chain([-3.0, 3.0]), 6);
        page.tag("div").class("columns").with(|page| {
            for (index, flow) in evidence.flows.iter().enumerate() {
                page.tag("div").with(|page| one(page, evidence, index, flow, &scale));
            }
        });
    });
}

fn one(page: &mut Markup, evidence: &Evidence, index: usize, flow: &str, scale: &Scale) {
    let (predictions, labels) = evidence.pairs(index);
    page.tag("h4").with(|page| page.tag("bdi").text(flow));
    let told = match Metrics::of(&predictions, &labels) {
        Err(error) => return page.tag("p").class("note").text(error),
        Ok(metrics) => {
            let corr = Metric::Corr;
            let value = metrics.corr.map_or_else(
                || format!("undefined: {}", corr.undefined().unwrap_or_default()),
                |value| corr.shown(value),
            );
            let clips = counted(labels.len(), "clip", "clips");
            format!("Corr (Pearson) {value}; MAE {}; {clips}", Metric::Mae.shown(metrics.mae))
        }
    };
    page.tag("p").class("note number wrap").text(&told);
    let y = |value: f64| 8.0 + (HEIGHT - 16.0) * (1.0 - scale.share(value));
    let x = |label: f64| 50.0 + 50.0 * (label / LABEL_EDGE).clamp(-1.0, 1.0);
    page.tag("div").class("chart").with(|page| {
        page.tag("div").with(|page| chart::upright(page, HEIGHT, scale, y));
        page.tag("div").class("chart-plot").with(|page| {
            let title = format!("Prediction of {flow} against label. {told}");
            plot::drawing(page, "scatter", HEIGHT, title, |page| {
                background(page, scale, x, y);
                page.tag("g").class(flow_class(index)).with(|page| {
                    plot::stretched(page, HEIGHT, |page| points(page, &predictions, &labels, x, y));
                });
            });
            plot::ticks(page, 20, |page| {
                for label in -3..=3_i32 {
                    plot::text(page, "middle", (Pc(x(label.into())), 16), whole(label));
                }
            });
        });
    });
    page.tag("p").class("axis-name").text("label, from left to right; prediction, upwards");
    let beyond = predictions.iter().filter(|value| value.abs() > MOST).count();
    if beyond > 0 {
        let clips = counted(beyond, "prediction", "predictions");
        page.tag("p").class("note").text(format_args!("{clips} beyond {MOST} in size, drawn at the edge."));
    }
}

fn background(page: &mut Markup, scale: &Scale, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) {
    let (top, zero, bottom) = (y(scale.to()), y(0.0), y(scale.from()));
    plot::rect(page, "agree", (Pc(x(0.0)), top), (Pc(50.0), zero - top));
    plot::rect(page, "agree", ("0%", zero), (Pc(50.0), bottom - zero));
    for (value, _) in scale.ticks() {
        plot::level(page, if value == 0.0 { "zero" } else { "grid" }, Px(y(value)));
    }
    for label in -3..=3_i32 {
        let class = if label == 0 { "zero" } else { "grid" };
        plot::upright(page, class, Pc(x(label.into())), top, bottom);
    }
    let (from, to) = (scale.from().max(-LABEL_EDGE), scale.to().min(LABEL_EDGE));
    let line = page.tag("line").class("identity").set("x1", Pc(x(from))).set("x2", Pc(x(to)));
    line.set("y1", Px(y(from))).set("y2", Px(y(to))).close();
}

/// Dots as the round ends of lines without length: a few bytes a clip.
fn points(
    page: &mut Markup,
    predictions: &[f64],
    labels: &[f64],
    x: impl Fn(f64) -> f64,
    y: impl Fn(f64) -> f64,
) {
    let mut shapes = vec![String::new(); SHAPES.min(labels.len())];
    for (index, (prediction, label)) in predictions.iter().zip(labels).enumerate() {
        let (x, y) = ((COLUMNS / 100.0 * x(*label)).round(), (10.0 * y(*prediction)).round() / 10.0);
        // Writing to a String cannot fail.
        let _ = write!(shapes[index % SHAPES], "M{x} {y}h.1");
    }
    let class = if labels.len() > 1_500 { "dots many" } else { "dots" };
    shapes.into_iter().for_each(|path| page.tag("path").class(class).set("d", path).close());
}
