//! Valence by window as lines with steps.

use std::fmt::Write;

use super::axis::Axis;
use super::markup::Markup;
use super::number::{Pc, Px, counted, signed, signed_or_dash, whole};
use super::plot::{self, COLUMNS};
use crate::prediction::Window;

/// Valence at the edge of the plot: the scale and some room for what lies beyond it.
const EDGE: f64 = 3.3;
/// Height of the valence plot in pixels.
const HEIGHT: f64 = 198.0;
/// More boundaries than this would be a grey area.
const MOST_BOUNDARIES: usize = 60;
/// Least width, in percent, of a window that has its numbers written on it.
const LABELLED: f64 = 15.0;

/// Whether there are more windows than boundaries can be drawn.
pub fn crowded(windows: &[Window]) -> bool {
    windows.len() > MOST_BOUNDARIES
}

/// What the lines mean.
pub fn legend(page: &mut Markup, windows: &[Window]) {
    let given = windows.iter().any(|window| window.with_text.is_some());
    let gaps =
        windows.iter().any(|window| window.without_text.is_none() || (given && window.with_text.is_none()));
    let style = style(windows);
    page.tag("ul").class("legend").with(|page| {
        let flows = [("with", "valence with text"), ("without", "valence without text")];
        for (flow, name) in flows.into_iter().filter(|(flow, _)| given || *flow == "without") {
            page.tag("li").with(|page| {
                plot::key(page, flow, 26, |page| plot::level(page, style, 6));
                page.text(name);
            });
        }
        if gaps {
            page.tag("li").text("a gap: nothing to judge there");
        }
    });
}

/// Dashes would be lost among many steps.
fn style(windows: &[Window]) -> &'static str {
    if crowded(windows) { "step many" } else { "step" }
}

/// Where a valence lies in the plot, in pixels from the top.
fn y(valence: f64) -> f64 {
    HEIGHT * (0.5 - valence.clamp(-EDGE, EDGE) / EDGE / 2.0)
}

/// Numbers of the scale, as high as the plot.
pub fn scale(page: &mut Markup) {
    plot::ticks(page, HEIGHT, |page| {
        for step in -3..=3 {
            plot::text(page, "end", ("88%", Px(y(step.into()) + 4.0)), whole(step));
        }
    });
}

/// The plot.
pub fn write(page: &mut Markup, windows: &[Window], axis: &Axis) {
    let told = counted(windows.len(), "window", "windows");
    let title = format!("Valence over time, {told}, on a scale from \u{2212}3 to +3");
    plot::drawing(page, "", HEIGHT, title, |page| {
        background(page, windows, axis);
        let style = style(windows);
        for (flow, pick) in [("without", without as fn(&Window) -> Option<f64>), ("with", with)] {
            page.tag("g").class(flow).with(|page| {
                plot::stretched(page, HEIGHT, |page| {
                    page.tag("path").class(style).set("d", steps(windows, axis, pick)).close();
                });
            });
        }
        for window in windows {
            numbers(page, window, axis);
            hover(page, window, axis);
        }
    });
}

fn with(window: &Window) -> Option<f64> {
    window.with_text
}

fn without(window: &Window) -> Option<f64> {
    window.without_text
}

fn background(page: &mut Markup, windows: &[Window], axis: &Axis) {
    let zones = [("zone positive", EDGE, 0.5), ("zone neutral", 0.5, -0.5), ("zone negative", -0.5, -EDGE)];
    for (zone, high, low) in zones {
        plot::rect(page, zone, ("0%", y(high)), ("100%", y(low) - y(high)));
    }
    for step in -3..=3 {
        plot::level(page, if step == 0 { "zero" } else { "grid" }, Px(y(step.into())));
    }
    if !crowded(windows) {
        for window in windows.iter().skip(1) {
            plot::upright(page, "boundary", Pc(axis.at(window.start)), 0.0, HEIGHT);
        }
    }
}

/// A line that is level over each window; where nothing is known, or no window, it is broken.
fn steps(windows: &[Window], axis: &Axis, pick: fn(&Window) -> Option<f64>) -> String {
    let x = |time| Px(COLUMNS / 100.0 * axis.at(time));
    let mut path = String::new();
    let mut last = None;
    for window in windows {
        let Some(valence) = pick(window) else {
            last = None;
            continue;
        };
        let joined = last.is_some_and(|end: f64| (window.start.0 - end).abs() < 1e-3);
        let (from, to, y) = (x(window.start), x(window.end), Px(y(valence)));
        // Writing to a String cannot fail.
        let _ = if joined { write!(path, "V{y}H{to}") } else { write!(path, "M{from} {y}H{to}") };
        last = Some(window.end.0);
    }
    path
}

/// Both valences written at their lines, the higher one above, where the window is wide enough.
fn numbers(page: &mut Markup, window: &Window, axis: &Axis) {
    let (from, to) = (axis.at(window.start), axis.at(window.end));
    if to - from < LABELLED {
        return;
    }
    let values = [("with", window.with_text), ("without", window.without_text)];
    for (flow, value) in values {
        let Some(value) = value else { continue };
        let other = values.iter().find(|(name, _)| *name != flow).and_then(|(_, other)| *other);
        let above = other.is_none_or(|other| value > other || (value == other && flow == "with"));
        // Inside the plot, whatever the value.
        let base = if above { y(value) - 6.0 } else { y(value) + 15.0 };
        let base = base.clamp(12.0, HEIGHT - 4.0);
        let place = (Pc(0.5 * (from + to)), Px(base));
        plot::text(page, &format!("value middle {flow}"), place, signed(value));
    }
}

/// What a pointer that rests on a window is told.
fn hover(page: &mut Markup, window: &Window, axis: &Axis) {
    let (from, to) = (axis.at(window.start), axis.at(window.end));
    let rect = page
        .tag("rect")
        .class("hover")
        .set("x", Pc(from))
        .set("y", 0)
        .set("width", Pc(to - from))
        .set("height", HEIGHT);
    rect.with(|page| {
        let (stretch, with, without) = (
            axis.stretch(window.start, window.end),
            signed_or_dash(window.with_text),
            signed_or_dash(window.without_text),
        );
        page.tag("title").text(format_args!("{stretch}: with text {with}, without {without}"));
    });
}
