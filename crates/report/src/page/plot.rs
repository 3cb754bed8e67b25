//! Shapes of the drawings. Places are pixels ([`Px`]) or percentages ([`Pc`]); colours are classes of the style sheet.

use std::fmt::Display;

use super::markup::Markup;
use super::number::{Pc, Px};

/// Columns of the stretched drawings: finer than any screen.
pub const COLUMNS: f64 = 10_000.0;

/// A drawing as wide as its column, `height` pixels high, with a title for those who do not see it.
pub fn drawing(
    page: &mut Markup,
    class: &str,
    height: impl Display,
    title: impl Display,
    content: impl FnOnce(&mut Markup),
) {
    let drawing =
        page.tag("svg").class(format_args!("plot {class}")).set("width", "100%").set("height", height);
    drawing.set("role", "img").with(|page| {
        page.tag("title").text(title);
        content(page);
    });
}

/// A drawing of ticks and their numbers, which the title of the drawing beside it tells.
pub fn ticks(page: &mut Markup, height: impl Display, content: impl FnOnce(&mut Markup)) {
    let drawing = page.tag("svg").class("plot ticks").set("width", "100%").set("height", height);
    drawing.set("aria-hidden", "true").with(content);
}

/// A key of a legend, 12 pixels high.
pub fn key(page: &mut Markup, class: &str, width: usize, content: impl FnOnce(&mut Markup)) {
    let drawing =
        page.tag("svg").class(format_args!("plot key {class}")).set("width", width).set("height", 12);
    drawing.set("aria-hidden", "true").with(content);
}

/// Left, top, width and height.
pub fn rect<X: Display, W: Display>(
    page: &mut Markup,
    class: &str,
    (x, y): (X, f64),
    (width, height): (W, f64),
) {
    let rect = page.tag("rect").class(class).set("x", x).set("y", Px(y));
    rect.set("width", width).set("height", Px(height)).close();
}

/// An upright line.
pub fn upright(page: &mut Markup, class: &str, x: impl Display, from: f64, to: f64) {
    let line = page.tag("line").class(class).set("x1", &x).set("x2", &x);
    line.set("y1", from).set("y2", to).close();
}

/// A level line over the whole width.
pub fn level(page: &mut Markup, class: &str, y: impl Display) {
    let line = page.tag("line").class(class).set("x1", "0%").set("x2", "100%");
    line.set("y1", &y).set("y2", &y).close();
}

/// A text on the line `y`; its class says which of its ends is at `x`.
pub fn text<X: Display, Y: Display>(page: &mut Markup, class: &str, (x, y): (X, Y), text: impl Display) {
    page.tag("text").class(class).set("x", x).set("y", y).text(text);
}

/// A bar of `percent` of the width, 10 pixels high, with its value at its end.
pub fn bar(page: &mut Markup, top: f64, percent: f64, value: impl Display) {
    rect(page, "bar", ("0%", top), (Pc(percent), 10.0));
    page.tag("text").class("small").set("x", Pc(percent)).set("dx", 5).set("y", top + 9.0).text(value);
}

/// A part of a drawing whose columns are stretched over its width.
pub fn stretched(page: &mut Markup, height: f64, content: impl FnOnce(&mut Markup)) {
    let part = page.tag("svg").set("width", "100%").set("height", height).set("preserveAspectRatio", "none");
    part.set("viewBox", format_args!("0 0 {COLUMNS} {height}")).with(content);
}
